"""A PostgreSQL of the benchmark's own with a filled catalogue, and what it says of its work."""

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
from tests.postgres import PostgresProcess, PostgresServer

SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "5min",
    "listen_addresses": "",
}
"""PostgreSQL's defaults but for its memory, and room enough for its log that checkpoints come by the clock."""


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A server that keeps what it is told (fsync, whole pages after a checkpoint), gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fetcher-bench-pg-", dir="/tmp"))
    process = PostgresProcess(folder, SETTINGS)
    try:
        process.start()
        yield process.server
    finally:
        process.stop()
        shutil.rmtree(folder, ignore_errors=True)


def filled(server: PostgresServer, filling: Filling) -> str:
    """The URL of a new database with the catalogue."""
    url = server.create()
    engine = open_engine(url)
    upgrade(engine)
    fill(engine, filling)
    engine.dispose()
    return url


@dataclass(frozen=True, slots=True)
class Written:
    """Counters of the server: only differences mean anything."""

    log_position: int
    refreshed: int
    """Rows of ``freshness`` that were updated: one for each package that was answered in full."""
    updated: int
    in_place: int
    """Rows of ``source_states`` that were updated, and how many of them without touching an index (HOT)."""
    wide: int
    """Rows of ``observations`` that were updated."""
    size: int


def written(engine: Engine) -> Written:
    """What the server has written so far."""
    with engine.connect() as connection:
        position, size = connection.execute(
            text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), pg_database_size(current_database())")
        ).one()
        rows = connection.execute(text("SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables")).all()
    by_name = {name: (updated, in_place) for name, updated, in_place in rows}
    wide, _ = by_name["observations"]
    return Written(int(position), by_name["freshness"][0], *by_name["source_states"], wide, int(size))
