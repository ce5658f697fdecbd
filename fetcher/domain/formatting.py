"""How moments, spans and failures are put to people, in a terminal and on a page alike."""

from __future__ import annotations

from datetime import datetime, timedelta

from fetcher.domain.model import OutcomeKind, SourceState
from fetcher.domain.scheduling import is_gone

BEATS_MISSED = 3
"""Intervals between two plans after which beat counts as silent."""
SILENT_AFTER = timedelta(seconds=30)
"""At least so long: a plan may have to wait for the one before it."""


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, in a word or two."""
    if moment is None:
        return "never"
    return f"{span(now - moment)} ago" if moment <= now else f"in {span(moment - now)}"


def span(length: timedelta) -> str:
    """A length of time to one unit's precision."""
    seconds = max(int(length.total_seconds()), 0)
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def counted(number: int, noun: str) -> str:
    """``1 package``, ``2,000 packages``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float | None) -> str:
    """A share to a tenth of a percent, rounded down: only all of them are 100 %."""
    return "–" if share is None else f"{int(share * 1000) / 10:.1f}\N{NARROW NO-BREAK SPACE}%"


def silence(planned_at: datetime | None, now: datetime, plan_interval: timedelta) -> str | None:
    """What is wrong with beat, by the last plan that a worker has carried out; ``None`` if it was seen lately."""
    if planned_at is None:
        return "never seen: start `celery -A tasks beat`, and a worker on the queue `control`"
    silent = now - planned_at
    if silent > max(BEATS_MISSED * plan_interval, SILENT_AFTER):
        return f"nothing was planned for {span(silent)}: is beat running, and a worker on the queue `control`?"
    return None


def failure_kind(state: SourceState) -> str:
    """A failure's name for people: what is missing counts as gone only after several tries over days."""
    if state.outcome is OutcomeKind.GONE:
        return "gone" if is_gone(state) else "missing"
    return state.outcome or "failing"
