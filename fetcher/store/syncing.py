"""Packages by the source that `fetcher sync` has read them from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection, select

from fetcher.store import retirement
from fetcher.store.dialects import chunks, lock_packages, upsert
from fetcher.store.engine import Aggregate, Transactions, read_transaction, write_transaction
from fetcher.store.importing.entries import Serving
from fetcher.store.schema import packages, synced_packages

_Y = synced_packages.c

Row: TypeAlias = tuple[int, bool]
"""Absences, and whether a synchronization retired the package."""


class SyncedPackages(Aggregate):
    """Packages that sources have listed."""

    def __init__(self, transactions: Transactions, serving: Serving) -> None:
        super().__init__(transactions)
        self._serving = serving

    @read_transaction
    def of(self, connection: Connection, source: str) -> dict[int, Row]:
        """Return the packages that ``source`` has listed, by id."""
        rows = connection.execute(select(_Y.package_id, _Y.absences, _Y.retired).where(_Y.source == source))
        return {row.package_id: (row.absences, row.retired) for row in rows}

    @read_transaction
    def retired(self, connection: Connection) -> set[int]:
        """Return the ids of the packages that a synchronization with any source retired."""
        return set(connection.execute(select(_Y.package_id).where(_Y.retired)).scalars())

    @write_transaction
    def apply(
        self,
        connection: Connection,
        source: str,
        rows: Mapping[int, Row],
        retire: tuple[int, ...],
        revive: tuple[int, ...],
        now: datetime,
    ) -> tuple[int, int]:
        """Write the rows, and retire and revive packages; returns the numbers retired and revived.

        A package that an editor retired is not marked as retired by the synchronization, and thus never revived by it.
        """
        lock_packages(connection, [*retire, *revive])  # an editor may be retiring one of them
        retired_by_sync: set[int] = set()
        for ids in chunks(revive):
            marked = select(_Y.package_id).where(_Y.package_id.in_(ids), _Y.retired)
            retired_by_sync.update(connection.execute(marked).scalars())
        present: dict[int, bool] = {}
        for ids in chunks(sorted(rows)):
            found = connection.execute(select(packages.c.id, packages.c.retired_at).where(packages.c.id.in_(ids)))
            present |= {row.id: row.retired_at is not None for row in found}
        written = [
            {
                "package_id": one,
                "source": source,
                "absences": absences,
                "retired": retired and not (one in retire and present[one]),
            }
            for one, (absences, retired) in sorted(rows.items())
            if one in present
        ]
        for part in chunks(written):
            upsert(connection, synced_packages, part)
        gone = (
            retirement.retire(connection, [one for one in retire if not present.get(one, True)], now) if retire else 0
        )
        returned = sorted(retired_by_sync)
        back = retirement.revive(connection, returned, self._serving, now) if returned else 0
        return gone, back
