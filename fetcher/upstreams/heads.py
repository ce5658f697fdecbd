"""Consequences of a repository's head for contributors and commits, common to all forges. Pure.

Contributors and daily commits belong to one head each (their ``revision``). They are confirmed without a request while
it is the head, and requested again after it has moved.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from fetcher.domain.model import DETAIL_SOURCES, OutcomeKind, Record, RepoStats, Source, SourceState, Target
from fetcher.domain.outcome import Deferred, Fetched, NotModified, Outcome
from fetcher.domain.records import (
    EMPTY_REVISION,
    FetchedValues,
    confirmed,
    deferred,
    made_due,
    nothing_in,
    record_of,
)
from fetcher.domain.scheduling import CONFIRMED_AFTER, Cadence


def is_current(state: SourceState, head_oid: str | None) -> bool:
    """Return whether the stored values belong to ``head_oid``, so that no request is needed."""
    return head_oid is not None and state.answered_at is not None and state.revision == head_oid


def is_list_refused(state: SourceState) -> bool:
    """Return whether the forge refuses a list for its size. This holds until the slow re-check, even after pushes."""
    return state.outcome is OutcomeKind.BLOCKED and state.answered_at is not None and state.failures == 0


def follow_ups(target: Target, head_oid: str | None) -> tuple[Source, ...]:
    """Return the sources that must be requested for a repository with this head."""
    return tuple(
        source
        for source in DETAIL_SOURCES
        if not is_current(target.state(source), head_oid) and not is_list_refused(target.state(source))
    )


def to_request(target: Target, source: Source, now: datetime) -> bool:
    """Return whether a claimed source belongs to another head, or is due anyway."""
    state = target.state(source)
    if is_current(state, target.head_oid) or is_list_refused(state):
        return state.due_at is not None and state.due_at <= now
    return True


def repository_records(
    target: Target, outcome: Outcome[RepoStats], requested_at: datetime, cadence: Cadence, *, derives_people: bool
) -> list[Record]:
    """Return the records of a repository's statistics, and of the sources that depend on its head.

    ``derives_people`` states that known contributors follow from the history of a new head, which is then due alone.
    """
    match outcome:
        case Deferred():
            return [deferred(target, Source.REPOSITORY, outcome.until, requested_at)]
        case Fetched(value=stats) if stats.head_oid is None and not stats.empty:
            # The default branch names no commit now, though commits exist: keep the known head.
            fetched, head_oid = (
                FetchedValues(_with_known_head(stats, target), None, outcome.validators),
                target.head_oid,
            )
            if head_oid is None:
                return [
                    record_of(target, Source.REPOSITORY, outcome, requested_at, cadence, replace(fetched, full=True))
                ]
        case Fetched(value=stats):
            fetched, head_oid = (
                FetchedValues(stats, stats.head_oid or EMPTY_REVISION, outcome.validators),
                stats.head_oid,
            )
        case NotModified():
            own = record_of(target, Source.REPOSITORY, outcome, requested_at, cadence)
            return [own, *_dependents(target, target.head_oid, requested_at, derives_people=derives_people)]
        case _:
            return [record_of(target, Source.REPOSITORY, outcome, requested_at, cadence)]
    own = record_of(target, Source.REPOSITORY, outcome, requested_at, cadence, replace(fetched, full=True))
    return [own, *_dependents(target, head_oid, requested_at, derives_people=derives_people)]


def _dependents(target: Target, head_oid: str | None, requested_at: datetime, *, derives_people: bool) -> list[Record]:
    """Return the records of contributors and commits at this head: confirmed, empty or due."""
    if head_oid is None:
        return [
            nothing_in(target, source, requested_at)
            for source in DETAIL_SOURCES
            if target.state(source).revision != EMPTY_REVISION or _needs_confirming(target, source, requested_at)
        ]
    records: list[Record] = []
    left_open = follow_ups(target, head_oid)
    for source in DETAIL_SOURCES:
        state = target.state(source)
        if source not in left_open:
            if state.failures == 0 and _needs_confirming(target, source, requested_at):
                records.append(confirmed(target, source, requested_at))
        elif source is Source.COMMITS or state.answered_at is None or not derives_people:
            records.append(made_due(target, source, requested_at))
    return records


def _needs_confirming(target: Target, source: Source, requested_at: datetime) -> bool:
    """Return whether to record that a source still belongs to the head: once an hour, and for a claimed one.

    In between, the statistics' record alone confirms it: the store compares the revisions of both.
    """
    answered_at = target.state(source).answered_at
    return source in target.claimed or answered_at is None or requested_at - answered_at >= CONFIRMED_AFTER


def _with_known_head(stats: RepoStats, target: Target) -> RepoStats:
    return replace(
        stats,
        default_branch=target.default_branch,
        head_oid=target.head_oid,
        head_committed_at=target.head_committed_at,
    )
