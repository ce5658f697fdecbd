"""The machine's clock goes an hour forth and an hour back, each in the middle of a pass, under real workers and beat.

Whatever was answered by the clock that was ahead is newer, for the store, than what is answered in the hour after it
was set back: that is passed over, and the next interval's is taken. So that hour passes at the end, for the workers and
beat alone, and the store is left an hour ahead: in an arena, this blow is the last.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, or_, select

from fetcher.ports import PLANNED
from fetcher.store.schema import source_states
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.clock import SteppedClock, stepped_clock

HOUR = timedelta(hours=1)
_TRUE = timedelta(minutes=1)
"""A moment this near to ours was told by a clock that is right."""


def step_clock(arena: Arena) -> int:
    """The simulator, Redis, the database and we keep the true time. Freshness is judged by the values alone."""
    with stepped_clock(arena.stack) as clock:
        arena.dismiss()
        assert arena.beat is not None
        arena.beat.kill()
        clock.worker("stepped-0")
        clock.worker("stepped-1")
        clock.beat()
        ahead = _step_midway(arena, clock, HOUR)
        _refreshed(arena, "in which the clock was set forth")
        arena.new_day()
        back = _step_midway(arena, clock, timedelta(0))
        wrong = arena.judge.wrong()
        assert not wrong, f"after the clock was set back: {wrong}"
        clock.step(HOUR + _TRUE)
        assert arena.until(lambda: not _in_hand(arena)), f"leases are left\n{arena.stack.told()}"
        arena.new_day()
        _refreshed(arena, "after the hour has passed")
        assert arena.until(lambda: not _unfinished(arena)), f"work is left\n{arena.stack.told()}"
    arena.affected = max(ahead, back)
    return 3


def _step_midway(arena: Arena, clock: SteppedClock, off: timedelta) -> int:
    """Step it while some packages are as they are upstream, and some are not yet; returns how many are not."""

    def midway() -> bool:
        behind = len(arena.judge.not_current())
        if not behind:  # the last batches were recorded in between
            arena.new_day()
        return 0 < behind < len(arena.judge.names)

    assert arena.until(midway), f"no pass is under way\n{arena.stack.told()}"
    struck = len(arena.judge.not_current())
    clock.step(off)
    assert arena.until(lambda: _plans_by(arena, off)), f"nothing is planned by the new time\n{arena.stack.told()}"
    return struck


def _plans_by(arena: Arena, off: timedelta) -> bool:
    planned_at = arena.stack.store.marker(PLANNED).observed_at
    return planned_at is not None and abs(planned_at - datetime.now(UTC) - off) < _TRUE


def _in_hand(arena: Arena) -> int:
    """Sources that are being asked: what ends after a day has broken would put off what that day made due."""
    with arena.engine.connect() as connection:
        leased = select(func.count()).where(source_states.c.lease.is_not(None))
        return connection.execute(leased).scalar_one()


def _unfinished(arena: Arena) -> int:
    """Count sources that are leased, or due by the clock ahead: a worker killed with one leaves an hour's lease."""
    ahead = datetime.now(UTC) + HOUR + _TRUE
    with arena.engine.connect() as connection:
        left = or_(source_states.c.lease.is_not(None), source_states.c.due_at <= ahead)
        return connection.execute(select(func.count()).where(left)).scalar_one()


def _refreshed(arena: Arena, which: str) -> None:
    done = arena.until(lambda: not arena.judge.not_current())
    assert done, f"the pass {which} did not end: {arena.judge.not_current()}\n{arena.stack.told()}"
