"""Sweeps at a computed interval: what they write, what follows a moved head, and the activity that they record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fetcher.domain.model import DueReason, Purpose, Source
from fetcher.domain.sweeping import SHORTEST, Sweep
from fetcher.domain.views import Event
from fetcher.simulator.changes import Facts, Push, push, set_facts
from fetcher.upstreams.github.lanes import GRAPHQL_LANE, HISTORY_LANE
from fetcher.upstreams.github.limits import GITHUB
from tests.component.refresh.conftest import Harness
from tests.harness.clock import DAY

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DETAILS = (Source.CONTRIBUTORS, Source.COMMITS)


@pytest.fixture
async def swept(harness: Harness) -> Harness:
    """Provide a package after its first pass, with the shortest interval from then on."""
    harness.make("tables")
    harness.add("tables")
    await harness.work()
    sweeps = {GITHUB: Sweep(timedelta(seconds=1))}
    harness.refresh_service.cadence = replace(harness.refresh_service.cadence, sweeps=sweeps)
    harness.dispatcher.cadence = harness.refresh_service.cadence
    harness.tomorrow(2)
    await harness.work()
    harness.requests()
    return harness


def _timeline(swept: Harness) -> list[Event]:
    package_id = swept.get("tables").entry.id
    assert package_id is not None
    return swept.store.events.of_package(package_id, 50)


async def test_an_answer_is_due_again_after_the_interval(swept: Harness) -> None:
    """Statistics are due in their slot of the interval, contributors and commits at the re-check."""
    state = swept.state("tables", Source.REPOSITORY)
    assert state.due_at is not None
    assert SHORTEST / 2 <= state.due_at - swept.clock.now() <= 1.5 * SHORTEST
    for source in DETAILS:
        due_at = swept.state("tables", source).due_at
        assert due_at is not None
        assert due_at - swept.clock.now() > 2 * DAY


async def test_an_unmoved_head_costs_one_row(swept: Harness) -> None:
    """Within the hour, a sweep that finds nothing advances the statistics and ``last_fetched``, and no other source."""
    before = {source: swept.state("tables", source) for source in DETAILS}
    events = _timeline(swept)
    swept.clock.advance(2 * SHORTEST)
    await swept.work()
    assert swept.requests() == {"graphql": 1}
    assert {source: swept.state("tables", source) for source in DETAILS} == before
    found = swept.get("tables")
    assert found.states[Source.REPOSITORY].answered_at == swept.clock.now()
    assert found.observed.last_fetched == swept.clock.now()
    assert _timeline(swept) == events


async def test_details_are_confirmed_each_hour(swept: Harness) -> None:
    """After an hour the confirmation of contributors and commits is recorded again, without a request for them."""
    swept.clock.advance(HOUR)
    await swept.work()
    assert swept.requests() == {"graphql": 1}
    assert {swept.state("tables", source).answered_at for source in DETAILS} == {swept.clock.now()}


async def test_a_moved_head_is_followed_at_once(swept: Harness) -> None:
    """A new head makes its commits due at once, and ``last_fetched`` waits for them."""
    fetched = swept.get("tables").observed.last_fetched
    swept.clock.advance(2 * SHORTEST)
    push(swept.world, "octo/tables", Push(login="ann"))
    claim = (await swept.dispatcher.claims())[0]
    await swept.refresh_service.refresh(claim, Purpose.BACKGROUND)
    commits = swept.state("tables", Source.COMMITS)
    assert (commits.due_at, commits.due_reason) == (swept.clock.now(), DueReason.MOVED)
    assert swept.get("tables").observed.last_fetched == fetched
    await swept.work()
    assert swept.get("tables").observed.last_fetched == swept.clock.now()


async def test_the_last_batch_of_statistics_is_followed_by_a_plan(swept: Harness) -> None:
    """A plan starts when no statistics are leased any more and a head has moved, not before and not without one."""
    for slug in ("other", "third"):
        swept.make(slug)
        swept.add(slug)
    await swept.work()
    swept.clock.advance(2 * SHORTEST)
    swept.dispatcher = replace(swept.dispatcher, lanes=(replace(GRAPHQL_LANE, batch=2), HISTORY_LANE))
    for pushed in (False, True):
        if pushed:
            push(swept.world, "octo/tables", Push(login="ann"))
        first, last = await swept.dispatcher.claims()
        await swept.refresh_service.refresh(first, Purpose.BACKGROUND)
        assert not swept.dispatcher.is_to_be_followed(first)
        await swept.refresh_service.refresh(last, Purpose.BACKGROUND)
        assert swept.dispatcher.is_to_be_followed(last) is pushed
        swept.clock.advance(2 * SHORTEST)
    histories, *statistics = await swept.dispatcher.claims()
    assert histories.sources == (Source.COMMITS,)
    assert [claim.sources for claim in statistics] == [(Source.REPOSITORY,)] * 2
    assert not swept.dispatcher.is_to_be_followed(histories)


async def test_activity_is_recorded(swept: Harness) -> None:
    """A change of stars is activity, and so is a push; an unchanged response is none."""
    before = swept.get("tables").active_at
    assert before is not None
    assert before < swept.clock.now() - DAY
    swept.clock.advance(2 * SHORTEST)
    await swept.work()
    assert swept.get("tables").active_at == before
    set_facts(swept.world, "octo/tables", Facts(stars=11))
    swept.clock.advance(2 * SHORTEST)
    await swept.work()
    assert swept.get("tables").active_at == swept.clock.now()


async def test_a_fixed_interval_is_used_for_everything(harness: Harness) -> None:
    """Without computed intervals, statistics are due in their slot of the cadence's interval."""
    harness.make("tables")
    harness.add("tables")
    await harness.work()
    state = harness.state("tables", Source.REPOSITORY)
    assert state.due_at is not None
    assert DAY / 2 <= state.due_at - harness.clock.now() <= 1.5 * DAY
