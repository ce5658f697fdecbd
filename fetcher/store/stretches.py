"""Stretches of the catalogue by its ids, for work that is done a part at a time and costs the same at any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, select

from fetcher.store.schema import packages

_ID = packages.c.id


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packages with ids from ``low`` on and below ``high``."""

    low: int
    high: int

    def holds(self, package_id: Column[Any]) -> ColumnElement[bool]:
        """The condition that a row is of one of these packages."""
        return package_id.between(self.low, self.high - 1)


EVERY = Stretch(-(2**63) + 1, 2**63 - 1)


def nth(connection: Connection, low: int, n: int) -> int | None:
    """The id that so many packages from ``low`` on lie before, off the index of ids alone; ``None`` past the last."""
    return connection.execute(select(_ID).where(low <= _ID).order_by(_ID).offset(n).limit(1)).scalar()
