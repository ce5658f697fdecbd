"""Refresh without a token: REST only, with validators instead of heads."""

from __future__ import annotations

import pytest

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Request
from fetcher.simulator import changes
from fetcher.simulator.changes import Push, push
from fetcher.upstreams.github.limits import GITHUB
from tests.component.refresh.conftest import Build
from tests.component.refresh.truth import (
    COMMITS,
    CONTRIBUTORS,
    REPOSITORY,
    failing,
    first_pass,
    is_true,
    weeks,
)
from tests.harness.clock import DAY, NOW
from tests.harness.fakes import answer


async def test_without_a_token_a_first_pass(build: Build) -> None:
    """A first pass requests the repository, its newest commit and its lists over REST."""
    harness = await build(token=None)
    harness.make("alpha")
    harness.add("alpha")
    await harness.work()
    assert harness.requests() == {"repository": 1, "commits": 1, "contributors": 1, "participation": 1}
    is_true(harness, "alpha")
    package = harness.get("alpha")
    assert package.observed.last_updated is not None
    assert package.observed.last_fetched == NOW
    assert harness.state("alpha", REPOSITORY).validators.credential == "anonymous"


async def test_without_a_token_an_unchanged_pass(build: Build) -> None:
    """One conditional request without cost confirms all sources."""
    harness = await build(token=None)
    await first_pass(harness, "alpha")
    harness.tomorrow()
    await harness.work()
    assert harness.log.count("repository", 304) == 1
    assert harness.requests() == {"repository": 1}
    assert harness.quota.usages[-1].points == 0
    assert harness.get("alpha").observed.participants == ("ann", "bob")
    assert harness.get("alpha").observed.last_fetched == harness.clock.now()


async def test_without_a_token_a_moved_head(build: Build) -> None:
    """Both lists are requested again, and the day's commits count after the day has ended."""
    harness = await build(token=None)
    await first_pass(harness, "alpha")
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="ann"))
    await harness.work()
    assert harness.requests() == {"repository": 1, "commits": 1, "contributors": 1, "participation": 1}
    is_true(harness, "alpha")
    due = harness.state("alpha", COMMITS).due_at
    assert due is not None
    harness.clock.advance(due - harness.clock.now())
    assert harness.clock.now().hour == 0
    await harness.work()
    assert harness.requests()["participation"] == 1
    is_true(harness, "alpha")
    assert weeks(harness, "alpha")[-1] == 1
    due = harness.state("alpha", CONTRIBUTORS).due_at
    assert due is not None
    harness.clock.advance(due - harness.clock.now())
    await harness.work()
    assert harness.requests()["contributors"] == 1


async def test_without_a_token_weeks_are_exact_again_after_seven_days(build: Build) -> None:
    """Participation has weekly sums, which are shown unchanged and requested again when a week is over."""
    harness = await build(token=None)
    harness.make("alpha", ["ann"] * 200, age=20)
    harness.add("alpha")
    await harness.work()
    answered = weeks(harness, "alpha")
    harness.requests()
    for _ in range(6):
        harness.clock.advance(DAY)
        days = harness.get("alpha").commit_days
        assert days is not None
        assert list(rolling_weeks(days, harness.clock.today())) == answered
    harness.clock.advance(DAY)
    is_true(harness, "alpha")
    await harness.work()
    assert harness.requests()["participation"] == 1
    is_true(harness, "alpha")


async def test_validators_of_another_credential_are_not_used(build: Build) -> None:
    """Validators of another credential are not sent, because entity tags differ per credential."""
    harness = await build(token=None)
    await first_pass(harness, "alpha")
    another = {GITHUB: "anonymous:other"}
    harness.github.statistics.gateway = Gateway(harness.transport, harness.quota, harness.clock, another)
    seen: list[Request] = []
    harness.transport.interfere = seen.append
    harness.tomorrow()
    await harness.work()
    assert "if-none-match" not in seen[0].headers


async def test_without_a_token_a_renamed_and_a_replaced_repository(build: Build) -> None:
    """A redirect is followed and the new name stored; another id under the known name is quarantined."""
    harness = await build(token=None)
    await first_pass(harness, "alpha", "beta")
    changes.rename(harness.world, "octo/alpha", "omega")
    changes.delete(harness.world, "octo/beta")
    changes.recreate(harness.world, "octo/beta")
    harness.tomorrow()
    await harness.work()
    alpha = harness.get("alpha").stats
    assert alpha is not None
    assert alpha.full_name == "octo/omega"
    assert harness.state("beta", REPOSITORY).outcome == "replaced"
    assert harness.get("beta").observed.participants == ("ann", "bob")


async def test_without_a_token_an_empty_and_a_missing_repository(build: Build) -> None:
    """Status 409 means an empty repository, 404 a missing one."""
    harness = await build(token=None)
    harness.make("alpha", [])
    harness.add("alpha")
    harness.add("beta")
    await harness.work()
    package = harness.get("alpha")
    assert package.stats is not None
    assert package.stats.empty
    assert package.observed.participants == ()
    assert harness.state("beta", REPOSITORY).outcome == "gone"
    harness.tomorrow()
    await harness.work()
    assert harness.state("alpha", REPOSITORY).outcome == "not_modified"


@pytest.mark.parametrize("route", ["repository", "newest_commit"])
@pytest.mark.parametrize(
    ("response", "outcome"),
    [(answer(b"", 202), "transient"), (answer({"message": "x"}, 502), "transient"), (answer([1]), "malformed")],
)
async def test_without_a_token_a_failed_request(build: Build, route: str, response: Answer, outcome: str) -> None:
    """A failure of either request fails the source and keeps the stored values."""
    harness = await build(token=None)
    await first_pass(harness, "alpha")
    before = harness.get("alpha").observed
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="ann"))
    harness.transport.interfere = failing(route, response)
    await harness.work()
    assert harness.state("alpha", REPOSITORY).outcome == outcome
    assert harness.get("alpha").observed == before
