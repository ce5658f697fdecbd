"""The faults of each cluster: the short selection of ``make test-all``, and the complete list of ``make chaos``."""

from __future__ import annotations

import signal

from tests.chaos.injection import clock_fault, database_faults, process_faults
from tests.chaos.injection.crash_points import CrashPoint
from tests.chaos.injection.findings import Group
from tests.chaos.injection.process_faults import ProcessFault

STEPPED_CLOCK = ProcessFault(Group.MACHINE, "clock stepped an hour forth, and back", clock_fault.step_clock)

SHORT_ON_POSTGRES = (
    ProcessFault(Group.PROCESSES, "workers SIGKILLed in a pass", process_faults.kill_workers(3, 0.8)),
    ProcessFault(Group.PROCESSES, f"worker killed {CrashPoint.ENQUEUE}", process_faults.die_at(CrashPoint.ENQUEUE, 1)),
    ProcessFault(Group.PROCESSES, f"worker killed {CrashPoint.COMMIT}", process_faults.die_at(CrashPoint.COMMIT, 1)),
    ProcessFault(Group.PROCESSES, "two beats at once", process_faults.two_beats),
    ProcessFault(Group.REDIS, "FLUSHALL in a pass", process_faults.flush),
    ProcessFault(Group.DATABASE, "PostgreSQL restarted in a pass", process_faults.restart_postgres(signal.SIGINT, 0.3)),
    ProcessFault(Group.DATABASE, f"connection cut {CrashPoint.CUT_AFTER}", process_faults.cut_at(CrashPoint.CUT_AFTER)),
    STEPPED_CLOCK,  # it must be the last, because it leaves the store an hour ahead
)

SHORT_ON_SQLITE = (ProcessFault(Group.DATABASE, "SQLite locked by another process", database_faults.lock_sqlite(2)),)

LONG_ON_POSTGRES = (
    ProcessFault(Group.PROCESSES, f"worker killed {CrashPoint.ENQUEUE}", process_faults.die_at(CrashPoint.ENQUEUE, 3)),
    ProcessFault(Group.PROCESSES, f"worker killed {CrashPoint.COMMIT}", process_faults.die_at(CrashPoint.COMMIT, 3)),
    ProcessFault(Group.PROCESSES, "worker SIGTERMed in a batch", process_faults.terminate_a_worker),
    ProcessFault(Group.PROCESSES, "worker SIGTERMed while the index is silent", process_faults.terminate_in_silence),
    ProcessFault(Group.PROCESSES, "beat killed", process_faults.kill_beat),
    ProcessFault(Group.PROCESSES, "two beats at once", process_faults.two_beats),
    ProcessFault(Group.PROCESSES, "every message delivered twice", process_faults.deliver_twice(4)),
    ProcessFault(Group.REDIS, "FLUSHALL in a pass", process_faults.flush),
    ProcessFault(Group.REDIS, "killed, its data lost", process_faults.lose_redis),
    ProcessFault(Group.REDIS, "stopped for a minute", process_faults.stop_redis(60)),
    ProcessFault(Group.REDIS, "slow", process_faults.slow_redis(20)),
    ProcessFault(Group.REDIS, "out of memory, noeviction", process_faults.fill_redis(5)),
    ProcessFault(Group.DATABASE, "PostgreSQL restarted in a pass", process_faults.restart_postgres(signal.SIGINT)),
    ProcessFault(Group.DATABASE, "PostgreSQL crashes in a pass", process_faults.restart_postgres(signal.SIGQUIT)),
    ProcessFault(Group.DATABASE, "connections cut at any moment", database_faults.cut_connections(5)),
    ProcessFault(
        Group.DATABASE, f"connection cut {CrashPoint.CUT_BEFORE}", process_faults.cut_at(CrashPoint.CUT_BEFORE)
    ),
    ProcessFault(Group.DATABASE, f"connection cut {CrashPoint.CUT_AFTER}", process_faults.cut_at(CrashPoint.CUT_AFTER)),
    ProcessFault(Group.DATABASE, "deadlocks", database_faults.deadlock(4)),
    ProcessFault(Group.DATABASE, "serialization failures", database_faults.refuse_serialization(4)),
    ProcessFault(Group.DATABASE, "no connection left", database_faults.exhaust_connections(4)),
    STEPPED_CLOCK,
)

LONG_ON_SQLITE = (ProcessFault(Group.DATABASE, "SQLite locked for 35 s", database_faults.lock_sqlite(35)),)

TWENTY_KILLS = ProcessFault(
    Group.PROCESSES,
    "workers SIGKILLed in a pass of 2,000",
    process_faults.kill_workers(
        20, 2.5, (CrashPoint.ENQUEUE, CrashPoint.COMMIT, CrashPoint.ENQUEUE, CrashPoint.COMMIT)
    ),
)
