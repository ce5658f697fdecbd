"""Conversion of outcomes to records: the schedule and a response's values, ready for the store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from fetcher.domain.commit_weeks import commit_days
from fetcher.domain.model import (
    DETAIL_SOURCES,
    Contributors,
    Deferral,
    DueReason,
    GivenBack,
    MadeDue,
    Observed,
    OutcomeKind,
    Record,
    RepoStats,
    Source,
    Target,
    Validators,
    Values,
)
from fetcher.domain.outcome import FailureBase, Malformed, Outcome, Replaced, kind
from fetcher.domain.scheduling import Cadence, recheck_at, schedule, slot
from fetcher.domain.sweeping import last_activity

T = TypeVar("T")

HELD_BACK = timedelta(hours=1)
"""Least time until contributors and commits of a missing repository are claimed again."""

ACTIVITY_STEP = timedelta(hours=1)
"""Time after a repository's activity in which another one is not recorded: its class stays the same."""

EMPTY_REVISION = "empty"
"""The stored revision of a repository without commits."""


@dataclass(frozen=True, slots=True)
class FetchedValues:
    """The values of a response and the data stored with them; ``None`` leaves the stored data."""

    values: Values | None = None
    revision: str | None = None
    validators: Validators | None = None
    full: bool = False


NOTHING = FetchedValues()


def record_of(
    target: Target,
    source: Source,
    outcome: Outcome[T],
    requested_at: datetime,
    cadence: Cadence,
    fetched: FetchedValues = NOTHING,
) -> Observed:
    """Return the record of one source that was requested at ``requested_at`` with ``outcome``."""
    plan = schedule(target.package_id, target.state(source), outcome, requested_at, cadence)
    return Observed(
        package_id=target.package_id,
        source=source,
        lease=target.lease if source in target.claimed else None,
        observed_at=requested_at,
        due_at=plan.due_at,
        due_reason=plan.due_reason,
        outcome=kind(outcome),
        answered=plan.answered,
        values=fetched.values,
        full=fetched.full,
        revision=fetched.revision,
        validators=fetched.validators,
        failures=plan.failures,
        first_failed_at=plan.first_failed_at,
        message=plan.message,
        request_id=outcome.request_id if isinstance(outcome, FailureBase) else None,
    )


def refused(target: Target, record: Record, reason: str, cadence: Cadence) -> Record:
    """Return a failure in place of a record whose values cannot be stored; one without values stays."""
    if not isinstance(record, Observed) or record.values is None:
        return record
    return record_of(target, record.source, Malformed(f"cannot be stored: {reason}"), record.observed_at, cadence)


def deferred(target: Target, source: Source, until: datetime, requested_at: datetime) -> Deferral:
    """Return the record of a claimed source that has to wait for quota."""
    return Deferral(target.package_id, source, target.lease, requested_at, until)


def confirmed(target: Target, source: Source, requested_at: datetime) -> Observed:
    """Return the record of a source whose stored values were confirmed without a request."""
    state = target.state(source)
    return Observed(
        package_id=target.package_id,
        source=source,
        lease=target.lease if source in target.claimed else None,
        observed_at=requested_at,
        due_at=state.due_at,
        due_reason=state.due_reason,
        outcome=state.outcome or OutcomeKind.NOT_MODIFIED,
        answered=True,
        message=state.message,
    )


def made_due(target: Target, source: Source, requested_at: datetime) -> MadeDue:
    """Return the record that makes a source due now; one that cools down after a failure keeps its pause."""
    state = target.state(source)
    if state.failures > 0 and state.due_at is not None and state.due_at > requested_at:
        return MadeDue(target.package_id, source, state.due_at, DueReason.COOLING)
    reason = DueReason.FIRST if state.answered_at is None else DueReason.MOVED
    return MadeDue(target.package_id, source, requested_at, reason)


def nothing_in(target: Target, source: Source, requested_at: datetime) -> Observed:
    """Return the record of an empty repository's contributors or commits, which are not requested."""
    nothing = (
        Contributors(()) if source is Source.CONTRIBUTORS else commit_days((), requested_at.date(), 0, merges=True)
    )
    return Observed(
        package_id=target.package_id,
        source=source,
        lease=target.lease if source in target.claimed else None,
        observed_at=requested_at,
        due_at=target.state(source).due_at,
        due_reason=target.state(source).due_reason,
        outcome=OutcomeKind.FETCHED,
        answered=True,
        values=nothing,
        revision=EMPTY_REVISION,
    )


def replaced(
    target: Target, repository_id: str | None, *, handle: str | None = None, full_name: str | None = None
) -> Replaced | None:
    """Return the failure if a response describes another repository than the known one, otherwise ``None``.

    The id decides, because GitHub has two handles for one repository. ``handle`` is given where the repository was
    requested by its path. It decides only where one of the ids is unknown.
    """
    if target.repository_id is not None and repository_id is not None:
        was, now = target.repository_id, repository_id
    elif target.handle is not None and handle is not None:
        was, now = target.handle, handle
    else:
        return None
    if was == now:
        return None
    name = full_name or (target.repo.path if target.repo else target.slug)
    return Replaced(
        f"{name} is now another repository (id {now}, was {was}): "
        "nothing of it is taken over until an editor confirms the address"
    )


def held_back(target: Target, now: datetime) -> list[GivenBack]:
    """Return records of the claimed contributors and commits of a missing repository, which are not requested.

    A response for the repository makes them due at once.
    """
    repository = target.states.get(Source.REPOSITORY)
    if repository is None or repository.outcome is not OutcomeKind.GONE or repository.failures == 0:
        return []
    due_at = max(repository.due_at or now, now + HELD_BACK)
    claimed = (source for source in DETAIL_SOURCES if source in target.claimed)
    return [GivenBack(target.package_id, source, target.lease, due_at) for source in claimed]


def placed(target: Target, record: Record, cadence: Cadence) -> Record:
    """Return answered statistics due at the package's slot in the interval that its activity gives it.

    Any other record is returned as it is.
    """
    if not isinstance(record, Observed) or record.source is not Source.REPOSITORY:
        return record
    if not record.answered or record.due_reason is not DueReason.SLOT:
        return record
    active_at = _activity(target, record)
    idle = None if active_at is None else record.observed_at - active_at
    interval = cadence.interval_of(record.source, target.state(record.source).upstream, idle)
    due_at = slot(target.package_id, record.observed_at, interval)
    return replace(record, due_at=due_at, active_at=None if active_at == target.active_at else active_at)


def _activity(target: Target, record: Observed) -> datetime | None:
    """Return the repository's last activity, as of ``record``."""
    stats, known = record.values, target.active_at
    if not isinstance(stats, RepoStats):
        return known
    again = target.state(record.source).answered_at is not None
    changed = again and (stats.head_oid, stats.stars) != (target.head_oid, target.stars)
    if changed and known is not None and record.observed_at - known < ACTIVITY_STEP:
        return known
    stated = [moment for moment in (stats.pushed_at, stats.head_committed_at) if moment is not None]
    return last_activity(known, seen=record.observed_at, changed=changed, stated=stated)


def given_back(target: Target, source: Source) -> GivenBack:
    """Return the record that returns a claimed source with its due time unchanged."""
    return GivenBack(target.package_id, source, target.lease)


def at_recheck(record: Observed, target: Target, cadence: Cadence) -> Observed:
    """Return ``record`` due at the next full request of an unchanged source."""
    full_fetch_at = record.observed_at if record.full else target.state(record.source).full_fetch_at
    due_at = recheck_at(target.package_id, full_fetch_at, record.observed_at, cadence.recheck)
    return replace(record, due_at=due_at, due_reason=DueReason.RECHECK)
