"""Periodic maintenance by id range: the cost of a call does not depend on the catalogue's size."""

from __future__ import annotations

from sqlalchemy import Connection

from fetcher.ports import Checkpoint
from fetcher.store.packages import checkpoint, save_checkpoint
from fetcher.store.statistics.id_ranges import EVERY, Stretch, nth

STRETCH = 50_000
"""Packages per call. At a call every half hour, a million packages are covered twice a day."""


def next_stretch(connection: Connection, name: str, size: int = STRETCH) -> Stretch:
    """Return the next id range of the maintenance pass ``name``; after the last one the pass starts again.

    The position is saved in the marker ``name``, in the transaction that does the work.
    """
    reached = checkpoint(connection, name).message
    low = EVERY.low if reached is None else int(reached)
    following = nth(connection, low, size)
    save_checkpoint(connection, Checkpoint(name, message=None if following is None else str(following)))
    return Stretch(low, EVERY.high if following is None else following)
