"""The change feed: pages in the order of the commits, each package once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, Select, delete, func, or_, select, update

from fetcher.catalogue.documents import KEYS
from fetcher.domain.changes import Change, ChangePage, Cursor, Feed, events_in, fields_in, kind_of
from fetcher.domain.errors import StoreError
from fetcher.store.changes.numbering import any_pending, extent, number
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import change_feed, changes, observations, packages, pending_changes

_C, _P, _O, _F = changes.c, packages.c, observations.c, change_feed.c

_ROWS: Select[Any] = (
    select(
        _C.package_id,
        _C.position,
        _C.at,
        _C.marks,
        _C.slug.label("removed_slug"),
        _P.slug,
        _P.title,
        _P.retired_at,
        _O.pypi_latest,
    )
    .join(packages, _P.id == _C.package_id, isouter=True)
    .join(observations, _O.package_id == _C.package_id, isouter=True)
    .where(or_(_P.id.is_not(None), _C.slug.is_not(None)))
)
"""The rows of changes. Without its package, a row without a slug is outdated: its tombstone has no position yet."""


class Changes(Aggregate):
    """The change feed."""

    @read_transaction
    def extent(self, connection: Connection) -> Feed:
        """Return the extent of the numbered feed. Changes committed later get positions after its end."""
        return extent(connection)

    @read_transaction
    def page(self, connection: Connection, after: Cursor, limit: int) -> ChangePage:
        """Return the first ``limit`` packages that changed after ``after``.

        The caller compares the cursor with the page's extent: a page after a cursor that the feed no longer holds is
        incomplete.
        """
        feed = extent(connection)
        rows = connection.execute(rows_after(after.position, limit + 1))
        found = [_change(row, after.position) for row in rows]
        return ChangePage(feed, after, tuple(found[:limit]), len(found) > limit)

    @read_transaction
    def latest(self, connection: Connection, limit: int) -> list[Change]:
        """Return the packages that changed last, the newest change first, each with the fields of that change only."""
        rows = connection.execute(_ROWS.order_by(_C.position.desc()).limit(limit))
        return [_change(row, row.position - 1) for row in rows]

    def number(self, now: datetime) -> int:
        """Give positions to all committed changes, a thousand a transaction. Returns the number of changes."""
        numbered = 0
        while self._transactions.read(any_pending):
            numbered += self.number_some(now)
        return numbered

    @write_transaction
    def number_some(self, connection: Connection, now: datetime) -> int:
        """Give positions to at most a thousand committed changes; returns their number."""
        return number(connection, now)

    def renew(self, now: datetime) -> None:
        """Give positions to some committed changes before a page is read.

        Without permission to write, or while the database is locked, the page ends at the last numbered change.
        """
        try:
            if self._transactions.read(any_pending):
                self.number_some(now)
        except StoreError:
            return

    @read_transaction
    def oldest_pending(self, connection: Connection) -> datetime | None:
        """Return the time of the oldest change without a position; ``None`` if every change has one."""
        return connection.execute(select(func.min(pending_changes.c.at))).scalar()

    @write_transaction
    def begin_again(self, connection: Connection) -> None:
        """Refuse every cursor issued so far, because the database was restored from a backup.

        A cursor issued after the backup would otherwise be valid again once as many changes are made, and its
        consumer would miss them.
        """
        connection.execute(update(change_feed).values(epoch=uuid4().hex[:12]))

    @write_transaction
    def prune(self, connection: Connection, before: datetime) -> int:
        """Delete the changes that were numbered before ``before``; returns their number.

        A prefix of the feed is deleted, and cursors before its end are refused from then on.
        """
        connection.execute(select(_F.position).with_for_update()).scalar_one()
        oldest_kept = connection.execute(select(func.min(_C.position)).where(_C.numbered_at >= before)).scalar()
        outdated = select(func.max(_C.position)).where(_C.numbered_at < before)
        if oldest_kept is not None:
            outdated = outdated.where(_C.position < oldest_kept)
        floor = connection.execute(outdated).scalar()
        if floor is None:
            return 0
        connection.execute(update(change_feed).values(floor=floor))
        return connection.execute(delete(changes).where(_C.position <= floor)).rowcount


def rows_after(after: int, limit: int) -> Select[Any]:
    """Return the statement that selects the first ``limit`` changes after a position."""
    return _ROWS.where(_C.position > after).order_by(_C.position).limit(limit)


def positions_after(connection: Connection, after: int, limit: int) -> Sequence[Change]:
    """Return the first ``limit`` changes after a position, within the caller's transaction."""
    return [_change(row, after) for row in connection.execute(rows_after(after, limit))]


def _change(row: Row[Any], after: int) -> Change:
    events = events_in(row.marks, after)
    removed = row.slug is None
    return Change(
        package_id=row.package_id,
        slug=row.slug or row.removed_slug or "",
        title=row.title,
        position=row.position,
        at=row.at,
        kind=kind_of(removed=removed, retired=row.retired_at is not None, events=events),
        fields=() if removed else fields_in(row.marks, after, KEYS),
        events=events,
        version=row.pypi_latest,
    )
