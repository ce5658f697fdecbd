"""Formatting of times, durations and failures, for the terminal and for pages."""

from __future__ import annotations

from datetime import datetime, timedelta

from fetcher.domain.model import DueReason, OutcomeKind, SourceState
from fetcher.domain.scheduling import is_gone

BEATS_MISSED = 3
"""Dispatch intervals without a dispatch after which beat counts as stopped."""
SILENT_AFTER = timedelta(seconds=30)
"""Lower limit of that time, because a dispatch may wait for the one before it."""


def ago(moment: datetime | None, now: datetime) -> str:
    """Return the time since ``moment``, or until it, in one or two words."""
    if moment is None:
        return "never"
    return f"{span(now - moment)} ago" if moment <= now else f"in {span(moment - now)}"


def next_try(state: SourceState, now: datetime) -> str:
    """Return when a source is requested next. A due source that waits for quota has no time of its own."""
    if state.due_at is not None and state.due_at <= now:
        return "waits for quota" if state.due_reason is DueReason.QUOTA else "now"
    return ago(state.due_at, now)


def span(length: timedelta) -> str:
    """Return a duration to the precision of one unit."""
    seconds = max(int(length.total_seconds()), 0)
    for unit, name in ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def counted(number: int, noun: str) -> str:
    """Return the number with its noun: ``1 package``, ``2,000 packages``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float | None) -> str:
    """Return a share to a tenth of a percent, rounded down: only a complete share is 100 %."""
    return "–" if share is None else f"{int(share * 1000) / 10:.1f}\N{NARROW NO-BREAK SPACE}%"


def silence(
    planned_at: datetime | None, now: datetime, plan_interval: timedelta, *, embedded: bool = False
) -> str | None:
    """Return the problem with beat, judged by the last dispatch, or ``None`` if that was recent.

    ``embedded``: Redis is, so that `fetcher up` starts beat and the workers.
    """
    if planned_at is None and embedded:
        return "not started: `fetcher up` starts everything"
    if planned_at is None:
        return "never seen: start `celery -A tasks beat`, and a worker on the queue `maintenance`"
    silent = now - planned_at
    if silent > max(BEATS_MISSED * plan_interval, SILENT_AFTER):
        if embedded:
            return f"nothing was planned for {span(silent)}: is `fetcher up` running?"
        return f"nothing was planned for {span(silent)}: is beat running, and a worker on the queue `maintenance`?"
    return None


def in_words(name: object) -> str:
    """Return a state's or an outcome's name as words. ``gone`` is a state; one response without it is *missing*."""
    return {"not_fetched": "not fetched yet"}.get(str(name), str(name).replace("_", " "))


def outcome_key(outcome: str) -> str:
    """Return the name of one response's outcome for logs and scripts. Only several over days make a package *gone*."""
    return "missing" if outcome == OutcomeKind.GONE else str(outcome)


def outcome_name(outcome: str) -> str:
    """Return the name of one response's outcome for users."""
    return in_words(outcome_key(outcome))


def failure_kind(state: SourceState) -> str:
    """Return the failure's name for users: a missing source counts as gone only after several attempts over days."""
    if state.outcome is OutcomeKind.GONE:
        return "gone" if is_gone(state) else "missing"
    return state.outcome or "failing"
