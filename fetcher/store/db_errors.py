"""Database errors as one-line messages with a remedy, without SQL and without a password."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exc
from sqlalchemy.engine import URL

from fetcher.domain.errors import RefusedValue, StoreError

UPGRADE = "Run `fetcher db upgrade`"

_RETRIED_STATES = frozenset({"40001", "40P01"})
"""SQLSTATEs of a serialization failure and of a deadlock: the same transaction may succeed when run again."""

_REFUSED_STATES = ("22", "23", "54")
"""SQLSTATE classes of refused values: data exceptions, constraints, and limits such as an index row's size."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """One kind of database error: SQLSTATEs and message texts that identify it, and the message and remedy shown."""

    states: tuple[str, ...]
    words: tuple[str, ...]
    message: str
    remedy: str


_FAULTS = (
    _Fault(("42P01", "42703"), ("no such table", "no such column"), "is not migrated", UPGRADE),
    _Fault(("53100",), ("database or disk is full",), "has no room left", "Free disk space; nothing was written"),
    _Fault(("25006",), ("read-only transaction",), "is read-only", "Use the primary server"),
    _Fault(
        (),
        ("readonly database",),
        "is read-only for this user",
        "Run the command as the owner of the file. Other users can read it only while a process of Fetcher is running",
    ),
    _Fault(
        ("55P03",),
        ("database is locked", "database table is locked"),
        "is locked by another process",
        "Try again; end whatever holds it if it stays so",
    ),
    _Fault((), ("unable to open database file",), "cannot be opened", "Check that its folder exists and is yours"),
    _Fault(
        (),
        ("disk i/o error",),
        "cannot be read or written",
        "Check the disk, its free space and the file-size limit; nothing was written",
    ),
    _Fault((), ("file is not a database", "malformed"), "is damaged", "Restore the file from a backup"),
    _Fault(
        ("28",),
        ("authentication failed", "fatal:  role"),
        "refuses this user or password",
        "Check FETCHER_DATABASE_URL",
    ),
    _Fault(
        ("3D000",), ('fatal:  database "',), "does not exist on its server", "Create it, or check FETCHER_DATABASE_URL"
    ),
    _Fault(("42501",), (), "forbids this user the access", "Grant the user rights on the tables and the schema"),
    _Fault(
        ("53300",),
        ("too many clients", "too many connections", "connection slots"),
        "has too many connections",
        "Raise max_connections or start fewer workers",
    ),
    _Fault(("57014",), (), "gave up a question that takes too long", "Ask for less: search fewer words, sort by slug"),
    _Fault(("40001", "40P01"), (), "kept running into other transactions", "Try again"),
)


def was_cut(error: exc.SQLAlchemyError) -> bool:
    """Return whether an established connection broke: the server restarted, or an operator ended the connection."""
    return isinstance(error, exc.DBAPIError) and error.connection_invalidated


def may_pass(error: exc.SQLAlchemyError, *, cut: bool) -> bool:
    """Return whether the transaction may be run again: after a deadlock, or while a server restarts.

    ``cut``: an attempt of the same transaction has already lost an established connection.
    """
    if cut and isinstance(error, exc.OperationalError):
        return True
    return isinstance(error, exc.DBAPIError) and _state(error) in _RETRIED_STATES


def explain(error: Exception, url: URL) -> StoreError:
    """Return the ``StoreError`` to raise for ``error``; a ``RefusedValue`` if the database refused a value."""
    where = f"the database {shown(url)}"
    if isinstance(error, exc.TimeoutError):
        return StoreError(f"{where} has no connection free", "Start fewer threads, or try again")
    if isinstance(error, exc.DBAPIError):
        state, words = _state(error), str(error.orig).lower()
        for fault in _FAULTS:
            if any(state.startswith(known) for known in fault.states) or any(w in words for w in fault.words):
                return StoreError(f"{where} {fault.message}", fault.remedy)
        of_the_value = state.startswith(_REFUSED_STATES)
        if not of_the_value and (isinstance(error, exc.OperationalError) or error.connection_invalidated):
            return StoreError(f"{where} cannot be reached", "Check that it runs and that FETCHER_DATABASE_URL is right")
        return RefusedValue(f"{where} refused a value ({_name(error.orig)})", "Nothing of the batch was written")
    if isinstance(error, OverflowError | UnicodeError):
        return RefusedValue(f"{where} refused a value ({_name(error)})", "Nothing of the batch was written")
    return StoreError(f"{where} failed ({_name(error)})", "Nothing was written")


def shown(url: URL) -> str:
    """Return the address for printing: without driver, password and query, which may contain a password as well."""
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)


def _state(error: exc.DBAPIError) -> str:
    """Return PostgreSQL's SQLSTATE, or an empty string for SQLite and for connection errors."""
    return getattr(error.orig, "sqlstate", None) or ""


def _name(error: BaseException | None) -> str:
    return type(error).__name__
