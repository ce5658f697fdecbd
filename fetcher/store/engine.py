"""Database engines, their connections' settings, and transactions: read or write, retried after transient errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from fetcher.domain.errors import ConfigError, StoreError
from fetcher.store.db_errors import explain, may_pass, shown, was_cut

T = TypeVar("T")
P = ParamSpec("P")
A = TypeVar("A", bound="Aggregate")

WRITING = "fetcher_writing"
"""Execution option that marks transactions that write."""

BUSY_SECONDS = 30
"""Seconds that a statement waits for another process's lock before it fails."""
CONNECT_SECONDS = 10
"""Seconds to wait for a connection to the server."""
POOL_SECONDS = 5
"""Seconds to wait for a free pooled connection before failing."""

PAUSES = (0.05, 0.2, 0.8, 2.0)
"""Seconds between the attempts of a transaction that a conflict or a broken connection ended."""

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
        if _is_file(address):
            options |= queue
        engine = create_engine(address, connect_args={"timeout": timeout or BUSY_SECONDS}, **options)
        if _is_file(address):
            event.listen(engine, "do_connect", lambda *_: _make_folder(address))
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
            raise ConfigError(f"a database of the kind {address.get_backend_name()!r} is not supported", _EXPECTED)
        address.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):  # their messages quote the address with its password
        raise ConfigError("the database's address cannot be read", _EXPECTED) from None
    return address


def is_missing(address: URL) -> bool:
    """Return whether the address is of a file of SQLite's that does not exist, which a connection would create."""
    return _is_file(address) and not Path(str(address.database)).exists()


def _is_file(address: URL) -> bool:
    return address.get_backend_name() == "sqlite" and address.database not in (None, "", ":memory:")


def _make_folder(address: URL) -> None:
    folder = Path(str(address.database)).parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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


class Transactions:
    """Transactions of one engine. All work given to ``write`` must be safe to run twice."""

    def __init__(self, engine: Engine, pause: Callable[[float], None]) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{WRITING: True})
        self._pause = pause

    def read(self, work: Callable[[Connection], T]) -> T:
        return self._run(self._engine, work)

    def write(self, work: Callable[[Connection], T]) -> T:
        return self._run(self._writing, work)

    def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        cut = False
        for pause in (*PAUSES, None):
            try:
                with engine.begin() as connection:
                    return work(connection)
            except SQLAlchemyError as error:
                cut = cut or was_cut(error)
                if pause is None or not may_pass(error, cut=cut):
                    raise explain(error, engine.url) from error
                self._pause(pause)
            except (OverflowError, UnicodeError) as error:
                raise explain(error, engine.url) from error
        raise AssertionError("the last attempt returns or raises")


class Aggregate:
    """Base of the store's parts: the methods of each read and write the tables of one subject."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions


def read_transaction(method: Callable[Concatenate[A, Connection, P], T]) -> Callable[Concatenate[A, P], T]:
    """Run a method of an ``Aggregate`` in a transaction that reads. Its callers leave out the connection."""

    @wraps(method)
    def run(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._transactions.read(lambda connection: method(self, connection, *args, **kwargs))

    return run


def write_transaction(method: Callable[Concatenate[A, Connection, P], T]) -> Callable[Concatenate[A, P], T]:
    """Run a method of an ``Aggregate`` in a transaction that writes. Its callers leave out the connection."""

    @wraps(method)
    def run(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._transactions.write(lambda connection: method(self, connection, *args, **kwargs))

    return run
