"""A clock that can be advanced together with the simulator's, by the same amount.

A day passes at once and nothing is faked: due times, weekly counts and the resets of quotas all use the same day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.processes import own_cpu
from benchmarks.simulated import SimulatorProcess


class Timeline:
    """``fetcher.ports.Clock`` with an offset that the simulator shares."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self._simulator = simulator
        self._offset = timedelta(0)
        self.cpu = 0.0
        """CPU seconds spent in ``advance``: the benchmark's, not the engine's."""

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, by: timedelta) -> None:
        """Advance both clocks. Call it only without requests in flight: their measured time would include ``by``."""
        before = own_cpu()
        self._simulator.act("advance", seconds=by.total_seconds())
        self._offset += by
        self.cpu += own_cpu() - before
