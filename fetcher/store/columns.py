"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

PackageId = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite's row id must be declared ``INTEGER`` to be the table itself."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware moments in UTC, in and out, with their microseconds.

    SQLite has no such type: there the value is kept naive in UTC, as text that sorts as the moments do.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        moment = value if value.tzinfo is UTC else value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        if moment.tzinfo is UTC:
            return moment
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class DayCounts(TypeDecorator[tuple[int, ...]]):
    """A run of small integers, mostly zero: a year of commits a day takes about a hundred bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[int, ...] | None, dialect: Dialect) -> bytes | None:
        return None if value is None else zlib.compress(" ".join(map(str, value)).encode())

    def process_result_value(self, value: Any | None, dialect: Dialect) -> tuple[int, ...] | None:
        return None if value is None else tuple(map(int, zlib.decompress(value).split()))


def plain(text: str | None) -> str | None:
    """``text`` without what PostgreSQL cannot hold: NUL characters and halves of surrogate pairs.

    Dropped on the way in, and on SQLite too, so that one odd description never costs a batch.
    """
    if text is None or text.isprintable():
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode()
