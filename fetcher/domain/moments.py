"""Stored times that a wrong clock wrote. Every decision that compares a stored time with the clock's checks them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

SKEW: Final = timedelta(hours=2)
"""Longest time by which the clocks of two machines, or one clock before and after it was set, are believed to differ.

A stored time that is further ahead of the clock is unknown. A shorter time would let a worker whose clock is behind
replace newer values; a longer one delays the values after a clock that was ahead.
"""


def is_ahead(moment: datetime | None, now: datetime) -> bool:
    """Return whether a stored time is so far ahead of ``now`` that the clock that wrote it was wrong."""
    return moment is not None and moment > now + SKEW


def is_waiting(due_at: datetime | None, now: datetime, longest: timedelta) -> bool:
    """Return whether work is due later, at most ``longest`` after ``now``. A due time beyond that is unknown."""
    return due_at is not None and due_at > now and not is_ahead(due_at, now + longest)
