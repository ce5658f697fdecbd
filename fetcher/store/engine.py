"""Database engines: parsing of database addresses, and the settings of each new connection."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from fetcher.domain.errors import ConfigError, StoreError
from fetcher.store.db_errors import shown

WRITING = "fetcher_writing"
"""Execution option that marks transactions that write."""

BUSY_SECONDS = 30
"""Seconds that a statement waits for another process's lock before it fails."""
CONNECT_SECONDS = 10
"""Seconds to wait for a connection to the server."""
POOL_SECONDS = 5
"""Seconds to wait for a free pooled connection before failing."""

_EXPECTED = "Expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME in FETCHER_DATABASE_URL"
_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")


def open_engine(url: str, *, pool_size: int = 5, timeout: int | None = None) -> Engine:
    """Return an engine for ``url``; it connects on first use. Make one per process: connections do not survive a fork.

    ``timeout``: seconds to wait for the server or for a free connection, instead of the constants above.
    Raises ``ConfigError`` for an address that cannot be read.
    """
    address = _address(url)
    queue: dict[str, Any] = {"pool_size": pool_size, "pool_timeout": timeout or POOL_SECONDS}
    options: dict[str, Any] = {
        "json_serializer": partial(json.dumps, separators=(",", ":"), allow_nan=False),
        "hide_parameters": True,
    }
    if address.get_backend_name() == "sqlite":
        if address.database and address.database != ":memory:":
            _make_folder(address)
            options |= queue
        engine = create_engine(address, connect_args={"timeout": timeout or BUSY_SECONDS}, **options)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    options |= {**queue, "pool_pre_ping": True}
    engine = create_engine(address, connect_args={"connect_timeout": timeout or CONNECT_SECONDS}, **options)
    event.listen(engine, "connect", _prepare_postgres)
    return engine


def _address(url: str) -> URL:
    try:
        address = make_url(url)
        if address.drivername in _POSTGRES:
            address = address.set(drivername="postgresql+psycopg")
        elif address.drivername != "sqlite":
            raise ConfigError(f"A database of the kind {address.get_backend_name()!r} is not supported", _EXPECTED)
        address.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):  # their messages quote the address with its password
        raise ConfigError("The database's address cannot be read", _EXPECTED) from None
    return address


def _make_folder(address: URL) -> None:
    folder = Path(str(address.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(
            f"The folder of the database {shown(address)} cannot be made: {reason}", "Choose another folder"
        ) from error


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    """Allow readers beside one writer (WAL), and begin transactions here instead of in the driver."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; a writer takes the write lock immediately.

    SQLite refuses, without waiting, a reader that becomes a writer.
    """
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _prepare_postgres(connection: DBAPIConnection, _record: object) -> None:
    """Set the time zone to UTC, and a lock timeout so that a lock never released cannot block a worker."""
    cursor = connection.cursor()
    cursor.execute("SET TIME ZONE 'UTC'")
    cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
    cursor.close()
    connection.commit()
