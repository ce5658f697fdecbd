"""Database addresses and messages of database errors, without a server."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import exc, make_url
from sqlalchemy.exc import DataError, OperationalError, StatementError

from fetcher.domain.errors import ConfigError
from fetcher.store.db_errors import explain, may_pass, was_cut
from fetcher.store.engine import open_engine

SECRET = "s3cret"
URL = make_url(f"postgresql+psycopg://me:{SECRET}@db.example/fetcher?password={SECRET}")


class PostgresFault(Exception):
    """A psycopg error, reduced to its fields used here."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__(f"server said\nsomething with {SECRET}")
        self.sqlstate = sqlstate


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql(scheme: str) -> None:
    """The ``postgres://`` of hosting services and other spellings all select psycopg 3."""
    engine = open_engine(f"{scheme}://me@db.example/fetcher")
    assert engine.url.drivername == "postgresql+psycopg"
    engine.dispose()


@pytest.mark.parametrize("url", ["", "nonsense", f"mysql://me:{SECRET}@h/d", "postgresql://h:port/d", "sqlite+x://"])
def test_addresses_that_are_none(url: str) -> None:
    """An unreadable address is a one-line error with the expected form, without the password."""
    with pytest.raises(ConfigError, match="Expected sqlite:///FILE or postgresql://") as caught:
        open_engine(url)
    assert SECRET not in str(caught.value)


def test_settings_of_a_sqlite_connection(tmp_path: Path) -> None:
    """SQLite is set to WAL, a lock timeout and foreign keys, and its folder is created."""
    engine = open_engine(f"sqlite:///{tmp_path}/new/folder/a.db")
    with engine.connect() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        ]
    engine.dispose()
    assert settings == ["wal", 1, 30_000]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("42P01", "is not migrated"),
        ("53100", "has no room left"),
        ("25006", "is read-only"),
        ("55P03", "is locked"),
        ("28P01", "refuses this user"),
        ("3D000", "does not exist"),
        ("42501", "forbids"),
        ("53300", "too many connections"),
        ("40P01", "kept running into"),
        ("57P03", "cannot be reached"),
        (None, "cannot be reached"),
    ],
)
def test_errors_of_postgresql(state: str | None, words: str) -> None:
    """Every PostgreSQL error is one line with a remedy, without SQL and without the password."""
    explained = str(explain(OperationalError(f"SELECT '{SECRET}'", {}, PostgresFault(state)), URL))
    assert words in explained
    assert explained.startswith("the database postgresql://me:***@db.example/fetcher ")
    assert SECRET not in explained
    assert "\n" not in explained


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("no such table: packages", "is not migrated"),
        ("database or disk is full", "has no room left"),
        ("attempt to write a readonly database", "is read-only"),
        ("database is locked", "is locked by another process"),
        ("unable to open database file", "cannot be opened"),
        ("disk I/O error", "cannot be read or written"),
        ("database disk image is malformed", "is damaged"),
    ],
)
def test_errors_of_sqlite(message: str, words: str) -> None:
    """Every SQLite error, identified by its text because it has no code, is one line with a remedy."""
    explained = str(
        explain(OperationalError("SELECT 1", {}, sqlite3.OperationalError(message)), make_url("sqlite:///a.db"))
    )
    assert words in explained


def test_other_faults() -> None:
    """An exhausted pool, a refused value and an unstorable value have their own messages."""
    assert "no connection free" in str(explain(exc.TimeoutError(), URL))
    assert "refused a value (PostgresFault)" in str(explain(DataError("x", {}, PostgresFault("22003")), URL))
    assert "refused a value (OverflowError)" in str(explain(OverflowError("too large"), URL))


def test_errors_that_are_retried() -> None:
    """Deadlocks, serialization failures and errors after a cut are retried; a server never reached is not."""
    assert may_pass(OperationalError("x", {}, PostgresFault("40P01")), cut=False)
    assert may_pass(OperationalError("x", {}, PostgresFault("40001")), cut=False)
    assert not may_pass(OperationalError("x", {}, PostgresFault("53100")), cut=False)
    assert not may_pass(StatementError("x", "x", {}, ValueError()), cut=False)
    refused = OperationalError("x", {}, PostgresFault(None))
    assert not was_cut(refused)
    assert not may_pass(refused, cut=False)
    assert may_pass(refused, cut=was_cut(OperationalError("x", {}, PostgresFault(None), connection_invalidated=True)))
