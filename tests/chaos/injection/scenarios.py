"""The faults of each arena: the short selection of ``make test``, and the complete list of ``make chaos``."""

from __future__ import annotations

import signal

from tests.chaos.injection import clock_fault, database_faults, process_faults
from tests.chaos.injection.process_faults import Blow
from tests.chaos.injection.crash_points import Point
from tests.chaos.injection.findings import Group

STEPPED_CLOCK = Blow(Group.MACHINE, "clock stepped an hour forth, and back", clock_blow.step_clock)

SHORT_ON_POSTGRES = (
    Blow(Group.PROCESSES, "workers SIGKILLed in a pass", blows.kill_workers(3, 0.8)),
    Blow(Group.PROCESSES, f"worker killed {Point.ENQUEUE}", blows.die_at(Point.ENQUEUE, 1)),
    Blow(Group.PROCESSES, f"worker killed {Point.COMMIT}", blows.die_at(Point.COMMIT, 1)),
    Blow(Group.PROCESSES, "two beats at once", blows.two_beats),
    Blow(Group.REDIS, "FLUSHALL in a pass", blows.flush),
    Blow(Group.DATABASE, "PostgreSQL restarted in a pass", blows.restart_postgres(signal.SIGINT, 0.3)),
    Blow(Group.DATABASE, f"connection cut {Point.CUT_AFTER}", blows.cut_at(Point.CUT_AFTER)),
    STEPPED_CLOCK,  # it must be the last, because it leaves the store an hour ahead
)

SHORT_ON_SQLITE = (Blow(Group.DATABASE, "SQLite locked by another process", database_blows.lock_sqlite(2)),)

LONG_ON_POSTGRES = (
    Blow(Group.PROCESSES, f"worker killed {Point.ENQUEUE}", blows.die_at(Point.ENQUEUE, 3)),
    Blow(Group.PROCESSES, f"worker killed {Point.COMMIT}", blows.die_at(Point.COMMIT, 3)),
    Blow(Group.PROCESSES, "worker SIGTERMed in a batch", blows.terminate_a_worker),
    Blow(Group.PROCESSES, "worker SIGTERMed while the index is silent", blows.terminate_in_silence),
    Blow(Group.PROCESSES, "beat killed", blows.kill_beat),
    Blow(Group.PROCESSES, "two beats at once", blows.two_beats),
    Blow(Group.PROCESSES, "every message delivered twice", blows.deliver_twice(4)),
    Blow(Group.REDIS, "FLUSHALL in a pass", blows.flush),
    Blow(Group.REDIS, "killed, its data lost", blows.lose_redis),
    Blow(Group.REDIS, "stopped for a minute", blows.stop_redis(60)),
    Blow(Group.REDIS, "slow", blows.slow_redis(20)),
    Blow(Group.REDIS, "out of memory, noeviction", blows.fill_redis(5)),
    Blow(Group.DATABASE, "PostgreSQL restarted in a pass", blows.restart_postgres(signal.SIGINT)),
    Blow(Group.DATABASE, "PostgreSQL crashes in a pass", blows.restart_postgres(signal.SIGQUIT)),
    Blow(Group.DATABASE, "connections cut at any moment", database_blows.cut_connections(5)),
    Blow(Group.DATABASE, f"connection cut {Point.CUT_BEFORE}", blows.cut_at(Point.CUT_BEFORE)),
    Blow(Group.DATABASE, f"connection cut {Point.CUT_AFTER}", blows.cut_at(Point.CUT_AFTER)),
    Blow(Group.DATABASE, "deadlocks", database_blows.deadlock(4)),
    Blow(Group.DATABASE, "serialization failures", database_blows.refuse_serialization(4)),
    Blow(Group.DATABASE, "no connection left", database_blows.exhaust_connections(4)),
    STEPPED_CLOCK,
)

LONG_ON_SQLITE = (Blow(Group.DATABASE, "SQLite locked for 35 s", database_blows.lock_sqlite(35)),)

TWENTY_KILLS = Blow(
    Group.PROCESSES,
    "workers SIGKILLed in a pass of 2,000",
    blows.kill_workers(20, 2.5, (Point.ENQUEUE, Point.COMMIT, Point.ENQUEUE, Point.COMMIT)),
)
