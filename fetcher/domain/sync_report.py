"""The scheduled readings of a catalogue's source: their state, and that state in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fetcher.domain.formatting import ago, span


class SyncOutcome(StrEnum):
    """The result of a reading."""

    BEGUN = "begun"
    """The reading has not ended. If another one follows, its worker was stopped or it took too long."""
    DONE = "done"
    REFUSED = "refused"
    """The source was read, but its absent packages were not believed."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SyncState:
    """The last scheduled reading of a source."""

    source: str
    """The file, folder or address, without credentials."""
    begun_at: datetime | None = None
    """Time of the last reading; ``None`` before the first one."""
    outcome: SyncOutcome | None = None
    message: str | None = None
    """The counters, or the reason of a failure."""
    failing_since: datetime | None = None
    """Time of the first reading that failed after the last good one; ``None`` while readings succeed."""


def sync_fault_in_words(state: SyncState, now: datetime) -> str | None:
    """Return the fault of the last reading, and since when readings fail; ``None`` if they succeed."""
    if state.failing_since is None:
        return None
    return f"not synchronized with {state.source} for {span(now - state.failing_since)}: {state.message}"


def sync_in_words(state: SyncState, now: datetime) -> str:
    """Return the last reading as one line."""
    if state.begun_at is None:
        return f"{state.source}, not read yet"
    if state.outcome is SyncOutcome.BEGUN:
        return f"{state.source}, reading begun {ago(state.begun_at, now)}"
    return f"{state.source}, read {ago(state.begun_at, now)}: {state.message}"
