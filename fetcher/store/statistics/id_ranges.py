"""Ranges of package ids, for work done in parts whose cost does not depend on the catalogue's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, select

from fetcher.ports import Checkpoint
from fetcher.store import checkpoints
from fetcher.store.schema import packages

_ID = packages.c.id


@dataclass(frozen=True, slots=True)
class IdRange:
    """An id range: packages with ``low`` <= id < ``high``."""

    low: int
    high: int

    def holds(self, package_id: Column[Any]) -> ColumnElement[bool]:
        """Return the condition that ``package_id`` lies in the range."""
        return package_id.between(self.low, self.high - 1)


AT_ONCE = 50_000
"""Packages per call of a maintenance pass. At a call every half hour, a million packages are covered twice a day."""

EVERY = IdRange(-(2**63) + 1, 2**63 - 1)


def nth(connection: Connection, low: int, n: int) -> int | None:
    """Return the id ``n`` packages after ``low`` (index-only scan), or ``None`` past the end."""
    return connection.execute(select(_ID).where(low <= _ID).order_by(_ID).offset(n).limit(1)).scalar()


def next_range(connection: Connection, name: str, size: int = AT_ONCE) -> IdRange:
    """Return the next id range of the maintenance pass ``name``; after the last one the pass starts again.

    The position is saved in the checkpoint ``name``, in the transaction that does the work.
    """
    reached = checkpoints.load(connection, name).message
    low = EVERY.low if reached is None else int(reached)
    following = nth(connection, low, size)
    checkpoints.save(connection, Checkpoint(name, message=None if following is None else str(following)))
    return IdRange(low, EVERY.high if following is None else following)
