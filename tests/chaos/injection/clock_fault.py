"""A machine clock that steps an hour forward and an hour back, each in the middle of a pass, for real workers and beat.

A response recorded by the clock that was ahead counts as newer for that hour. The store skips responses within it, and
takes those of the next interval. For that reason the hour passes at the end, for the workers and beat only. The store
is left an hour ahead, so this fault must be the last in a cluster.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, or_, select

from fetcher.ports import PLANNED
from fetcher.store.schema import source_states
from tests.chaos.injection.clock import SteppedClock, stepped_clock
from tests.chaos.injection.cluster import Cluster

HOUR = timedelta(hours=1)
_TRUE = timedelta(minutes=1)
"""The maximum difference between a time of a correct clock and the time of this process."""


def step_clock(cluster: Cluster) -> int:
    """Step the clock of the workers and beat only. Freshness is judged by the values alone."""
    with stepped_clock(cluster.stack) as clock:
        cluster.stop_workers()
        assert cluster.beat is not None
        cluster.beat.kill()
        clock.worker("stepped-0")
        clock.worker("stepped-1")
        clock.beat()
        ahead = _step_midway(cluster, clock, HOUR)
        _refreshed(cluster, "in which the clock was set forth")
        cluster.new_day()
        back = _step_midway(cluster, clock, timedelta(0))
        wrong = cluster.oracle.wrong()
        assert not wrong, f"after the clock was set back: {wrong}"
        clock.step(HOUR + _TRUE)
        assert cluster.until(lambda: not _in_hand(cluster)), f"leases are left\n{cluster.stack.logs()}"
        cluster.new_day()
        _refreshed(cluster, "after the hour has passed")
        assert cluster.until(lambda: not _unfinished(cluster)), f"work is left\n{cluster.stack.logs()}"
    cluster.affected = max(ahead, back)
    return 3


def _step_midway(cluster: Cluster, clock: SteppedClock, off: timedelta) -> int:
    """Step the clock while some packages are current and some are not. Return the number of those that are not."""

    def midway() -> bool:
        behind = len(cluster.oracle.not_current())
        if not behind:  # the last batches were recorded in between
            cluster.new_day()
        return 0 < behind < len(cluster.oracle.names)

    assert cluster.until(midway), f"no pass is under way\n{cluster.stack.logs()}"
    affected = len(cluster.oracle.not_current())
    clock.step(off)
    assert cluster.until(lambda: _plans_by(cluster, off)), f"nothing is planned by the new time\n{cluster.stack.logs()}"
    return affected


def _plans_by(cluster: Cluster, off: timedelta) -> bool:
    planned_at = cluster.stack.store.checkpoints.get(PLANNED).observed_at
    return planned_at is not None and abs(planned_at - datetime.now(UTC) - off) < _TRUE


def _in_hand(cluster: Cluster) -> int:
    """Return the number of leased sources. One that ends in a new day would defer its due time of that day."""
    with cluster.engine.connect() as connection:
        leased = select(func.count()).where(source_states.c.lease.is_not(None))
        return connection.execute(leased).scalar_one()


def _unfinished(cluster: Cluster) -> int:
    """Count sources that are leased, or due by the clock ahead: a worker killed with one leaves an hour's lease."""
    ahead = datetime.now(UTC) + HOUR + _TRUE
    with cluster.engine.connect() as connection:
        left = or_(source_states.c.lease.is_not(None), source_states.c.due_at <= ahead)
        return connection.execute(select(func.count()).where(left)).scalar_one()


def _refreshed(cluster: Cluster, which: str) -> None:
    done = cluster.until(lambda: not cluster.oracle.not_current())
    assert done, f"the pass {which} did not end: {cluster.oracle.not_current()}\n{cluster.stack.logs()}"
