"""The schedule of ``FETCHER_SYNC_SOURCE``: the time of its next reading, and the record of the last one.

Two checkpoints keep it: ``sync`` has the last reading, and ``sync failing`` the first one that failed since the last
good one. A reading whose worker was killed is found when the next one begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fetcher.catalogue.credentials import without_secrets
from fetcher.domain.moments import is_waiting
from fetcher.domain.sync_report import SyncOutcome, SyncState
from fetcher.ports import Checkpoint, Checkpoints
from fetcher.settings import Settings

_LAST, _FAILING = "sync", "sync failing"
_CUT_SHORT = "the last reading did not end: its worker was stopped, or it took longer than its time limit"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The readings of one source."""

    source: str
    interval: timedelta
    checkpoints: Checkpoints

    def state(self) -> SyncState:
        """Return the last reading."""
        last, failing = self.checkpoints.get(_LAST), self.checkpoints.get(_FAILING)
        outcome = None if last.outcome is None else SyncOutcome(last.outcome)
        shown = without_secrets(self.source)
        return SyncState(shown, last.observed_at, outcome, last.message, failing.observed_at)

    def begin(self, now: datetime) -> bool:
        """Return whether a reading is due, and record its beginning. Of several processes only one begins it."""
        before = self.checkpoints.get(_LAST)
        if before.observed_at is not None and is_waiting(before.observed_at + self.interval, now, self.interval):
            return False
        cut_short = before.outcome == SyncOutcome.BEGUN.value
        message = _CUT_SHORT if cut_short else before.message
        if not self.checkpoints.exchange(before, _record(now, SyncOutcome.BEGUN, message)):
            return False
        if cut_short and before.observed_at is not None:
            self._fails_since(min(self.checkpoints.get(_FAILING).observed_at or before.observed_at, now))
        return True

    def end(self, begun_at: datetime, outcome: SyncOutcome, message: str) -> None:
        """Record the result of the reading that began at ``begun_at``."""
        since = min(self.state().failing_since or begun_at, begun_at)
        self._fails_since(None if outcome is SyncOutcome.DONE else since)
        self.checkpoints.save(_record(begun_at, outcome, message))

    def _fails_since(self, moment: datetime | None) -> None:
        self.checkpoints.save(Checkpoint(_FAILING, observed_at=moment))


def _record(begun_at: datetime, outcome: SyncOutcome, message: str | None) -> Checkpoint:
    return Checkpoint(_LAST, observed_at=begun_at, outcome=outcome.value, message=message)


def schedule_of(settings: Settings, checkpoints: Checkpoints) -> Schedule | None:
    """Return the schedule of the configured source; ``None`` without one."""
    if settings.sync_source is None:
        return None
    return Schedule(settings.sync_source, settings.sync_interval, checkpoints)
