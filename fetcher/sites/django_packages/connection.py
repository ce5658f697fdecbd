"""Connections to the site's database, with short time limits, and its errors as lines for users."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection

from fetcher.domain.errors import ConfigError, SiteError

LOCK_SECONDS = 2
"""Seconds to wait for a lock that ``SKIP LOCKED`` does not avoid, such as one of a migration."""
STATEMENT_SECONDS = 15
"""Seconds for one statement, and for the pause between two of a transaction."""
CONNECT_SECONDS = 5

_EXPECTED = "Expected postgresql://USER:PASSWORD@HOST/NAME in FETCHER_SITE_URL"
_DRIVERS = ("postgres", "postgresql", "postgresql+psycopg")

SCHEMA_CHANGED = frozenset({"42703", "42P01", "42501"})
"""SQLSTATEs of a missing column, a missing table and a missing right: the layout is read again, once."""

_REFUSED = ("22", "23", "54")
"""SQLSTATE classes of refused values."""

_FAULTS = {
    "25006": ("is read-only", "Use the primary server"),
    "42501": ("forbids the role the access", "Run the SQL that `fetcher site grants` prints"),
    "42703": ("lacks a column that was there before", "Run `fetcher site check`"),
    "42P01": ("lacks a table that was there before", "Run `fetcher site check`"),
    "55P03": ("is locked by another process", "Nothing was written; the next pass tries again"),
    "57014": ("took too long to respond", "Nothing was written; the next pass tries again"),
    "53300": ("has too many connections", "Raise the role's connection limit"),
}
_NO_DATABASE = ('fatal:  database "',)
_REFUSALS = ("authentication failed", "no password supplied", 'role "')


def open_site_engine(url: str, *, read_only: bool = False) -> Engine:
    """Return an engine for the site's database; it connects on first use. Raises ``ConfigError`` for a bad address.

    ``read_only``: the server rejects every write.
    """
    engine = create_engine(
        _address(url),
        connect_args={"connect_timeout": CONNECT_SECONDS, "prepare_threshold": None},
        pool_size=1,
        max_overflow=1,
        pool_pre_ping=True,
        hide_parameters=True,
    )
    settings = {
        "timezone": "UTC",
        "synchronous_commit": "off",  # writes that a crash of the server loses are written by the next pass
        "lock_timeout": f"{LOCK_SECONDS}s",
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
        "default_transaction_read_only": "on" if read_only else "off",
    }

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        for name, value in settings.items():
            cursor.execute(f"SET {name} = '{value}'")
        cursor.close()
        connection.commit()

    return engine


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except (exc.ArgumentError, ValueError):  # the message quotes the address with its password
        raise ConfigError("the address of the site's database cannot be read", _EXPECTED) from None
    if address.drivername not in _DRIVERS:
        raise ConfigError(f"a site's database of the kind {address.get_backend_name()!r} is not supported", _EXPECTED)
    return address.set(drivername="postgresql+psycopg")


def state_of(error: exc.SQLAlchemyError) -> str:
    """Return PostgreSQL's SQLSTATE, or an empty string for an error of the connection."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def is_refusal(error: exc.SQLAlchemyError) -> bool:
    """Return whether the database refused a value, rather than failed."""
    return state_of(error).startswith(_REFUSED)


def explain(error: exc.SQLAlchemyError, url: URL) -> SiteError:
    """Return the error for users: without SQL, values and password."""
    shown = url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)
    where = f"the site's database {shown}"
    state, words = state_of(error), str(getattr(error, "orig", "")).lower()
    if state in _FAULTS:
        message, remedy = _FAULTS[state]
        return SiteError(f"{where} {message}", remedy)
    if any(word in words for word in _NO_DATABASE):
        return SiteError(f"{where} does not exist on its server", "Check the database's name in FETCHER_SITE_URL")
    if state.startswith("28") or any(word in words for word in _REFUSALS):
        return SiteError(f"{where} refuses this user or password", "Check FETCHER_SITE_URL")
    if isinstance(error, exc.OperationalError | exc.TimeoutError) or getattr(error, "connection_invalidated", False):
        return SiteError(f"{where} cannot be reached", "Check that it runs and that FETCHER_SITE_URL is right")
    name = type(getattr(error, "orig", error)).__name__
    return SiteError(f"{where} failed ({name}{', SQLSTATE ' + state if state else ''})", "Nothing was written")
