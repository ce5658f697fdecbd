"""Applying records to states: properties of the pure function that decides every write."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.model import (
    Deferral,
    DueReason,
    GivenBack,
    MadeDue,
    Observed,
    OutcomeKind,
    Record,
    Source,
    SourceState,
)
from fetcher.domain.moments import SKEW
from fetcher.store.states import fold, row_of, started_afresh, takes
from tests.harness.clock import NOW

LEASES = st.sampled_from([None, "mine", "another"])
MOMENTS = st.integers(0, 5).map(lambda hours: NOW + timedelta(hours=hours))
LATER = NOW + timedelta(hours=5)
"""The time of recording: no moment is ahead of it."""


KINDS = [
    OutcomeKind.FETCHED,
    OutcomeKind.NOT_MODIFIED,
    OutcomeKind.TRANSIENT,
    OutcomeKind.GONE,
    OutcomeKind.THROTTLED,
]
ANSWERS = {OutcomeKind.FETCHED, OutcomeKind.NOT_MODIFIED}


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    """Generate any response or failure."""
    outcome = draw(st.sampled_from(KINDS))
    answered = outcome in ANSWERS
    return Observed(
        package_id=1,
        source=Source.REPOSITORY,
        lease=draw(LEASES),
        observed_at=draw(MOMENTS),
        due_at=draw(st.none() | MOMENTS),
        outcome=outcome,
        answered=answered,
        revision=draw(st.sampled_from([None, "a", "b"])) if answered else None,
        full=answered and draw(st.booleans()),
        failures=0 if answered else draw(st.integers(0, 3)),
        message=draw(st.sampled_from([None, "why"])),
    )


def records() -> st.SearchStrategy[Record]:
    """Generate any record of a worker: a response, a failure, or a change of schedule only."""
    held = st.sampled_from(["mine", "another"])
    return st.one_of(
        observations(),
        st.builds(Deferral, st.just(1), st.just(Source.REPOSITORY), held, MOMENTS, MOMENTS),
        st.builds(GivenBack, st.just(1), st.just(Source.REPOSITORY), held),
        st.builds(MadeDue, st.just(1), st.just(Source.REPOSITORY), MOMENTS, st.just(DueReason.MOVED)),
    )


@st.composite
def states(draw: st.DrawFn) -> SourceState:
    lease = draw(LEASES)
    observed = draw(st.none() | MOMENTS)
    return SourceState(
        Source.REPOSITORY,
        observed_at=observed,
        answered_at=observed,
        outcome=None if observed is None else OutcomeKind.FETCHED,
        due_at=draw(st.none() | MOMENTS),
        lease=lease,
        lease_until=None if lease is None else draw(MOMENTS),
    )


def without_schedule(state: SourceState) -> SourceState:
    """Return a state without its schedule."""
    return replace(state, due_at=None, due_reason=None, lease=None, lease_until=None)


@given(states(), records())
def test_twice_is_once(state: SourceState, record: Record) -> None:
    """Applying a record a second time changes nothing."""
    once = fold(state, record, LATER)
    assert fold(once, record, LATER) == once


@given(states(), st.lists(observations(), max_size=4, unique_by=lambda record: record.observed_at))
def test_order_does_not_matter_for_the_newest(state: SourceState, some: list[Observed]) -> None:
    """In any order of arrival, the outcome, failures and message are those of the newest record."""
    taken = [record for record in some if takes(state, record, LATER)]
    newest = max(taken, key=lambda record: record.observed_at, default=None)
    for order in permutations(some):
        end = state
        for record in order:
            end = fold(end, record, LATER)
        if newest is None:
            assert without_schedule(end) == without_schedule(state)
        else:
            assert (end.observed_at, end.outcome, end.message) == (newest.observed_at, newest.outcome, newest.message)
            assert end.failures == newest.failures


@given(states(), records())
def test_only_the_holder_ends_a_lease(state: SourceState, record: Record) -> None:
    """Only a record with the lease ends it; the due time of a leased source moves later only by its holder."""
    end = fold(state, record, LATER)
    lease = None if isinstance(record, MadeDue) else record.lease
    if state.lease is not None and lease != state.lease:
        assert (end.lease, end.lease_until) == (state.lease, state.lease_until)
        if state.due_at is not None:
            assert end.due_at is not None
            assert end.due_at <= state.due_at
    if lease is not None and lease == state.lease:
        due_at = state.due_at if isinstance(record, GivenBack | MadeDue) else record.due_at
        assert (end.lease, end.due_at) == (None, due_at)


@given(states(), st.builds(MadeDue, st.just(1), st.just(Source.REPOSITORY), MOMENTS, st.just(DueReason.MOVED)))
def test_a_source_made_due_is_due_no_later(state: SourceState, record: MadeDue) -> None:
    """The earlier of the two times applies, with its own reason, and nothing else changes."""
    end = fold(state, record, LATER)
    is_earlier = state.due_at is None or record.due_at < state.due_at
    expected = (record.due_at, record.due_reason) if is_earlier else (state.due_at, state.due_reason)
    assert (end.due_at, end.due_reason) == expected
    assert without_schedule(end) == without_schedule(state)


@given(states(), records())
def test_an_answer_is_never_taken_back(state: SourceState, record: Record) -> None:
    """The last response, its revision and the last full fetch advance or stay, whatever fails afterwards."""
    end = fold(state, record, LATER)
    if state.answered_at is not None:
        assert end.answered_at is not None
        assert end.answered_at >= state.answered_at
    if not (isinstance(record, Observed) and record.answered and takes(state, record, LATER)):
        assert (end.answered_at, end.revision, end.full_fetch_at) == (
            state.answered_at,
            state.revision,
            state.full_fetch_at,
        )


def test_a_pause_is_no_failure_of_the_source() -> None:
    """A throttled request keeps the count of failures and the time of the last failure."""
    state = SourceState(
        Source.REPOSITORY, failures=2, first_failed_at=NOW, last_failed_at=NOW, outcome=OutcomeKind.GONE
    )
    later = NOW + timedelta(hours=1)
    record = Observed(
        1, Source.REPOSITORY, None, later, later, outcome=OutcomeKind.THROTTLED, failures=2, first_failed_at=NOW
    )
    assert fold(state, record, LATER).last_failed_at == NOW


def test_after_a_change_of_address_only_a_new_claim_counts() -> None:
    """A reset source accepts only the response of a later claim, even from a clock that is behind."""
    fresh = SourceState(Source.REPOSITORY, observed_at=NOW)
    assert started_afresh(fresh)
    at = NOW - timedelta(hours=1)
    record = Observed(1, Source.REPOSITORY, "mine", at, NOW, outcome=OutcomeKind.FETCHED, answered=True)
    assert not takes(fresh, record, LATER)
    assert not takes(fresh, replace(record, lease=None), LATER)
    assert takes(replace(fresh, lease="mine"), record, LATER)


def test_a_time_of_a_clock_that_was_ahead_is_replaced_by_the_last_claim() -> None:
    """Only the holder of the lease replaces it: a batch that lost its lease may have an older response."""
    wrong = NOW + timedelta(days=400)
    state = SourceState(Source.REPOSITORY, observed_at=wrong, outcome=OutcomeKind.FETCHED, lease="mine")
    record = Observed(1, Source.REPOSITORY, "mine", NOW, LATER, outcome=OutcomeKind.FETCHED, answered=True)
    after = fold(state, record, NOW)
    assert (after.observed_at, after.lease) == (NOW, None)
    assert fold(after, record, NOW) == after
    for lease in (None, "another"):
        assert not takes(state, replace(record, lease=lease), NOW)
    assert not takes(state, record, wrong)
    assert not takes(replace(state, observed_at=NOW + SKEW), record, NOW)


def test_a_row_names_every_field() -> None:
    """The row of a state has the table's columns, no more and no fewer."""
    from fetcher.store.states import STATE_COLUMNS  # noqa: PLC0415

    assert list(row_of(1, SourceState(Source.INDEX))) == [column.name for column in STATE_COLUMNS]


@pytest.mark.parametrize("reason", [DueReason.MOVED, DueReason.OUT_OF_TURN])
def test_a_late_record_of_another_batch_keeps_due_sources(reason: DueReason) -> None:
    """A batch that read the former head and is recorded after the new one does not put the new one off."""
    made_due_at = NOW + timedelta(seconds=5)
    state = SourceState(
        Source.COMMITS,
        observed_at=NOW,
        answered_at=NOW,
        outcome=OutcomeKind.FETCHED,
        due_at=made_due_at,
        due_reason=reason,
    )
    record = Observed(
        package_id=1,
        source=Source.COMMITS,
        lease=None,
        observed_at=NOW + timedelta(seconds=1),
        due_at=NOW + timedelta(days=30),
        due_reason=DueReason.RECHECK,
        outcome=OutcomeKind.FETCHED,
        answered=True,
        revision="former",
    )
    after = fold(state, record, LATER)
    assert (after.revision, after.due_at, after.due_reason) == ("former", made_due_at, reason)
    later = fold(after, replace(record, observed_at=NOW + timedelta(seconds=6), revision="new"), LATER)
    assert (later.revision, later.due_reason) == ("new", DueReason.RECHECK)
