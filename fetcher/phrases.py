"""How moments, spans and failures are put to people, in a terminal and on a page alike."""

from __future__ import annotations

from datetime import datetime, timedelta

from fetcher.model import SourceState
from fetcher.planner import is_gone


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


def failure_kind(state: SourceState) -> str:
    """A failure's name for people: what is missing counts as gone only after several tries over days."""
    if state.outcome == "gone":
        return "gone" if is_gone(state) else "missing"
    return state.outcome or "failing"
