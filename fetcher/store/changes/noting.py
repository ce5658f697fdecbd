"""Noting changes in the transaction that makes them.

A writer only inserts, so it waits for no other writer and no reader. The rows get their position in the feed after the
commit (``numbering``). A package without a change causes no write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, insert

from fetcher.domain.changes import EventType
from fetcher.store.dialects import chunks
from fetcher.store.schema import pending_changes
from fetcher.store.types import plain


@dataclass(slots=True)
class Noted:
    """Changes collected during one transaction: names of fields and events by package, and the time of the last."""

    marks: dict[int, set[str]] = field(default_factory=dict)
    at: dict[int, datetime] = field(default_factory=dict)

    def add(self, package_id: int, marks: Iterable[str], at: datetime) -> None:
        """Add marks to those of the package. No marks are no change."""
        new = {str(mark) for mark in marks}
        if new:
            self.marks.setdefault(package_id, set()).update(new)
            self.at[package_id] = max(at, self.at.get(package_id, at))

    def write(self, connection: Connection) -> None:
        """Insert a row per changed package."""
        _insert(connection, [(one, self.marks[one], self.at[one], None) for one in sorted(self.marks)])


def note(connection: Connection, package_ids: Sequence[int], event: EventType, at: datetime) -> None:
    """Insert the same event of several packages."""
    _insert(connection, [(one, {event.value}, at, None) for one in package_ids])


def note_removed(connection: Connection, slugs: Mapping[int, str], at: datetime) -> None:
    """Insert the tombstones of removed packages, whose slugs are given by id."""
    _insert(connection, [(one, {EventType.REMOVED.value}, at, slugs[one]) for one in sorted(slugs)])


def _insert(connection: Connection, rows: Sequence[tuple[int, set[str], datetime, str | None]]) -> None:
    for part in chunks(rows):
        values = [
            {"package_id": package_id, "at": at, "marks": sorted(map(_storable, marks)), "slug": slug}
            for package_id, marks, at, slug in part
        ]
        connection.execute(insert(pending_changes), values)


def _storable(mark: str) -> str:
    """Return the mark as both databases store it: an unknown key of a document may have any characters."""
    return plain(mark) or ""
