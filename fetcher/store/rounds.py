"""Housekeeping in rounds: each call takes the next so many packages, and so costs the same however many there are."""

from __future__ import annotations

from sqlalchemy import Connection

from fetcher.ports import Marker
from fetcher.store.reading import marker, save_marker
from fetcher.store.stretches import EVERY, Stretch, nth

STRETCH = 50_000
"""Packages a call. Half-hourly, a million are gone through twice a day."""


def next_stretch(connection: Connection, name: str, size: int = STRETCH) -> Stretch:
    """The packages whose turn it is in the round called ``name``; after the last of them it begins anew.

    Where the round has come to is kept in a marker, by the transaction that does the work.
    """
    reached = marker(connection, name).message
    low = EVERY.low if reached is None else int(reached)
    following = nth(connection, low, size)
    save_marker(connection, Marker(name, message=None if following is None else str(following)))
    return Stretch(low, EVERY.high if following is None else following)
