"""The last known activity of repositories, by which their intervals are chosen."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from fetcher.domain.model import Observed
from fetcher.store.dialects import upsert
from fetcher.store.schema import activities


def note_activity(connection: Connection, taken: Sequence[Observed]) -> None:
    """Write the repositories' last activity where an accepted record states another one."""
    found = {one.package_id: one.active_at for one in taken if one.active_at is not None}
    rows = [{"package_id": package_id, "active_at": found[package_id]} for package_id in sorted(found)]
    upsert(connection, activities, rows)
