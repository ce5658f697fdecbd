"""The daily history: a row is written only if a value differs from the newest row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, exists, func, select

from fetcher.domain.model import HistoryDay
from fetcher.store.dialects import chunks, upsert
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import history, packages
from fetcher.store.statistics.id_ranges import next_range

_H = history.c

PRUNED = "pruned:history"
"""Name of the checkpoint with the position of the pruning pass."""


@dataclass(frozen=True, slots=True)
class DailyValues:
    """A package's values from a day on, by columns of ``observations``."""

    package_id: int
    day: date
    values: Mapping[str, Any]


def note(connection: Connection, noted: Sequence[DailyValues]) -> None:
    """Write values that differ from each package's newest row. Rows before the newest are never changed."""
    last = {one.package_id: one for one in noted}
    rows = []
    for ids in chunks(sorted(last)):
        newest = _newest(connection, ids)
        for package_id in ids:
            one, before = last[package_id], newest.get(package_id)
            values = {
                "stars": one.values["stars"],
                "forks": one.values["forks"],
                "watchers": one.values["watchers"],
                "version": one.values["pypi_latest"],
            }
            if before is None or any(before[name] != value for name, value in values.items()):
                day = one.day if before is None else max(one.day, before["day"])
                rows.append({"package_id": package_id, "day": day, **values})
    upsert(connection, history, rows)


class History(Aggregate):
    """Daily history of all packages."""

    @read_transaction
    def of_package(self, connection: Connection, slug: str) -> list[HistoryDay]:
        """Return a package's rows, oldest first; each holds until the next."""
        rows = (
            select(_H.day, _H.stars, _H.forks, _H.watchers, _H.version)
            .join(packages, packages.c.id == _H.package_id)
            .where(packages.c.slug == slug)
            .order_by(_H.day)
        )
        return [HistoryDay(*row) for row in connection.execute(rows)]

    @write_transaction
    def prune(self, connection: Connection, before: datetime) -> int:
        """Delete rows of days before ``before`` in the next id range, except each package's newest row.

        Returns the number of deleted rows.
        """
        id_range = next_range(connection, PRUNED)
        newer = history.alias("newer")
        has_newer = exists().where(
            newer.c.package_id == _H.package_id, newer.c.day > _H.day, id_range.holds(newer.c.package_id)
        )
        old = delete(history).where(id_range.holds(_H.package_id), _H.day < before.date(), has_newer)
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
