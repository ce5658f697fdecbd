"""A large catalogue from copies of a small one, written by the database itself: a million packages in two minutes.

The packages of ``benchmarks.filling`` are copied with new ids and slugs. Only tables that a document is read from are
copied, so nothing beyond the original packages is due.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Engine, Table, insert, literal, select

from benchmarks.filling import settle
from fetcher.store.schema import freshness, observations, packages

TABLES = (packages, observations, freshness)


def multiply(engine: Engine, original: int, copies: int) -> int:
    """Add ``copies`` copies of the packages 1 to ``original``; returns the number of packages."""
    for number in range(1, copies + 1):
        with engine.begin() as connection:
            for table in TABLES:
                values = _values(table, original, number)
                rows = select(*values.values()).where(_key(table) <= original)
                connection.execute(insert(table).from_select(list(values), rows))
    settle(engine)
    return original * (copies + 1)


def _values(table: Table, original: int, number: int) -> dict[str, ColumnElement[Any]]:
    key = _key(table)
    values: dict[str, ColumnElement[Any]] = {column.name: column for column in table.c}
    values[key.name] = key + literal(original * number)
    if "slug" in values:
        values["slug"] = table.c.slug.concat(literal(f"-{number}"))
    return values


def _key(table: Table) -> ColumnElement[int]:
    (key,) = table.primary_key.columns
    return key
