"""The moment at which tests begin, durations, and a stopped clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fetcher.simulator.clock import Clock

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
"""A Wednesday. A test that needs another moment derives it from this one."""
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class StoppedClock(Clock):
    """The simulator's clock, stopped until it is advanced: the core and the upstreams share it."""

    def __init__(self, start: datetime = NOW) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by

    async def sleep(self, seconds: float) -> None:
        """Advance the clock: the replacement of ``asyncio.sleep`` for a patient exchange."""
        self.advance(timedelta(seconds=seconds))
