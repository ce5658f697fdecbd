"""Faults of the database's connections and locks."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import psycopg
from sqlalchemy import make_url

from tests.chaos.harness.arena import Arena

_VICTIMS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_CUT_OURS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND application_name <> 'stranger'"
)
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def cut_connections(seconds: float) -> Callable[[Arena], int]:
    """Connections are ended from the server's side again and again, whatever they are doing: commits, too."""

    def deal(arena: Arena) -> int:
        cut, deadline = 0, time.monotonic() + seconds
        with psycopg.connect(_address(arena), autocommit=True) as rival:
            while time.monotonic() < deadline:
                pids = [pid for (pid,) in rival.execute(_VICTIMS).fetchall()]
                for pid in arena.rng.sample(pids, min(len(pids), 2)):
                    rival.execute("SELECT pg_terminate_backend(%s)", (pid,))
                    cut += 1
                time.sleep(0.1)
        return cut

    return deal


def deadlock(seconds: float) -> Callable[[Arena], int]:
    """A rival takes the rows that writers lock, two at a time and in the wrong order."""

    def deal(arena: Arena) -> int:
        deadline = time.monotonic() + seconds
        with psycopg.connect(_address(arena)) as rival:
            ids = [one for (one,) in rival.execute("SELECT id FROM packages ORDER BY id").fetchall()]
            before = _deadlocks(rival)
            while time.monotonic() < deadline or _deadlocks(rival) == before:
                first = arena.rng.randrange(len(ids) // 2, len(ids))
                with suppress(psycopg.errors.DeadlockDetected), rival.transaction():
                    for at in range(first, first - len(ids) // 2, -1):
                        rival.execute("SELECT 1 FROM freshness WHERE package_id = %s FOR UPDATE", (ids[at],))
                if time.monotonic() > deadline + seconds:
                    break
            time.sleep(1.1)  # the server's statistics are that late
            return _deadlocks(rival) - before

    return deal


def exhaust_connections(seconds: float) -> Callable[[Arena], int]:
    """Strangers take every connection that the server has, and ours are cut: nobody gets in."""

    def deal(arena: Arena) -> int:
        arena.until_midway()
        taken = 0
        with ExitStack() as strangers, psycopg.connect(_address(arena), autocommit=True) as rival:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                rival.execute(_CUT_OURS)
                with suppress(psycopg.OperationalError):
                    while True:
                        address = make_url(_address(arena)).update_query_dict({"application_name": "stranger"})
                        strangers.enter_context(psycopg.connect(address.render_as_string(hide_password=False)))
                        taken += 1
                time.sleep(0.2)
        return taken

    return deal


def lock_sqlite(seconds: float) -> Callable[[Arena], int]:
    """Another process holds the write lock."""

    def deal(arena: Arena) -> int:
        path = make_url(arena.stack.settings.database).database
        assert path is not None
        arena.until_midway()
        rival = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            rival.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            rival.execute("ROLLBACK")
        finally:
            rival.close()
        return 1

    return deal


def _address(arena: Arena) -> str:
    return arena.stack.settings.database


def _deadlocks(connection: psycopg.Connection) -> int:
    connection.rollback()
    row = connection.execute(_DEADLOCKS).fetchone()
    connection.rollback()
    return int(row[0]) if row else 0
