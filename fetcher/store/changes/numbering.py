"""Numbering of committed changes: their order in the feed.

A serial that a writer takes is visible only when it commits, so a reader could pass over one that commits late. Here a
position is given after the commit. Whoever numbers holds the row of ``change_feed`` until its own commit; positions
therefore become visible in their order, on both databases, after a restore as well, and whatever else is running.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, select, update

from fetcher.domain.changes import Feed
from fetcher.store.dialects import CHUNK, upsert
from fetcher.store.schema import change_feed, changes, pending_changes

_W, _C, _F = pending_changes.c, changes.c, change_feed.c


def any_pending(connection: Connection) -> bool:
    """Return whether a committed change has no position yet."""
    return bool(connection.execute(select(exists(select(_W.id)))).scalar())


def extent(connection: Connection) -> Feed:
    """Return the extent of the feed."""
    row = connection.execute(select(_F.epoch, _F.position, _F.floor)).one()
    return Feed(row.epoch, row.position, row.floor)


def number(connection: Connection, now: datetime, limit: int = CHUNK) -> int:
    """Give positions to the next ``limit`` committed changes; returns their number.

    The ids of a package's changes follow its lock, so they are in their order; those of different packages need none.
    """
    last = connection.execute(select(_F.position).with_for_update()).scalar_one()
    waiting = connection.execute(select(pending_changes).order_by(_W.id).limit(limit)).all()
    if not waiting:
        return 0
    folded = _stored(connection, {row.package_id for row in waiting})
    for position, row in enumerate(waiting, start=last + 1):
        one = folded.setdefault(row.package_id, {"package_id": row.package_id, "marks": {}, "slug": None})
        _fold(one, row, position)
        one["numbered_at"] = now
    taken = {row.package_id for row in waiting}
    upsert(connection, changes, [folded[package_id] for package_id in sorted(taken)])
    connection.execute(delete(pending_changes).where(_W.id.in_([row.id for row in waiting])))
    connection.execute(update(change_feed).values(position=last + len(waiting)))
    return len(waiting)


def _stored(connection: Connection, package_ids: set[int]) -> dict[int, dict[str, Any]]:
    rows = select(_C.package_id, _C.marks, _C.slug).where(_C.package_id.in_(sorted(package_ids)))
    return {row["package_id"]: dict(row) for row in connection.execute(rows).mappings()}


def _fold(one: dict[str, Any], change: Any, position: int) -> None:
    """Add a change to its package's row. A package that returns after its removal starts without marks."""
    returned = one["slug"] is not None and change.slug is None
    earlier: Mapping[str, int] = {} if returned else one["marks"]
    one |= {
        "marks": {**earlier, **dict.fromkeys(change.marks, position)},
        "position": position,
        "at": change.at,
        "slug": change.slug,
    }
