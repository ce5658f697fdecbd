"""Column types that behave the same on SQLite and PostgreSQL."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from fetcher.domain.text import storable

PackageId = BigInteger().with_variant(Integer(), "sqlite")
"""Type of package ids. SQLite uses a primary key as its row id only if it is declared ``INTEGER``."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC, in and out, with microseconds.

    SQLite has no such type: it stores naive UTC text, which sorts by time.
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


class _Numbers(dict[bytes, int]):
    """Small integers by their digits. Looking one up takes a third of the time of parsing it."""

    def __missing__(self, digits: bytes) -> int:
        return int(digits)


_NUMBERS = _Numbers({str(number).encode(): number for number in range(100)})


class DayCounts(TypeDecorator[tuple[int, ...]]):
    """Compressed list of small integers, mostly zero: a year of daily commits takes about a hundred bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[int, ...] | None, dialect: Dialect) -> bytes | None:
        return None if value is None else zlib.compress(" ".join(map(str, value)).encode())

    def process_result_value(self, value: Any | None, dialect: Dialect) -> tuple[int, ...] | None:
        return None if value is None else tuple(map(_NUMBERS.__getitem__, zlib.decompress(value).split()))


def plain(text: str | None) -> str | None:
    """Return ``text`` as PostgreSQL accepts it. SQLite gets the same, so that one text never makes a batch fail."""
    return None if text is None else storable(text)
