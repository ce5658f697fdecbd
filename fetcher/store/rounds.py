"""Housekeeping in rounds: each call takes the next so many packages, and so costs the same however many there are."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, select

from fetcher.ports import Marker
from fetcher.store.reading import marker, save_marker
from fetcher.store.schema import packages

STRETCH = 50_000
"""Packages a call. Half-hourly, a million are gone through twice a day."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The packages with ids above ``after`` and up to ``last``; without it, all above."""

    after: int
    last: int | None

    def of(self, package_id: ColumnElement[int]) -> ColumnElement[bool]:
        """The condition that a row is of one of these packages."""
        begun = package_id > self.after
        return begun if self.last is None else and_(begun, package_id <= self.last)


def next_stretch(connection: Connection, name: str, size: int = STRETCH) -> Stretch:
    """The packages whose turn it is in the round called ``name``; after the last of them it begins anew.

    Where the round has come to is kept in a marker, by the transaction that does the work.
    """
    after = int(marker(connection, name).message or 0)
    ids = select(packages.c.id).where(packages.c.id > after).order_by(packages.c.id)
    last = connection.execute(ids.offset(size - 1).limit(1)).scalar()
    save_marker(connection, Marker(name, message=None if last is None else str(last)))
    return Stretch(after, last)
