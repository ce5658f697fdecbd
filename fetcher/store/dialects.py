"""The few places where SQLite and PostgreSQL must be told different things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, cast, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from fetcher.store.schema import freshness

T = TypeVar("T")

CHUNK = 1000
"""How many ids or names one statement is given: far below either database's limit of parameters."""

IMPORTING = 7_301_948_102
MIGRATING = 7_301_948_103
MEASURING = 7_301_948_104
"""Keys of PostgreSQL's advisory locks. On SQLite every writer already has the database to itself."""


def one_at_a_time(connection: Connection, key: int) -> None:
    """Hold a lock of the whole database until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def lock_packages(connection: Connection, package_ids: Sequence[int]) -> None:
    """Make every other writer of these packages wait until the transaction ends.

    Whoever writes what is known of a package takes this lock first, in the order of the ids: two transactions cannot
    wait for each other, and one that waited sees all that the other wrote. On SQLite the writer is alone.
    """
    if connection.dialect.name == "sqlite":
        return
    rows = freshness.c.package_id
    for ids in chunks(sorted(package_ids)):
        connection.execute(select(rows).where(rows.in_(ids)).order_by(rows).with_for_update()).all()


def give_up_after(connection: Connection, span: timedelta) -> None:
    """Have the database give up any statement of this transaction that takes longer. SQLite has no such word."""
    if connection.dialect.name == "postgresql":
        milliseconds = f"{span // timedelta(milliseconds=1)}"
        connection.execute(select(func.set_config("statement_timeout", milliseconds, True)))


COUNTED = 10_000
"""So many rows are counted one by one; of more, PostgreSQL's own estimate is good enough."""


def how_many(connection: Connection, table: Table) -> int:
    """About how many rows a table has: where it is large, what the database's last look at it has said."""
    if connection.dialect.name == "postgresql":
        named = text("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(:name)")
        estimate: int | None = connection.execute(named, {"name": table.name}).scalar()
        if estimate is not None and estimate > COUNTED:
            return estimate
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def apart_by(
    connection: Connection, first: ColumnElement[Any], last: ColumnElement[Any], span: timedelta
) -> ColumnElement[bool]:
    """Whether two moments in columns are at least ``span`` apart. SQLite counts days, and keeps moments as text."""
    if connection.dialect.name == "sqlite":
        return func.julianday(last) - func.julianday(first) >= span / timedelta(days=1)
    return last - first >= span


def plan_for_counting(connection: Connection) -> None:
    """Until the transaction ends, plan for many rows and few groups.

    PostgreSQL takes a bucket for as many groups as there are rows: it would sort them all, and compile for longer than
    it counts.
    """
    if connection.dialect.name == "postgresql":
        for setting in ("jit = off", "work_mem = '64MB'", "max_parallel_workers_per_gather = 0"):
            connection.execute(text(f"SET LOCAL {setting}"))


def unix_seconds(connection: Connection, moment: ColumnElement[Any]) -> ColumnElement[int]:
    """Whole seconds since 1970, rounded down, as an integer of either database."""
    if connection.dialect.name == "sqlite":
        return cast(func.strftime("%s", moment), BigInteger)
    return cast(func.floor(func.date_part("epoch", moment)), BigInteger)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert ``rows``, or give the rows of the same primary key their values."""
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    values: dict[str, ColumnElement[Any]] = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), list(rows))


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """``items`` in runs of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
