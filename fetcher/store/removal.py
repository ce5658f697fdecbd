"""Removal of packages by editors: with their values, releases, history, timeline and refresh requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, select

from fetcher.domain.views import Removed
from fetcher.store.changes.noting import note_removed
from fetcher.store.checkpoints import note_edit
from fetcher.store.dialects import chunks, lock_packages
from fetcher.store.schema import events, history, packages, releases


def remove(connection: Connection, package_ids: Sequence[int], now: datetime) -> Removed:
    """Delete the packages; foreign keys delete every other row of theirs. Return the deleted numbers."""
    removed = Removed(0, 0, 0, 0)
    for ids in chunks(sorted(package_ids)):
        lock_packages(connection, ids)
        rows = [_rows(connection, table, ids) for table in (releases, history, events)]
        deleting = delete(packages).where(packages.c.id.in_(ids)).returning(packages.c.id, packages.c.slug)
        gone = {row.id: row.slug for row in connection.execute(deleting)}
        note_removed(connection, gone, now)
        removed = removed.plus(Removed(len(gone), *rows))
    note_edit(connection, now)
    return removed


def _rows(connection: Connection, table: Table, ids: Sequence[int]) -> int:
    counted = select(func.count()).select_from(table).where(table.c.package_id.in_(ids))
    return connection.execute(counted).scalar_one()
