"""The faults of each arena: the short selection of ``make test``, and the complete list of ``make chaos``."""

from __future__ import annotations

import signal

from tests.chaos.injection import clock_fault, database_faults, process_faults
from tests.chaos.injection.crash_points import Point
from tests.chaos.injection.findings import Group
from tests.chaos.injection.process_faults import Blow

STEPPED_CLOCK = Blow(Group.MACHINE, "clock stepped an hour forth, and back", clock_fault.step_clock)

SHORT_ON_POSTGRES = (
    Blow(Group.PROCESSES, "workers SIGKILLed in a pass", process_faults.kill_workers(3, 0.8)),
    Blow(Group.PROCESSES, f"worker killed {Point.ENQUEUE}", process_faults.die_at(Point.ENQUEUE, 1)),
    Blow(Group.PROCESSES, f"worker killed {Point.COMMIT}", process_faults.die_at(Point.COMMIT, 1)),
    Blow(Group.PROCESSES, "two beats at once", process_faults.two_beats),
    Blow(Group.REDIS, "FLUSHALL in a pass", process_faults.flush),
    Blow(Group.DATABASE, "PostgreSQL restarted in a pass", process_faults.restart_postgres(signal.SIGINT, 0.3)),
    Blow(Group.DATABASE, f"connection cut {Point.CUT_AFTER}", process_faults.cut_at(Point.CUT_AFTER)),
    STEPPED_CLOCK,  # it must be the last, because it leaves the store an hour ahead
)

SHORT_ON_SQLITE = (Blow(Group.DATABASE, "SQLite locked by another process", database_faults.lock_sqlite(2)),)

LONG_ON_POSTGRES = (
    Blow(Group.PROCESSES, f"worker killed {Point.ENQUEUE}", process_faults.die_at(Point.ENQUEUE, 3)),
    Blow(Group.PROCESSES, f"worker killed {Point.COMMIT}", process_faults.die_at(Point.COMMIT, 3)),
    Blow(Group.PROCESSES, "worker SIGTERMed in a batch", process_faults.terminate_a_worker),
    Blow(Group.PROCESSES, "worker SIGTERMed while the index is silent", process_faults.terminate_in_silence),
    Blow(Group.PROCESSES, "beat killed", process_faults.kill_beat),
    Blow(Group.PROCESSES, "two beats at once", process_faults.two_beats),
    Blow(Group.PROCESSES, "every message delivered twice", process_faults.deliver_twice(4)),
    Blow(Group.REDIS, "FLUSHALL in a pass", process_faults.flush),
    Blow(Group.REDIS, "killed, its data lost", process_faults.lose_redis),
    Blow(Group.REDIS, "stopped for a minute", process_faults.stop_redis(60)),
    Blow(Group.REDIS, "slow", process_faults.slow_redis(20)),
    Blow(Group.REDIS, "out of memory, noeviction", process_faults.fill_redis(5)),
    Blow(Group.DATABASE, "PostgreSQL restarted in a pass", process_faults.restart_postgres(signal.SIGINT)),
    Blow(Group.DATABASE, "PostgreSQL crashes in a pass", process_faults.restart_postgres(signal.SIGQUIT)),
    Blow(Group.DATABASE, "connections cut at any moment", database_faults.cut_connections(5)),
    Blow(Group.DATABASE, f"connection cut {Point.CUT_BEFORE}", process_faults.cut_at(Point.CUT_BEFORE)),
    Blow(Group.DATABASE, f"connection cut {Point.CUT_AFTER}", process_faults.cut_at(Point.CUT_AFTER)),
    Blow(Group.DATABASE, "deadlocks", database_faults.deadlock(4)),
    Blow(Group.DATABASE, "serialization failures", database_faults.refuse_serialization(4)),
    Blow(Group.DATABASE, "no connection left", database_faults.exhaust_connections(4)),
    STEPPED_CLOCK,
)

LONG_ON_SQLITE = (Blow(Group.DATABASE, "SQLite locked for 35 s", database_faults.lock_sqlite(35)),)

TWENTY_KILLS = Blow(
    Group.PROCESSES,
    "workers SIGKILLed in a pass of 2,000",
    process_faults.kill_workers(20, 2.5, (Point.ENQUEUE, Point.COMMIT, Point.ENQUEUE, Point.COMMIT)),
)
