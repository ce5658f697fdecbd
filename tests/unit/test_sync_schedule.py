"""The schedule of the catalogue's source: when a reading is due, and since when readings fail."""

from __future__ import annotations

from dataclasses import dataclass, field

from fetcher.domain.sync_report import SyncOutcome, SyncState, sync_fault_in_words, sync_in_words
from fetcher.ports import Checkpoint
from fetcher.sync.schedule import Schedule
from tests.harness.clock import DAY, HOUR, MINUTE, NOW


@dataclass
class Saved:
    """Checkpoints in memory."""

    by_name: dict[str, Checkpoint] = field(default_factory=dict)

    def get(self, name: str) -> Checkpoint:
        return self.by_name.get(name, Checkpoint(name))

    def save(self, checkpoint: Checkpoint) -> None:
        self.by_name[checkpoint.name] = checkpoint

    def exchange(self, before: Checkpoint, after: Checkpoint) -> bool:
        if self.get(before.name) != before:
            return False
        self.save(after)
        return True


def _schedule() -> Schedule:
    return Schedule("https://user:secret@directory.example/api/?api_key=secret", HOUR, Saved())


def test_one_reading_an_interval() -> None:
    """The first reading is due at once, the next one when the interval has passed since its beginning."""
    schedule = _schedule()
    assert schedule.begin(NOW)
    assert not schedule.begin(NOW)
    schedule.end(NOW, SyncOutcome.DONE, "3 read")
    assert not schedule.begin(NOW + HOUR - MINUTE)
    assert schedule.begin(NOW + HOUR)


def test_a_reading_by_a_clock_that_was_ahead() -> None:
    """It does not put off the readings after the clock was set, and a fault is not counted from the future."""
    schedule, wrong = _schedule(), NOW + 365 * DAY
    assert schedule.begin(wrong)
    assert schedule.begin(NOW)
    assert schedule.state().failing_since == NOW
    assert not schedule.begin(NOW + MINUTE)
    schedule.end(NOW, SyncOutcome.DONE, "3 read")
    assert schedule.begin(NOW + HOUR)


def test_failures_are_counted_from_the_first() -> None:
    """A failure keeps its first time over further ones and over the beginning of a reading, until one succeeds."""
    schedule = _schedule()
    for hours, outcome in enumerate((SyncOutcome.DONE, SyncOutcome.FAILED, SyncOutcome.REFUSED)):
        assert schedule.begin(NOW + hours * HOUR)
        schedule.end(NOW + hours * HOUR, outcome, str(outcome))
    assert schedule.begin(NOW + 3 * HOUR)
    state = schedule.state()
    assert (state.failing_since, state.outcome) == (NOW + HOUR, SyncOutcome.BEGUN)
    assert sync_fault_in_words(state, NOW + 3 * HOUR) == (
        "not synchronized with https://directory.example/api/?api_key=*** for 2 h: refused"
    )
    schedule.end(NOW + 3 * HOUR, SyncOutcome.DONE, "3 read")
    assert schedule.state().failing_since is None
    assert sync_fault_in_words(schedule.state(), NOW) is None


def test_a_reading_that_never_ends() -> None:
    """Readings whose worker is killed each time are a fault, since the first of them."""
    schedule = _schedule()
    for hours in range(3):
        assert schedule.begin(NOW + hours * HOUR)
    state = schedule.state()
    assert state.failing_since == NOW
    assert "the last reading did not end" in (state.message or "")


def test_in_words() -> None:
    """A source that was not read yet, is being read, or was read is described in a line."""
    assert sync_in_words(SyncState("p.json"), NOW) == "p.json, not read yet"
    begun = SyncState("p.json", NOW - MINUTE, SyncOutcome.BEGUN)
    assert sync_in_words(begun, NOW) == "p.json, reading begun 60 s ago"
    done = SyncState("p.json", NOW - HOUR, SyncOutcome.DONE, "3 read")
    assert sync_in_words(done, NOW) == "p.json, read 60 min ago: 3 read"
