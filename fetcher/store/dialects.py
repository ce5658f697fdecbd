"""Statements that differ between SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, cast, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from fetcher.store.schema import freshness

T = TypeVar("T")

CHUNK = 1000
"""Most ids or names in one statement, far below either database's limit of parameters."""

IMPORTING = 7_301_948_102
MIGRATING = 7_301_948_103
MEASURING = 7_301_948_104
EXCHANGING = 7_301_948_105
"""Keys of PostgreSQL's advisory locks. On SQLite a writer already locks the full database."""


def one_at_a_time(connection: Connection, key: int) -> None:
    """Hold a database-wide advisory lock until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def lock_packages(connection: Connection, package_ids: Sequence[int]) -> None:
    """Make every other writer of these packages wait until the transaction ends.

    Every writer of a package's data takes this lock first, in the order of the ids, so transactions cannot deadlock.
    One that waited sees everything that the other wrote. SQLite has a single writer and needs no lock.
    """
    if connection.dialect.name == "sqlite":
        return
    rows = freshness.c.package_id
    for ids in chunks(sorted(package_ids)):
        connection.execute(select(rows).where(rows.in_(ids)).order_by(rows).with_for_update()).all()


def give_up_after(connection: Connection, span: timedelta) -> None:
    """Cancel any statement of this transaction that takes longer than ``span``. SQLite has no such setting."""
    if connection.dialect.name == "postgresql":
        milliseconds = f"{span // timedelta(milliseconds=1)}"
        connection.execute(select(func.set_config("statement_timeout", milliseconds, True)))


COUNTED = 10_000
"""Largest number of rows counted exactly. Beyond it, PostgreSQL's own estimate is used."""


def how_many(connection: Connection, table: Table) -> int:
    """Return the number of rows of a table; for a large one on PostgreSQL, the planner's last estimate."""
    if connection.dialect.name == "postgresql":
        named = text("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(:name)")
        estimate: int | None = connection.execute(named, {"name": table.name}).scalar()
        if estimate is not None and estimate > COUNTED:
            return estimate
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def apart_by(
    connection: Connection, first: ColumnElement[Any], last: ColumnElement[Any], span: timedelta
) -> ColumnElement[bool]:
    """Return the condition that two times are at least ``span`` apart. SQLite stores text and computes in days."""
    if connection.dialect.name == "sqlite":
        return func.julianday(last) - func.julianday(first) >= span / timedelta(days=1)
    return last - first >= span


def plan_for_counting(connection: Connection) -> None:
    """Set PostgreSQL's planner for many rows and few groups until the transaction ends.

    PostgreSQL expects as many groups as rows for computed buckets. It would sort all rows, and its JIT compilation
    would take longer than the counting.
    """
    if connection.dialect.name == "postgresql":
        for setting in ("jit = off", "work_mem = '64MB'", "max_parallel_workers_per_gather = 0"):
            connection.execute(text(f"SET LOCAL {setting}"))


def unix_seconds(connection: Connection, moment: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the expression for seconds since 1970, rounded down, as an integer on either database."""
    if connection.dialect.name == "sqlite":
        return cast(func.strftime("%s", moment), BigInteger)
    return cast(func.floor(func.date_part("epoch", moment)), BigInteger)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert ``rows``, or update the rows with the same primary key."""
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    values: dict[str, ColumnElement[Any]] = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), list(rows))


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """Yield ``items`` in slices of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
