"""Ages and the next request of a source, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fetcher.domain.formatting import ago, next_try
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
