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
from fetcher.simulator.pypi import Index
from fetcher.upstreams.pypi.serials_check import ROOT
from tests.component.refresh.conftest import DAY, NOW, Build, House
from tests.harness.fakes import answer

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PYPI = Source.PYPI
NAMES = ("alpha", "beta", "gamma")


async def catalogue(build: Build, index: Index | None = None, threshold: int = 2) -> House:
    """Return a set-up with three projects that were fetched once."""
    house = await build(index=index, threshold=threshold)
    for name in NAMES:
        house.publish(name, "1.0")
        house.add(name, repo=False, project=True)
    await house.work()
    house.requests()
    return house


def failing(told: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: told if request.route == "pypi_root" else None


async def test_an_unchanged_index_confirms_every_project(build: Build) -> None:
    """One request covers the catalogue, then one conditional request a cycle, and no project is requested."""
    house = await catalogue(build)
    for day in range(1, 5):
        house.clock.advance(DAY)
        assert await house.serials.check()
        assert await house.work() == []
        assert house.requests() == {"simple_root": 1}
        assert {house.state(name, PYPI).answered_at for name in NAMES} == {NOW + day * DAY}
        assert house.store.checkpoint(ROOT).outcome == ("fetched" if day == 1 else "not_modified")


async def test_only_what_moved_is_asked(build: Build) -> None:
    """A release changes one serial: that project is due and fetched, the others are confirmed."""
    house = await catalogue(build)
    house.clock.advance(HOUR)
    changes.release(house.world, "beta", "2.0")
    assert await house.serials.check()
    await house.work()
    assert house.requests() == {"simple_root": 1, "project_json": 1}
    assert house.get("beta").observed.pypi_version == "2.0"


async def test_a_cycle_asks_once(build: Build) -> None:
    """Within the interval nothing is requested again, however often the task runs."""
    house = await catalogue(build)
    assert await house.serials.check()
    house.clock.advance(DAY - MINUTE)
    assert not await house.serials.check()
    assert house.log.count("simple_root") == 1


async def test_small_catalogues_do_not_ask(build: Build) -> None:
    """At the threshold a conditional request for each project costs less."""
    house = await catalogue(build, threshold=len(NAMES))
    assert not await house.serials.check()
    assert house.requests() == {}


async def test_absence_from_the_root_is_not_deletion(build: Build) -> None:
    """An unlisted project (a quarantined one) is neither confirmed nor made due, and keeps its values."""
    house = await catalogue(build)
    house.clock.advance(HOUR)
    changes.set_status(house.world, "beta", ProjectStatus.QUARANTINED)
    await house.serials.check()
    assert house.state("beta", PYPI).answered_at == NOW
    assert house.state("alpha", PYPI).answered_at == NOW + HOUR
    assert house.get("beta").observed.pypi_version == "1.0"


async def test_an_edge_behind_the_root_is_asked_again(build: Build) -> None:
    """A project's response older than its serial in the root comes from a stale edge."""
    house = await catalogue(build)
    house.clock.advance(HOUR)
    changes.release(house.world, "beta", "2.0")
    await house.serials.check()
    house.service.state.pypi.serve_stale("beta")
    house.transport.interfere = lambda request: _unconditional(house, request)
    await house.work()
    state = house.state("beta", PYPI)
    assert (state.outcome, house.get("beta").observed.pypi_version) == ("transient", "1.0")
    house.clock.advance(3 * MINUTE)
    await house.work()
    assert house.get("beta").observed.pypi_version == "2.0"


def _unconditional(house: House, request: Request) -> Answer | None:
    """Respond as an edge without support for validators."""
    assert isinstance(request.headers, dict)
    request.headers.pop("if-none-match", None)
    return None


async def test_the_root_may_have_to_wait(build: Build) -> None:
    """A deferred check was not sent, and is due when the quota allows it."""
    house = await catalogue(build)
    house.quota.refusals.append(RetryAt(NOW + 5 * MINUTE, "pace"))
    assert not await house.serials.check()
    assert house.requests() == {}
    assert house.store.checkpoint(ROOT).due_at == NOW + 5 * MINUTE


@pytest.mark.parametrize(
    ("told", "outcome", "again"),
    [
        (answer({}, 503), "transient", 10 * MINUTE),
        (answer(b'{"projects": [{"name": "alpha", "_last-serial": 1}'), "malformed", 10 * MINUTE),
        (NoAnswer(Fault.TOO_LARGE, "the answer is larger than 1 bytes"), "malformed", 10 * MINUTE),
        (answer(b"", 301, {"location": "https://elsewhere.example/"}), "moved", 10 * MINUTE),
        (answer(b"<html>", headers={"content-type": "text/html"}), "unoffered", DAY),
    ],
)
async def test_a_root_that_falls_silent(build: Build, told: Answer, outcome: str, again: timedelta) -> None:
    """A partial or missing listing has no effect; after two cycles projects are requested one by one."""
    house = await catalogue(build)
    await house.serials.check()
    assert all((house.state(name, PYPI).due_at or NOW) > NOW + 10 * DAY for name in NAMES)
    before = [house.state(name, PYPI) for name in NAMES]
    house.requests()
    house.transport.interfere = failing(told)
    house.clock.advance(DAY)
    assert await house.serials.check()
    assert [house.state(name, PYPI) for name in NAMES] == before
    checkpoint = house.store.checkpoint(ROOT)
    assert (checkpoint.outcome, checkpoint.due_at) == (outcome, house.clock.now() + again)
    house.clock.advance(DAY + MINUTE)
    await house.serials.check()
    await house.work()
    assert house.requests() == {"project_json": len(NAMES)}


@pytest.mark.parametrize("index", [Index(serials=False), Index(simple_json=False), Index(etags=False)])
async def test_a_mirror_that_lacks_something(build: Build, index: Index) -> None:
    """Without serials in its root a mirror's projects are requested one by one; without ETags the full root is sent."""
    house = await catalogue(build, index)
    assert await house.serials.check()
    checkpoint = house.store.checkpoint(ROOT)
    assert checkpoint.due_at == NOW + DAY
    assert checkpoint.outcome == ("unoffered" if index.etags else "fetched")
    house.requests()
    house.tomorrow()
    await house.serials.check()
    await house.work()
    assert house.requests() == {"simple_root": 1, **({"project_json": len(NAMES)} if index.etags else {})}
