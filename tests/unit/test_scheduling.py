"""Scheduling: even slots, growing retry delays, repeated failures, and every outcome handled."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain import outcome
from fetcher.domain.model import DueReason, OutcomeKind, Source, SourceState
from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Deferred,
    Fetched,
    Gone,
    Malformed,
    Moved,
    NotModified,
    NotReady,
    Overloaded,
    Replaced,
    Throttled,
    Transient,
    Unauthorized,
    kind,
)
from fetcher.domain.scheduling import (
    LONGEST_PAUSE,
    Cadence,
    Next,
    Pauses,
    is_gone,
    phase,
    recheck_at,
    schedule,
    slot,
)
from tests.harness.clock import NOW

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3_600, 86_400))
CADENCE = Cadence()
FRESH = SourceState(Source.REPOSITORY)
FAILING = SourceState(
    Source.REPOSITORY, failures=3, first_failed_at=NOW - DAY, message="before", outcome=OutcomeKind.TRANSIENT
)

ids = st.integers(1, 2**40)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
intervals = st.timedeltas(MINUTE, 400 * DAY)
EVERY: list[outcome.Outcome[Any]] = [
    Fetched("value"),
    NotModified(),
    NotReady("why"),
    Moved("https://elsewhere.example"),
    Gone("why"),
    Replaced("why"),
    *(Blocked(cause, "why") for cause in BlockCause),
    Throttled("why"),
    Overloaded("why"),
    Transient("why"),
    Malformed("why"),
    Unauthorized("why"),
    Deferred(NOW + HOUR, "why"),
]


def planned(what: outcome.Outcome[Any], state: SourceState = FRESH) -> Next:
    return schedule(7, state, what, NOW, CADENCE)


def test_slots_are_flat() -> None:
    """Of 10,000 packages each hour of the day gets a 24th, within a sixth."""
    hours = Counter(int(phase(package_id) * 24) for package_id in range(10_000))
    assert set(hours) == set(range(24))
    assert all(abs(count - 10_000 / 24) < 10_000 / 24 / 6 for count in hours.values())


def test_neighbours_share_a_slot_without_crowding() -> None:
    """Neighbours lie together: 32 ids share a slot, and no minute of a day has more than two such groups."""
    groups = [{phase(package_id) for package_id in range(first, first + 32)} for first in range(0, 32_000, 32)]
    minutes = Counter(int(slot_ * 1440) for group in groups for slot_ in group)
    assert {len(group) for group in groups} == {1}
    assert max(minutes.values()) <= 2


@given(ids)
def test_a_phase_is_stable(package_id: int) -> None:
    """The same package always has the same position in the interval."""
    assert phase(package_id) == phase(package_id)
    assert 0 <= phase(package_id) <= 1


@given(ids, moments, intervals)
def test_every_refresh_leads_to_a_slot_nearby(package_id: int, now: datetime, interval: timedelta) -> None:
    """The next request is half to one and a half intervals away, after early and late refreshes."""
    ahead = slot(package_id, now, interval) - now
    assert interval / 2 <= ahead <= interval * 3 / 2


@given(ids, moments, intervals, st.floats(-0.49, 0.49))
def test_early_and_late_refreshes_lead_back_to_the_same_slot(
    package_id: int, now: datetime, interval: timedelta, shift: float
) -> None:
    """A package refreshed up to half an interval off its slot gets the following slot, without drift."""
    at = slot(package_id, now, interval)
    following = slot(package_id, at, interval)
    assert abs(following - at - interval) <= SECOND / 1_000
    assert abs(slot(package_id, at + interval * shift, interval) - following) <= SECOND / 1_000


@given(ids, moments, intervals, st.floats(0, 3))
def test_confirmations_do_not_postpone_a_recheck(
    package_id: int, fetched: datetime, interval: timedelta, passed: float
) -> None:
    """The re-check keeps its slot after the last full fetch until that has passed; it is then due at once."""
    now, planned = fetched + interval * passed, recheck_at(package_id, fetched, fetched, interval)
    assert interval / 2 <= planned - fetched <= interval * 3 / 2
    assert recheck_at(package_id, fetched, now, interval) == (planned if now <= planned else now)
    assert recheck_at(package_id, None, now, interval) == recheck_at(package_id, now, now, interval)


@given(ids, moments, intervals)
def test_a_full_fetch_by_a_clock_that_was_ahead_postpones_no_recheck(
    package_id: int, now: datetime, interval: timedelta
) -> None:
    """Its time counts as unknown."""
    wrong = now + timedelta(days=400)
    assert recheck_at(package_id, wrong, now, interval) == recheck_at(package_id, None, now, interval)


@given(st.integers(-3, 10_000), st.integers(-3, 10_000))
def test_pauses_grow_and_end(one: int, other: int) -> None:
    """More failures never give a shorter delay, and none exceeds the longest."""
    pauses = Pauses(MINUTE, 2.5, 6 * HOUR)
    fewer, more = sorted((one, other))
    assert pauses.after(fewer) <= pauses.after(more) <= pauses.longest
    assert pauses.after(fewer) >= pauses.first


def test_pauses_double() -> None:
    """The first failure has the first delay, and the second twice that."""
    pauses = Pauses(MINUTE, 2, HOUR)
    assert [pauses.after(failures) for failures in (1, 2, 3, 7)] == [MINUTE, 2 * MINUTE, 4 * MINUTE, HOUR]


def test_pauses_shrink_with_the_upstreams_hour() -> None:
    """With a simulator's compressed hour every delay is compressed, and no interval is."""
    scaled = CADENCE.with_pauses_scaled(0.1)
    for name in ("faults", "not_ready", "missing", "blocked"):
        usual, shorter = getattr(CADENCE, name), getattr(scaled, name)
        assert all(shorter.after(n) == usual.after(n) / 10 for n in (1, 2, 9))
    assert scaled.rejected == CADENCE.rejected / 10
    assert (scaled.interval, scaled.recheck) == (CADENCE.interval, CADENCE.recheck)


@pytest.mark.parametrize("what", EVERY, ids=kind)
@pytest.mark.parametrize("state", [FRESH, FAILING], ids=["fresh", "failing"])
def test_every_outcome_has_a_next_time(what: outcome.Outcome[Any], state: SourceState) -> None:
    """Each outcome leads to a due time in the future, within the time that counts as the furthest."""
    plan = planned(what, state)
    assert NOW < plan.due_at <= NOW + CADENCE.furthest(state.source, plan.due_reason)
    assert plan.answered == (plan.failures == 0 and plan.first_failed_at is None and kind(what) in ANSWERS)


ANSWERS = {"fetched", "not_modified", "blocked"}


def test_every_outcome_is_tried() -> None:
    """The list above contains every outcome."""
    members = {*get_args(outcome.Failure), Fetched, NotModified, NotReady, Moved, Deferred}
    assert {type(what) for what in EVERY} == members


@pytest.mark.parametrize("what", [Fetched("value"), NotModified()], ids=kind)
def test_an_answer_resets_everything(what: outcome.Outcome[Any]) -> None:
    """A success resets the failures and leads to the package's slot."""
    assert planned(what, FAILING) == Next(slot(7, NOW, DAY), DueReason.SLOT, True, 0, None, None)


def test_a_list_too_large_counts_as_an_answer() -> None:
    """It is requested again at the slow re-check, and its reason is kept."""
    plan = planned(Blocked(BlockCause.TOO_LARGE, "too large"), FAILING)
    assert plan == Next(slot(7, NOW, CADENCE.recheck), DueReason.RECHECK, True, 0, None, "too large")


@pytest.mark.parametrize(
    ("what", "pauses"),
    [
        (NotReady("why"), CADENCE.not_ready),
        (Gone("why"), CADENCE.missing),
        (Replaced("why"), CADENCE.missing),
        (Blocked(BlockCause.ACCESS, "why"), CADENCE.blocked),
        (Blocked(BlockCause.LEGAL, "why"), CADENCE.blocked),
        (Transient("why"), CADENCE.faults),
        (Malformed("why"), CADENCE.faults),
        (Overloaded("why"), CADENCE.faults),
        (Moved("there"), CADENCE.faults),
        (Unauthorized("why"), Pauses(CADENCE.rejected, 1, CADENCE.rejected)),
    ],
)
def test_failures_count_and_pause(what: outcome.Outcome[Any], pauses: Pauses) -> None:
    """Each failure raises the count, keeps the first failure's time, has a reason, and has its own delay."""
    first, fourth = planned(what), planned(what, FAILING)
    message = "redirected to there" if isinstance(what, Moved) else "why"
    assert first == Next(NOW + pauses.after(1), DueReason.COOLING, False, 1, NOW, message)
    assert fourth == Next(NOW + pauses.after(4), DueReason.COOLING, False, 4, NOW - DAY, message)


@pytest.mark.parametrize(
    ("what", "due_at"),
    [
        (Throttled("why"), NOW + MINUTE),
        (Throttled("why", retry_after=timedelta(0)), NOW + MINUTE),
        (Throttled("why", retry_after=30 * SECOND), NOW + 30 * SECOND),
        (Throttled("why", reset_at=NOW + HOUR), NOW + HOUR),
        (Throttled("why", reset_at=NOW - HOUR), NOW + SECOND),
        (Throttled("why", retry_after=timedelta.max), NOW + LONGEST_PAUSE),
        (Throttled("why", reset_at=datetime.max.replace(tzinfo=UTC)), NOW + LONGEST_PAUSE),
        (Deferred(NOW + HOUR, "why"), NOW + HOUR),
    ],
)
def test_waiting_is_no_failure(what: outcome.Outcome[Any], due_at: datetime) -> None:
    """A deferred source is due at the stated time, at most a day later, and keeps its state."""
    plan = planned(what, FAILING)
    assert plan == Next(due_at, DueReason.QUOTA, False, 3, NOW - DAY, "before")


@pytest.mark.parametrize(
    ("fields", "gone"),
    [
        ({}, True),
        ({"failures": 2}, False),
        ({"outcome": "transient"}, False),
        ({"first_failed_at": NOW - 2 * DAY + SECOND}, False),
        ({"first_failed_at": None}, False),
        ({"last_failed_at": None}, False),
    ],
)
def test_three_strikes_over_two_days(fields: dict[str, Any], gone: bool) -> None:  # noqa: FBT001
    """A source is gone after three missing results in a row over at least two days."""
    usual = {"failures": 3, "outcome": OutcomeKind.GONE, "first_failed_at": NOW - 2 * DAY, "last_failed_at": NOW}
    assert is_gone(SourceState(Source.REPOSITORY, **{**usual, **fields})) is gone


def test_missing_ones_take_days_to_strike_out() -> None:
    """With the usual delays a resource counts as gone after three to five failures over two to seven days."""
    state, now = FRESH, NOW
    while not is_gone(state):
        plan = schedule(7, state, Gone("404"), now, CADENCE)
        state = SourceState(
            Source.REPOSITORY,
            outcome=OutcomeKind.GONE,
            failures=plan.failures,
            first_failed_at=plan.first_failed_at,
            last_failed_at=now,
        )
        now = plan.due_at
    assert 3 <= state.failures <= 5
    assert state.last_failed_at is not None
    assert 2 * DAY <= state.last_failed_at - NOW <= 7 * DAY
