"""Large catalogues find changed projects through the index's root, and request only those."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from fetcher.domain.model import Source
from fetcher.http.messages import Answer, Fault, NoAnswer, Request
from fetcher.quota import RetryAt
from fetcher.simulator import changes
from fetcher.simulator.project import ProjectStatus
from fetcher.simulator.upstreams.pypi.settings import Index
from fetcher.upstreams.pypi.serials_check import ROOT
from tests.component.refresh.conftest import Build, Harness
from tests.harness.clock import DAY, NOW
from tests.harness.fakes import answer

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
INDEX = Source.INDEX
NAMES = ("alpha", "beta", "gamma")


async def catalogue(build: Build, index: Index | None = None, threshold: int = 2) -> Harness:
    """Return a set-up with three projects that were fetched once."""
    harness = await build(index=index, threshold=threshold)
    for name in NAMES:
        harness.publish(name, "1.0")
        harness.add(name, repo=False, project=True)
    await harness.work()
    harness.requests()
    return harness


def failing(response: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: response if request.route == "pypi_root" else None


async def test_an_unchanged_index_confirms_every_project(build: Build) -> None:
    """One request covers the catalogue, then one conditional request a cycle, and no project is requested."""
    harness = await catalogue(build)
    for day in range(1, 5):
        harness.clock.advance(DAY)
        assert await harness.serials.check()
        assert await harness.work() == []
        assert harness.requests() == {"simple_root": 1}
        assert {harness.state(name, INDEX).answered_at for name in NAMES} == {NOW + day * DAY}
        assert harness.store.checkpoints.get(ROOT).outcome == ("fetched" if day == 1 else "not_modified")


async def test_only_changed_projects_are_requested(build: Build) -> None:
    """A release changes one serial: that project is due and fetched, the others are confirmed."""
    harness = await catalogue(build)
    harness.clock.advance(HOUR)
    changes.release(harness.world, "beta", "2.0")
    assert await harness.serials.check()
    await harness.work()
    assert harness.requests() == {"simple_root": 1, "project_json": 1}
    assert harness.get("beta").observed.pypi_version == "2.0"


async def test_a_cycle_sends_one_request(build: Build) -> None:
    """Within the interval nothing is requested again, however often the task runs."""
    harness = await catalogue(build)
    assert await harness.serials.check()
    harness.clock.advance(DAY - MINUTE)
    assert not await harness.serials.check()
    assert harness.log.count("simple_root") == 1


async def test_a_root_requested_by_a_clock_that_was_ahead(build: Build) -> None:
    """It is requested again as soon as the clock was set."""
    harness = await catalogue(build)
    for later in (400 * DAY, -400 * DAY):
        harness.clock.advance(later)
        assert await harness.serials.check()
    assert harness.state("alpha", INDEX).answered_at == NOW
    assert not await harness.serials.check()


async def test_small_catalogues_do_not_use_the_root(build: Build) -> None:
    """At the threshold a conditional request for each project costs less."""
    harness = await catalogue(build, threshold=len(NAMES))
    assert not await harness.serials.check()
    assert harness.requests() == {}


async def test_absence_from_the_root_is_not_deletion(build: Build) -> None:
    """An unlisted project (a quarantined one) is neither confirmed nor made due, and keeps its values."""
    harness = await catalogue(build)
    harness.clock.advance(HOUR)
    changes.set_status(harness.world, "beta", ProjectStatus.QUARANTINED)
    await harness.serials.check()
    assert harness.state("beta", INDEX).answered_at == NOW
    assert harness.state("alpha", INDEX).answered_at == NOW + HOUR
    assert harness.get("beta").observed.pypi_version == "1.0"


async def test_an_edge_behind_the_root_is_requested_again(build: Build) -> None:
    """A project's response older than its serial in the root comes from a stale edge."""
    harness = await catalogue(build)
    harness.clock.advance(HOUR)
    changes.release(harness.world, "beta", "2.0")
    await harness.serials.check()
    harness.service.upstream("pypi").serve_stale("beta")
    harness.transport.interfere = lambda request: _unconditional(harness, request)
    await harness.work()
    state = harness.state("beta", INDEX)
    assert (state.outcome, harness.get("beta").observed.pypi_version) == ("transient", "1.0")
    harness.clock.advance(3 * MINUTE)
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"


def _unconditional(harness: Harness, request: Request) -> Answer | None:
    """Respond as an edge without support for validators."""
    assert isinstance(request.headers, dict)
    request.headers.pop("if-none-match", None)
    return None


async def test_the_root_may_have_to_wait(build: Build) -> None:
    """A deferred check was not sent, and is due when the quota allows it."""
    harness = await catalogue(build)
    harness.quota.refusals.append(RetryAt(NOW + 5 * MINUTE, "pace"))
    assert not await harness.serials.check()
    assert harness.requests() == {}
    assert harness.store.checkpoints.get(ROOT).due_at == NOW + 5 * MINUTE


@pytest.mark.parametrize(
    ("response", "outcome", "again"),
    [
        (answer({}, 503), "transient", 10 * MINUTE),
        (answer(b'{"projects": [{"name": "alpha", "_last-serial": 1}'), "malformed", 10 * MINUTE),
        (NoAnswer(Fault.TOO_LARGE, "the answer is larger than 1 bytes"), "malformed", 10 * MINUTE),
        (answer(b"", 301, {"location": "https://elsewhere.example/"}), "moved", 10 * MINUTE),
        (answer(b"<html>", headers={"content-type": "text/html"}), "unoffered", DAY),
    ],
)
async def test_a_root_that_fails(build: Build, response: Answer, outcome: str, again: timedelta) -> None:
    """A partial or missing listing has no effect; after two cycles projects are requested one by one."""
    harness = await catalogue(build)
    await harness.serials.check()
    assert all((harness.state(name, INDEX).due_at or NOW) > NOW + 10 * DAY for name in NAMES)
    before = [harness.state(name, INDEX) for name in NAMES]
    harness.requests()
    harness.transport.interfere = failing(response)
    harness.clock.advance(DAY)
    assert await harness.serials.check()
    assert [harness.state(name, INDEX) for name in NAMES] == before
    checkpoint = harness.store.checkpoints.get(ROOT)
    assert (checkpoint.outcome, checkpoint.due_at) == (outcome, harness.clock.now() + again)
    harness.clock.advance(DAY + MINUTE)
    await harness.serials.check()
    await harness.work()
    assert harness.requests() == {"project_json": len(NAMES)}


@pytest.mark.parametrize("index", [Index(serials=False), Index(simple_json=False), Index(etags=False)])
async def test_a_mirror_that_lacks_something(build: Build, index: Index) -> None:
    """Without serials in its root a mirror's projects are requested one by one; without ETags the full root is sent."""
    harness = await catalogue(build, index)
    assert await harness.serials.check()
    checkpoint = harness.store.checkpoints.get(ROOT)
    assert checkpoint.due_at == NOW + DAY
    assert checkpoint.outcome == ("unoffered" if index.etags else "fetched")
    harness.requests()
    harness.tomorrow()
    await harness.serials.check()
    await harness.work()
    assert harness.requests() == {"simple_root": 1, **({"project_json": len(NAMES)} if index.etags else {})}
