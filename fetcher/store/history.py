"""The daily history: a row is written only if a value differs from the newest row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, exists, func, select

from fetcher.domain.model import HistoryDay
from fetcher.store.dialects import chunks, upsert
from fetcher.store.rounds import next_stretch
from fetcher.store.schema import history, packages

_H = history.c

PRUNED = "pruned:history"
"""Name of the marker with the position of the pruning pass."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A package's values from a day on, by columns of ``observations``."""

    package_id: int
    day: date
    figures: Mapping[str, Any]


def note(connection: Connection, noted: Sequence[Noted]) -> None:
    """Write values that differ from each package's newest row. Rows before the newest are never changed."""
    last = {one.package_id: one for one in noted}
    rows = []
    for ids in chunks(sorted(last)):
        newest = _newest(connection, ids)
        for package_id in ids:
            one, before = last[package_id], newest.get(package_id)
            figures = {
                "stars": one.figures["stars"],
                "forks": one.figures["forks"],
                "watchers": one.figures["watchers"],
                "version": one.figures["pypi_latest"],
            }
            if before is None or any(before[name] != value for name, value in figures.items()):
                day = one.day if before is None else max(one.day, before["day"])
                rows.append({"package_id": package_id, "day": day, **figures})
    upsert(connection, history, rows)


def read(connection: Connection, slug: str) -> list[HistoryDay]:
    """Return a package's rows, oldest first; each holds until the next."""
    rows = (
        select(_H.day, _H.stars, _H.forks, _H.watchers, _H.version)
        .join(packages, packages.c.id == _H.package_id)
        .where(packages.c.slug == slug)
        .order_by(_H.day)
    )
    return [HistoryDay(*row) for row in connection.execute(rows)]


def prune(connection: Connection, before: datetime) -> int:
    """Delete rows of days before ``before`` in the next id range, except each package's newest row.

    Returns the number of deleted rows.
    """
    stretch = next_stretch(connection, PRUNED)
    newer = history.alias("newer")
    has_newer = exists().where(
        newer.c.package_id == _H.package_id, newer.c.day > _H.day, stretch.holds(newer.c.package_id)
    )
    old = delete(history).where(stretch.holds(_H.package_id), _H.day < before.date(), has_newer)
    return connection.execute(old).rowcount


def _newest(connection: Connection, ids: Iterable[int]) -> dict[int, RowMapping]:
    newest = (
        select(_H.package_id, func.max(_H.day).label("day"))
        .where(_H.package_id.in_(ids))
        .group_by(_H.package_id)
        .subquery()
    )
    rows = select(history).join(newest, (newest.c.package_id == _H.package_id) & (newest.c.day == _H.day))
    return {row["package_id"]: row for row in connection.execute(rows).mappings()}
