"""A PostgreSQL server of the benchmark with a filled catalogue, and its write statistics."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.filling import Filling, fill
from fetcher.store import open_engine, upgrade
from tests.harness.postgres import PostgresProcess, PostgresServer

SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "5min",
    "listen_addresses": "",
}
"""PostgreSQL's defaults except memory, and a write-ahead log large enough for timed checkpoints only."""


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Run a durable server (fsync, full pages after a checkpoint); delete it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fetcher-bench-pg-", dir="/tmp"))
    process = PostgresProcess(folder, SETTINGS)
    try:
        process.start()
        yield process.server
    finally:
        process.stop()
        shutil.rmtree(folder, ignore_errors=True)


def filled(server: PostgresServer, filling: Filling) -> str:
    """Return the URL of a new database with the catalogue."""
    url = server.create()
    engine = open_engine(url)
    upgrade(engine)
    fill(engine, filling)
    engine.dispose()
    return url


@dataclass(frozen=True, slots=True)
class Written:
    """Write counters of the server; only differences are meaningful."""

    log_position: int
    refreshed: int
    """Updated rows of ``freshness``: one for each package refreshed from all its sources."""
    updated: int
    in_place: int
    """Updated rows of ``source_states``, and the number of those that touched no index (HOT)."""
    wide: int
    """Updated rows of ``observations``."""
    size: int


def written(engine: Engine) -> Written:
    """Read the server's write counters."""
    with engine.connect() as connection:
        position, size = connection.execute(
            text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), pg_database_size(current_database())")
        ).one()
        rows = connection.execute(text("SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables")).all()
    by_name = {name: (updated, in_place) for name, updated, in_place in rows}
    wide, _ = by_name["observations"]
    return Written(int(position), by_name["freshness"][0], *by_name["source_states"], wide, int(size))
