"""Source states: conversion from and to rows of ``source_states``, and applying records. Nothing is read or written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias, assert_never

from sqlalchemy import Row

from fetcher.domain.model import (
    NAMED,
    Deferral,
    DueReason,
    GivenBack,
    MadeDue,
    Observed,
    OutcomeKind,
    Record,
    Source,
    SourceState,
    Validators,
)
from fetcher.domain.moments import is_ahead
from fetcher.store.schema import source_states
from fetcher.store.types import plain

STATE_COLUMNS = tuple(source_states.c)

Changes: TypeAlias = tuple[tuple[str, Any], ...]
"""Columns and their new values."""

NOT_REQUESTED = frozenset({OutcomeKind.THROTTLED, OutcomeKind.DEFERRED})
"""Outcomes caused by our own request rate. They do not count as failures of the source."""

MADE_DUE = frozenset({DueReason.MOVED, DueReason.OUT_OF_TURN, *NAMED})
"""Reasons for which an answered source becomes due at once."""

FIRST_REQUESTED = (Source.REPOSITORY, Source.INDEX)
"""Sources due immediately when a package is added. A response for the repository makes the others due."""


def state_of(row: Row[Any]) -> SourceState:
    """Return the state in a row of ``STATE_COLUMNS``."""
    return SourceState(
        source=Source(row.source),
        upstream=row.upstream,
        answered_at=row.answered_at,
        observed_at=row.observed_at,
        revision=row.revision,
        expected=row.expected,
        validators=Validators(row.etag, row.last_modified, row.credential),
        full_fetch_at=row.full_fetch_at,
        failures=row.failures,
        first_failed_at=row.first_failed_at,
        last_failed_at=row.last_failed_at,
        outcome=_outcome_of(row.outcome),
        message=row.message,
        due_at=row.due_at,
        due_reason=_due_reason_of(row.due_reason),
        lease=row.lease,
        lease_until=row.lease_until,
    )


def _outcome_of(stored: str | None) -> OutcomeKind | None:
    """Return the kind of a stored outcome; one unknown to this version counts as a transient failure."""
    try:
        return None if stored is None else OutcomeKind(stored)
    except ValueError:
        return OutcomeKind.TRANSIENT


def _due_reason_of(stored: str | None) -> DueReason | None:
    """Return a stored reason, or ``None`` for one unknown to this version."""
    try:
        return None if stored is None else DueReason(stored)
    except ValueError:
        return None


def row_of(package_id: int, state: SourceState) -> dict[str, Any]:
    """Return ``state`` as a complete row of ``source_states``."""
    return {
        "package_id": package_id,
        "source": state.source.value,
        "upstream": state.upstream,
        "answered_at": state.answered_at,
        "observed_at": state.observed_at,
        "revision": state.revision,
        "expected": state.expected,
        "etag": state.validators.etag,
        "last_modified": state.validators.last_modified,
        "credential": state.validators.credential,
        "full_fetch_at": state.full_fetch_at,
        "failures": state.failures,
        "first_failed_at": state.first_failed_at,
        "last_failed_at": state.last_failed_at,
        "outcome": None if state.outcome is None else state.outcome.value,
        "message": state.message,
        "due_at": state.due_at,
        "due_reason": None if state.due_reason is None else state.due_reason.value,
        "lease": state.lease,
        "lease_until": state.lease_until,
    }


def first_state(source: Source, upstream: str, now: datetime, observed_at: datetime | None = None) -> SourceState:
    """Return the state of a source never requested: due now, or after its repository's first response."""
    if source in FIRST_REQUESTED:
        return SourceState(source, upstream, observed_at=observed_at, due_at=now, due_reason=DueReason.FIRST)
    return SourceState(source, upstream, observed_at=observed_at)


def changes_of(old: SourceState, new: SourceState) -> Changes:
    """Return the columns in which ``new`` differs from ``old``, with their new values."""
    if old == new:
        return ()
    before, after = row_of(0, old), row_of(0, new)
    return tuple((name, value) for name, value in after.items() if value != before[name])


def started_afresh(state: SourceState) -> bool:
    """Return whether the source's address changed and no request was made since: see ``import_entries``.

    Such a row's ``observed_at`` is the time of the change, so responses to earlier requests are rejected.
    """
    return state.observed_at is not None and state.outcome is None


def takes(state: SourceState, record: Observed, now: datetime | None) -> bool:
    """Return whether ``record`` is at least as new as the stored state and concerns the same address.

    The times decide, because batches are recorded in any order. A stored time that is far ahead of ``now`` decides
    nothing. Then only the response of the last claim counts, because an earlier batch may still be recorded. Without
    ``now``, every stored time is believed.
    """
    held = state.lease is not None and record.lease == state.lease
    if started_afresh(state):
        return held
    if state.observed_at is None or state.observed_at <= record.observed_at:
        return True
    return held and now is not None and is_ahead(state.observed_at, now)


def fold(state: SourceState, record: Record, now: datetime | None) -> SourceState:
    """Return ``state`` after ``record``, which is recorded at ``now``. Idempotent.

    Only the holder of the lease ends it and sets the due time; other records may only make a source due earlier. A
    source that was made due after its request was sent stays due, also for the holder of the lease.
    """
    match record:
        case Observed():
            after = _observed(state, record) if takes(state, record, now) else state
            due = replace(after, due_at=record.due_at, due_reason=record.due_reason)
            again = _made_due_since(state, record)
            if record.lease is None:
                return after if state.lease is not None or again else due
            return _ended(after if again else due) if record.lease == state.lease else after
        case Deferral():
            reason = state.due_reason if state.due_reason in NAMED else DueReason.QUOTA
            due = replace(state, due_at=record.due_at, due_reason=reason)
            return _ended(due) if record.lease == state.lease else state
        case GivenBack():
            if record.lease != state.lease:
                return state
            if record.due_at is None:
                return _ended(state)
            return _ended(replace(state, due_at=record.due_at, due_reason=DueReason.MISSING))
        case MadeDue():
            if state.due_at is not None and state.due_at <= record.due_at:
                return state
            return replace(state, due_at=record.due_at, due_reason=record.due_reason)
        case _:
            assert_never(record)


def _made_due_since(state: SourceState, record: Observed) -> bool:
    """Return whether the source was made due after the request of ``record``, so that it is to be requested again."""
    return state.due_reason in MADE_DUE and state.due_at is not None and state.due_at > record.observed_at


def _ended(state: SourceState) -> SourceState:
    return replace(state, lease=None, lease_until=None)


def _observed(state: SourceState, record: Observed) -> SourceState:
    failed = not record.answered and record.failures > 0 and record.outcome not in NOT_REQUESTED
    at = record.observed_at
    return replace(
        state,
        observed_at=at,
        answered_at=at if record.answered else state.answered_at,
        full_fetch_at=at if record.full else state.full_fetch_at,
        revision=state.revision if record.revision is None else record.revision,
        expected=state.expected if record.revision is None else None,
        validators=state.validators if record.validators is None else record.validators,
        failures=0 if record.answered else record.failures,
        first_failed_at=None if record.answered else record.first_failed_at,
        last_failed_at=at if failed else state.last_failed_at,
        outcome=record.outcome,
        message=plain(record.message),
    )
