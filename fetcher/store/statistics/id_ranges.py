"""Ranges of package ids, for work done in parts whose cost does not depend on the catalogue's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, select

from fetcher.store.schema import packages

_ID = packages.c.id


@dataclass(frozen=True, slots=True)
class Stretch:
    """An id range: packages with ``low`` <= id < ``high``."""

    low: int
    high: int

    def holds(self, package_id: Column[Any]) -> ColumnElement[bool]:
        """Return the condition that ``package_id`` lies in the range."""
        return package_id.between(self.low, self.high - 1)


EVERY = Stretch(-(2**63) + 1, 2**63 - 1)


def nth(connection: Connection, low: int, n: int) -> int | None:
    """Return the id ``n`` packages after ``low`` (index-only scan), or ``None`` past the end."""
    return connection.execute(select(_ID).where(low <= _ID).order_by(_ID).offset(n).limit(1)).scalar()
