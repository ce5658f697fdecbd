"""Ages and the next request of a source, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fetcher.domain.formatting import ago, next_try, silence
from fetcher.domain.model import DueReason, Source, SourceState
from tests.harness.clock import DAY, NOW

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (None, "never"),
        (NOW - 3 * MINUTE, "3 min ago"),
        (NOW - 700 * DAY, "700 d ago"),
        (NOW - 2799 * DAY, "7 y ago"),
        (NOW + 800 * DAY, "in 2 y"),
    ],
)
def test_ages(moment: datetime | None, words: str) -> None:
    assert ago(moment, NOW) == words


@pytest.mark.parametrize(
    ("due_at", "reason", "words"),
    [
        (None, None, "never"),
        (NOW + 3 * MINUTE, DueReason.COOLING, "in 3 min"),
        (NOW + 3 * MINUTE, DueReason.QUOTA, "in 3 min"),
        (NOW - 3 * MINUTE, DueReason.QUOTA, "waits for quota"),
        (NOW - 3 * MINUTE, DueReason.COOLING, "now"),
    ],
)
def test_the_next_request(due_at: datetime | None, reason: DueReason | None, words: str) -> None:
    """A due source has no next request in the past: it waits for quota, or for a worker."""
    assert next_try(SourceState(Source.REPOSITORY, due_at=due_at, due_reason=reason), NOW) == words


@pytest.mark.parametrize(
    ("planned_at", "words"), [(None, "not started: "), (NOW - DAY, "nothing was planned for 24 h: ")]
)
def test_a_silent_beat_of_an_embedded_installation(planned_at: datetime | None, words: str) -> None:
    """The remedy is the one command that starts beat, workers and Redis, not a beat of its own."""
    text = silence(planned_at, NOW, MINUTE, embedded=True)
    assert text is not None
    assert text.startswith(words)
    assert "`fetcher up`" in text
    assert "celery" not in text
