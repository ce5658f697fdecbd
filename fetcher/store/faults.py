"""What a database's fault means, in one line for a person, without SQL and without a password."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exc
from sqlalchemy.engine import URL

from fetcher.domain.errors import RefusedValue, StoreError

UPGRADE = "Run `fetcher db upgrade`"

_RETRIED_STATES = frozenset({"40001", "40P01"})
"""SQLSTATEs of a serialization failure and of a deadlock: the same transaction may well pass the next time."""

_REFUSED_STATES = ("22", "23", "54")
"""Classes of SQLSTATEs that speak of the value: data exceptions, constraints, and limits such as an index row's."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """One kind of fault: how a driver's words or SQLSTATE tell it, and what is said of it."""

    states: tuple[str, ...]
    words: tuple[str, ...]
    message: str
    remedy: str


_FAULTS = (
    _Fault(("42P01", "42703"), ("no such table", "no such column"), "is not migrated", UPGRADE),
    _Fault(("53100",), ("database or disk is full",), "has no room left", "Free disk space; nothing was written"),
    _Fault(
        ("25006",),
        ("readonly database", "read-only"),
        "is read-only",
        "Give this user the right to write the database file and its folder, or use the primary server",
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
        ("file is not a database", "malformed", "disk i/o error"),
        "is damaged",
        "Restore the file from a backup",
    ),
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
    """Whether a connection broke that had worked: the server restarts, or somebody ended it."""
    return isinstance(error, exc.DBAPIError) and error.connection_invalidated


def may_pass(error: exc.SQLAlchemyError, *, cut: bool) -> bool:
    """Whether the same transaction may be run again: after a deadlock, or while a server that was there comes back."""
    if cut and isinstance(error, exc.OperationalError):
        return True
    return isinstance(error, exc.DBAPIError) and _state(error) in _RETRIED_STATES


def explain(error: Exception, url: URL) -> StoreError:
    """The error that leaves the store for ``error``."""
    where = f"The database {shown(url)}"
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
    """The address as it may be printed: nothing of its password or query, which can hold one too."""
    return url.set(query={}).render_as_string(hide_password=True)


def _state(error: exc.DBAPIError) -> str:
    """The SQLSTATE that PostgreSQL gave, if it was asked at all."""
    return getattr(error.orig, "sqlstate", None) or ""


def _name(error: BaseException | None) -> str:
    return type(error).__name__
