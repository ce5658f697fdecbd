"""Projects: the JSON API and Simple together, conditional requests, limited mirrors and stale edges."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from fetcher.domain.model import ProjectStatus, Source
from fetcher.http.messages import Answer, Request
from fetcher.quota import RetryAt
from fetcher.simulator import changes
from fetcher.simulator.project import ProjectStatus as TheirStatus
from fetcher.simulator.upstreams.pypi.settings import Index
from tests.component.refresh.conftest import Build, Harness
from tests.harness.clock import NOW
from tests.harness.fakes import answer

MINUTE = timedelta(minutes=1)
INDEX = Source.INDEX
FULL = {"project_json": 1, "simple_project": 1}
CHEAP = {"project_json": 1}


def numbers(harness: Harness, slug: str = "alpha") -> list[str]:
    versions = harness.get(slug).versions
    return [] if versions is None else [release.number for release in versions.releases]


def status(harness: Harness) -> ProjectStatus | None:
    versions = harness.get("alpha").versions
    return None if versions is None else versions.status


def failing(route: str, with_: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: with_ if request.route == route else None


async def first_pass(harness: Harness, **fields: Any) -> None:
    harness.publish("alpha", "1.0", "2.0", "3.0rc1", **fields)
    harness.add("alpha", repo=False, project=True)
    await harness.work()


async def test_a_first_pass_reads_both_apis(harness: Harness) -> None:
    """Releases, links and serial come from JSON, the status from Simple; the package counts as fetched."""
    await first_pass(harness, status=TheirStatus.ARCHIVED)
    assert harness.requests() == FULL
    package = harness.get("alpha")
    assert package.versions is not None
    assert package.versions.latest == package.observed.pypi_version == "2.0"
    assert numbers(harness) == ["1.0", "2.0", "3.0rc1"]
    assert package.versions.status is ProjectStatus.ARCHIVED
    assert package.versions.info is not None
    assert package.versions.info.documentation_url == "https://alpha.example/"
    assert package.observed.last_fetched == NOW
    state = harness.state("alpha", INDEX)
    assert (state.revision, state.full_fetch_at) == (str(package.versions.serial), NOW)
    assert state.validators.etag is not None


async def test_an_unchanged_project_is_one_conditional_request(harness: Harness) -> None:
    """A 304 confirms the stored values."""
    await first_pass(harness)
    harness.requests()
    harness.tomorrow()
    await harness.work()
    assert harness.log.count("project_json", 304) == 1
    assert harness.requests() == CHEAP
    assert harness.state("alpha", INDEX).answered_at == harness.clock.now()
    assert harness.quota.usages[-1].points == 0
    assert numbers(harness) == ["1.0", "2.0", "3.0rc1"]


async def test_a_release_is_one_request(harness: Harness) -> None:
    """A new version takes one JSON API request, and the known status stays."""
    await first_pass(harness, status=TheirStatus.DEPRECATED)
    harness.requests()
    changes.release(harness.world, "alpha", "4.0")
    harness.tomorrow()
    await harness.work()
    assert harness.requests() == CHEAP
    assert harness.get("alpha").observed.pypi_version == "4.0"
    assert status(harness) is ProjectStatus.DEPRECATED


async def test_the_status_is_read_again_slowly(harness: Harness) -> None:
    """Archiving moves no serial; the slow re-check finds it, even with a 304."""
    await first_pass(harness)
    changes.set_status(harness.world, "alpha", TheirStatus.ARCHIVED)
    harness.tomorrow()
    await harness.work()
    assert status(harness) is ProjectStatus.ACTIVE
    harness.requests()
    harness.tomorrow(30)
    await harness.work()
    assert harness.requests() == FULL
    assert status(harness) is ProjectStatus.ARCHIVED
    assert numbers(harness) == ["1.0", "2.0", "3.0rc1"]
    assert harness.state("alpha", INDEX).full_fetch_at == harness.clock.now()


async def test_a_quarantined_project_keeps_its_versions(harness: Harness) -> None:
    """JSON returns 404 and Simple has no file: only the status changes."""
    await first_pass(harness)
    before = harness.get("alpha").versions
    changes.set_status(harness.world, "alpha", TheirStatus.QUARANTINED)
    harness.tomorrow()
    await harness.work()
    after = harness.get("alpha").versions
    assert before is not None
    assert after is not None
    assert (after.releases, after.latest, after.info) == (before.releases, before.latest, before.info)
    assert after.status is ProjectStatus.QUARANTINED
    assert harness.state("alpha", INDEX).answered_at == harness.clock.now()


async def test_a_project_out_of_quarantine_is_read_in_full(harness: Harness) -> None:
    """New releases and the status are stored after JSON returns the project again."""
    await first_pass(harness)
    changes.set_status(harness.world, "alpha", TheirStatus.QUARANTINED)
    harness.tomorrow()
    await harness.work()
    changes.set_status(harness.world, "alpha", TheirStatus.ACTIVE)
    changes.release(harness.world, "alpha", "4.0")
    harness.tomorrow()
    await harness.work()
    assert harness.get("alpha").observed.pypi_version == "4.0"
    assert status(harness) is ProjectStatus.ACTIVE


async def test_a_missing_project(harness: Harness) -> None:
    """A project unknown to both APIs is gone, with growing retry delays, and keeps its values."""
    await first_pass(harness)
    harness.world.drop_project("alpha")
    harness.tomorrow()
    harness.requests()
    await harness.work()
    assert harness.requests() == FULL
    state = harness.state("alpha", INDEX)
    assert (state.outcome, state.failures) == ("gone", 1)
    assert state.due_at == harness.clock.now() + timedelta(hours=6)
    assert harness.get("alpha").observed.pypi_version == "2.0"


async def test_a_mirror_without_the_json_api(build: Build) -> None:
    """Simple alone gives the versions and the status; fields that only JSON has stay unknown."""
    harness = await build(index=Index(json_api=False))
    await first_pass(harness)
    assert harness.log.count(upstream="pypi") == 2
    package = harness.get("alpha")
    assert package.versions is not None
    assert (package.observed.pypi_version, package.versions.info) == ("2.0", None)
    assert numbers(harness) == ["1.0", "2.0", "3.0rc1"]
    harness.tomorrow()
    changes.release(harness.world, "alpha", "4.0")
    await harness.work()
    assert harness.get("alpha").observed.pypi_version == "4.0"


async def test_validators_belong_to_the_api_that_gave_them(build: Build) -> None:
    """Simple's validators are not sent to the JSON API, where they are invalid."""
    harness = await build(index=Index(json_api=False))
    await first_pass(harness)
    assert not harness.state("alpha", INDEX).validators


async def test_a_mirror_without_simples_json_form(build: Build) -> None:
    """Versions come from the JSON API and the status from the HTML form, which is not requested every day."""
    harness = await build(index=Index(simple_json=False))
    await first_pass(harness, status=TheirStatus.DEPRECATED)
    assert harness.requests() == FULL
    assert (harness.get("alpha").observed.pypi_version, status(harness)) == ("2.0", ProjectStatus.DEPRECATED)
    harness.tomorrow()
    await harness.work()
    assert harness.requests() == CHEAP


async def test_the_html_form_does_not_take_upload_times_away(build: Build) -> None:
    """The dated releases stay at the slow re-check: with a 304 only the status is read from the HTML form."""
    harness = await build(index=Index(simple_json=False))
    await first_pass(harness)
    before = harness.get("alpha").versions
    changes.set_status(harness.world, "alpha", TheirStatus.ARCHIVED)
    harness.tomorrow(31)
    await harness.work()
    assert harness.log.count("project_json", 304) == 1
    after = harness.get("alpha").versions
    assert before is not None
    assert after is not None
    assert after.releases == before.releases
    assert all(release.uploaded_at for release in after.releases)
    assert after.status is ProjectStatus.ARCHIVED
    assert harness.state("alpha", INDEX).full_fetch_at == harness.clock.now()


async def test_a_mirror_with_html_alone(build: Build) -> None:
    """With HTML alone, all fields come from file names and attributes."""
    harness = await build(index=Index(json_api=False, simple_json=False))
    await first_pass(harness, status=TheirStatus.ARCHIVED)
    assert harness.requests() == {"simple_project": 1, "unknown": 1}
    assert (harness.state("alpha", INDEX).outcome, harness.state("alpha", INDEX).failures) == ("fetched", 0)
    assert (harness.get("alpha").observed.pypi_version, status(harness)) == ("2.0", ProjectStatus.ARCHIVED)
    assert numbers(harness) == ["1.0", "2.0", "3.0rc1"]
    assert harness.get("alpha").observed.last_fetched == NOW
    changes.release(harness.world, "alpha", "4.0")
    changes.yank(harness.world, "alpha", "2.0", reason="broken")
    harness.tomorrow()
    await harness.work()
    versions = harness.get("alpha").versions
    assert versions is not None
    assert [(release.number, release.yanked_reason) for release in versions.releases if release.yanked] == [
        ("2.0", "broken")
    ]
    assert harness.get("alpha").observed.pypi_version == "4.0"


async def test_a_project_that_html_alone_knows_is_gone_with_a_404(build: Build) -> None:
    """A 404 of the only form counts as on any other index."""
    harness = await build(index=Index(json_api=False, simple_json=False))
    await first_pass(harness)
    harness.world.drop_project("alpha")
    harness.tomorrow()
    await harness.work()
    assert harness.state("alpha", INDEX).outcome == "gone"
    assert numbers(harness) == ["1.0", "2.0", "3.0rc1"]


async def test_a_login_page_in_place_of_the_listing_loses_nothing(build: Build) -> None:
    """A page that is no listing is malformed; the project is neither gone nor without releases."""
    harness = await build(index=Index(json_api=False, simple_json=False))
    await first_pass(harness)
    before = harness.get("alpha")
    page = answer(b'<!DOCTYPE html><a href="/login">Log in</a>', headers={"content-type": "text/html"})
    harness.transport.interfere = failing("pypi_simple", page)
    harness.tomorrow()
    await harness.work()
    after = harness.get("alpha")
    assert (after.versions, after.observed) == (before.versions, before.observed)
    assert (after.states[INDEX].outcome, after.states[INDEX].failures) == ("malformed", 1)


async def test_a_mirror_without_validators_and_serials(build: Build) -> None:
    """All values are fetched again each time."""
    harness = await build(index=Index(etags=False, serials=False))
    await first_pass(harness)
    harness.tomorrow()
    await harness.work()
    state = harness.state("alpha", INDEX)
    assert (state.outcome, state.revision) == ("fetched", None)
    assert harness.get("alpha").observed.last_fetched == harness.clock.now()


async def test_a_stale_edge_is_requested_again_later(harness: Harness) -> None:
    """A response older than an earlier one changes nothing and does not count as a response."""
    await first_pass(harness)
    changes.release(harness.world, "alpha", "4.0")
    harness.tomorrow()
    await harness.work()
    before = harness.get("alpha").versions
    harness.tomorrow()
    harness.service.upstream("pypi").serve_stale("alpha")
    await harness.work()
    state = harness.state("alpha", INDEX)
    assert (state.outcome, state.due_at) == ("transient", harness.clock.now() + 2 * MINUTE)
    assert (state.message or "").startswith("a stale edge: serial ")
    assert harness.get("alpha").versions == before
    harness.clock.advance(2 * MINUTE)
    await harness.work()
    assert harness.state("alpha", INDEX).failures == 0


async def test_the_json_apis_word_counts_without_simple(harness: Harness) -> None:
    """If Simple fails, the versions are stored, and the status is requested the next time."""
    harness.transport.interfere = failing("pypi_simple", answer({"message": "x"}, 502))
    await first_pass(harness)
    assert harness.get("alpha").observed.pypi_version == "2.0"
    assert (status(harness), harness.state("alpha", INDEX).full_fetch_at) == (None, None)
    harness.transport.interfere = lambda request: None
    harness.requests()
    harness.tomorrow()
    await harness.work()
    assert harness.log.count("project_json", 304) == 1
    assert harness.requests() == FULL
    assert status(harness) is ProjectStatus.ACTIVE


PARTIAL = {
    "info": {"name": "alpha", "version": "2.0", "summary": "told by JSON"},
    "urls": [],
    "last_serial": 30_000_001,
}


async def test_json_without_releases_is_completed_by_simple(harness: Harness) -> None:
    """Without the deprecated list, Simple gives the releases and JSON the rest."""
    harness.transport.interfere = failing("pypi_json", answer(PARTIAL))
    await first_pass(harness)
    package = harness.get("alpha")
    assert numbers(harness) == ["1.0", "2.0", "3.0rc1"]
    assert package.versions is not None
    assert package.versions.info is not None
    assert package.versions.info.summary == "told by JSON"


async def test_json_without_releases_and_without_simple(build: Build) -> None:
    """If Simple is not offered, only the latest release is known."""
    harness = await build()
    refused = {"pypi_json": answer(PARTIAL), "pypi_simple": answer({}, 406)}
    harness.transport.interfere = lambda request: refused.get(request.route)
    await first_pass(harness)
    assert numbers(harness) == ["2.0"]
    assert harness.state("alpha", INDEX).outcome == "fetched"


async def test_json_without_releases_while_simple_fails(harness: Harness) -> None:
    """An incomplete response is not stored, because it would drop every other release."""
    await first_pass(harness)
    harness.tomorrow()
    broken = {"pypi_json": answer(PARTIAL), "pypi_simple": answer({}, 503)}
    harness.transport.interfere = lambda request: broken.get(request.route)
    await harness.work()
    assert harness.state("alpha", INDEX).outcome == "transient"
    assert numbers(harness) == ["1.0", "2.0", "3.0rc1"]


@pytest.mark.parametrize(
    ("response", "outcome", "failures"),
    [
        (answer({}, 500), "transient", 1),
        (answer(b"<html>", headers={"content-type": "text/html"}), "malformed", 1),
        (answer({}, 429, {"retry-after": "60"}), "throttled", 0),
        (answer({}, 403), "blocked", 1),
    ],
)
async def test_a_failed_request_keeps_everything(
    harness: Harness, response: Answer, outcome: str, failures: int
) -> None:
    """A failed request changes no stored value of the project, and Simple is not requested instead."""
    await first_pass(harness)
    before = harness.get("alpha")
    harness.tomorrow()
    harness.requests()
    harness.transport.interfere = failing("pypi_json", response)
    await harness.work()
    after = harness.get("alpha")
    assert (after.versions, after.observed) == (before.versions, before.observed)
    assert (after.states[INDEX].outcome, after.states[INDEX].failures) == (outcome, failures)
    assert harness.requests() == {}


@pytest.mark.parametrize("granted", [0, 1])
async def test_a_project_that_is_deferred(harness: Harness, granted: int) -> None:
    """A deferral before the first request sends nothing; before the second, JSON's values stay and Simple waits."""
    until = NOW + 7 * MINUTE
    harness.quota.refusals.extend([*[None] * granted, RetryAt(until, "pace")])
    await first_pass(harness)
    state = harness.state("alpha", INDEX)
    if granted:
        assert (state.outcome, state.full_fetch_at) == ("fetched", None)
        assert numbers(harness) == ["1.0", "2.0", "3.0rc1"]
    else:
        assert (state.outcome, state.due_at, state.failures) == (None, until, 0)


async def test_one_source_never_blanks_another(harness: Harness) -> None:
    """Repository and project are fetched independently; the package counts as fetched only with both."""
    harness.publish("alpha", "1.0")
    harness.make("beta")
    harness.add("alpha", project=True)
    harness.add("beta", project=True)
    await harness.work()
    alpha, beta = harness.get("alpha"), harness.get("beta")
    assert (alpha.observed.pypi_version, alpha.states[Source.REPOSITORY].outcome) == ("1.0", "gone")
    assert (beta.observed.repo_watchers, beta.states[INDEX].outcome) == (10, "gone")
    assert alpha.observed.last_fetched is beta.observed.last_fetched is None


async def test_a_spelling_that_redirects(harness: Harness) -> None:
    """Names are requested in canonical form, so that no request is spent on a redirect."""
    harness.publish("Al.Pha", "1.0")
    harness.add("al_pha", repo=False, project=True)
    await harness.work()
    assert harness.get("al_pha").observed.pypi_version == "1.0"
    assert harness.requests() == FULL
