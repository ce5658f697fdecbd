"""Faults of the database's connections and locks."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Literal

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from tests.chaos.injection.cluster import LOGS, Cluster

_VICTIMS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_CUT_OURS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND application_name <> 'stranger'"
)
_RIVALS_OWN_LOSSES = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def cut_connections(seconds: float) -> Callable[[Cluster], int]:
    """Terminate connections on the server repeatedly for ``seconds``, at any moment, including during commits."""

    def inject(cluster: Cluster) -> int:
        cluster.mark_injection()
        cut, deadline = 0, time.monotonic() + seconds
        with psycopg.connect(_address(cluster), autocommit=True) as rival:
            while time.monotonic() < deadline:
                pids = [pid for (pid,) in rival.execute(_VICTIMS).fetchall()]
                for pid in cluster.rng.sample(pids, min(len(pids), 2)):
                    rival.execute("SELECT pg_terminate_backend(%s)", (pid,))
                    cut += 1
                time.sleep(0.1)
        return cut

    return inject


def deadlock(seconds: float) -> Callable[[Cluster], int]:
    """Lock the rows that writers lock, in the reverse order, from another connection."""

    def inject(cluster: Cluster) -> int:
        cluster.mark_injection()
        deadline = time.monotonic() + seconds
        with psycopg.connect(_address(cluster)) as rival:
            ids = [one for (one,) in rival.execute("SELECT id FROM packages ORDER BY id").fetchall()]
            before = _deadlocks(rival)
            while time.monotonic() < deadline or _deadlocks(rival) == before:
                first = cluster.rng.randrange(len(ids) // 2, len(ids))
                with suppress(psycopg.errors.DeadlockDetected), rival.transaction():
                    for at in range(first, first - len(ids) // 2, -1):
                        rival.execute("SELECT 1 FROM freshness WHERE package_id = %s FOR UPDATE", (ids[at],))
                if time.monotonic() > deadline + seconds:
                    break
            time.sleep(1.1)  # the delay of the server's statistics
            return _deadlocks(rival) - before

    return inject


def refuse_serialization(seconds: float) -> Callable[[Cluster], int]:
    """Update rows from another connection while writers wait for them, at the level repeatable read."""

    def inject(cluster: Cluster) -> int:
        before = _refused(cluster)
        with psycopg.connect(_address(cluster), autocommit=True) as rival:
            ids = [one for (one,) in rival.execute("SELECT id FROM packages ORDER BY id").fetchall()]
            _isolate(rival, "repeatable read")
            cluster.mark_injection()
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                some = cluster.rng.sample(ids, len(ids) // 4)
                with suppress(*_RIVALS_OWN_LOSSES), rival.transaction():
                    rival.execute("UPDATE freshness SET package_id = package_id WHERE package_id = ANY(%s)", (some,))
                    time.sleep(0.05)  # a writer that has begun waits for these rows, which have changed then
                if not cluster.late():
                    cluster.new_day()
                    cluster.mark_injection()
            _isolate(rival, "read committed")
        return _refused(cluster) - before

    return inject


def _isolate(connection: psycopg.Connection, level: Literal["repeatable read", "read committed"]) -> None:
    """Set the isolation level of every transaction that begins from now on, in all connections."""
    connection.execute(sql.SQL("ALTER SYSTEM SET default_transaction_isolation = {}").format(sql.Literal(level)))
    connection.execute("SELECT pg_reload_conf()")


def _refused(cluster: Cluster) -> int:
    """Return the number of serialization failures in the server's own log."""
    assert cluster.postgres is not None
    logs = (cluster.postgres.folder / "data" / LOGS).glob("*")
    return sum(log.read_text("utf-8", "replace").count("could not serialize access") for log in logs)


def exhaust_connections(seconds: float) -> Callable[[Cluster], int]:
    """Terminate Fetcher's connections, and occupy every connection of the server from other clients."""

    def inject(cluster: Cluster) -> int:
        cluster.until_midway()
        taken = 0
        with ExitStack() as strangers, psycopg.connect(_address(cluster), autocommit=True) as rival:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                rival.execute(_CUT_OURS)
                with suppress(psycopg.OperationalError):
                    while True:
                        address = make_url(_address(cluster)).update_query_dict({"application_name": "stranger"})
                        strangers.enter_context(psycopg.connect(address.render_as_string(hide_password=False)))
                        taken += 1
                time.sleep(0.2)
        return taken

    return inject


def lock_sqlite(seconds: float) -> Callable[[Cluster], int]:
    """Hold SQLite's write lock for ``seconds`` from another connection."""

    def inject(cluster: Cluster) -> int:
        path = make_url(cluster.stack.settings.database).database
        assert path is not None
        cluster.until_midway()
        rival = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            rival.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            rival.execute("ROLLBACK")
        finally:
            rival.close()
        return 1

    return inject


def _address(cluster: Cluster) -> str:
    return cluster.stack.settings.database


def _deadlocks(connection: psycopg.Connection) -> int:
    connection.rollback()
    row = connection.execute(_DEADLOCKS).fetchone()
    connection.rollback()
    return int(row[0]) if row else 0
