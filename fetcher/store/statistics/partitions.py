"""Statistics of a large catalogue, by partition: each tick measures a few partitions and sums up all of them.

A partition is a range of package ids. Together the partitions cover all ids. The bounds of one are adjusted when it is
next measured: one with too many packages is cut and leaves a gap, one with too few is joined with its neighbour. Gaps
are measured first, then the partition measured longest ago. No counter is kept in between, so the sum cannot drift.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, delete, select

from fetcher.domain.catalogue_stats import CatalogueStats, merged
from fetcher.store.dialects import MEASURING, one_at_a_time, upsert
from fetcher.store.engine import Aggregate, Transactions
from fetcher.store.schema import catalogue_stats
from fetcher.store.statistics.id_ranges import EVERY, IdRange, nth
from fetcher.store.statistics.measuring import measure
from fetcher.store.statistics.payloads import catalogue_stats_of, payload_of

PARTITION_SIZE = 25_000
"""Packages per partition, measured in about 0.1 s. A catalogue of no more packages is measured at every read."""

PARTITIONS_PER_TICK = 2
"""Partitions measured per tick."""

_WHOLE = -(2**63)
"""Key of the row with the sum of all partitions."""

_F = catalogue_stats.c


class Statistics(Aggregate):
    """Statistics of the catalogue, measured ``size`` packages at a time."""

    def __init__(self, transactions: Transactions, size: int = PARTITION_SIZE) -> None:
        super().__init__(transactions)
        self._size = size

    def read(self, now: datetime, interval: timedelta) -> CatalogueStats:
        """Return the statistics: measured now if one partition holds all packages, otherwise the last sum.

        The cost is the same for any size. ``interval`` is the time between two refreshes of a package.
        If there is no sum yet, this call measures every partition.
        """
        while True:
            found = self._transactions.read(lambda on: _known(on, now, interval, self._size))
            if found is not None:
                return found
            self.measure(now, interval)

    def measure(self, now: datetime, interval: timedelta) -> None:
        """Measure the next partitions of a large catalogue, and sum up; do nothing for a small one.

        Counting is done outside the transactions that write.
        """

        def measured(on: Connection) -> tuple[IdRange, CatalogueStats] | None:
            if _is_small(on, self._size):
                return None
            id_range = _next(on, self._size)
            return id_range, measure(on, id_range, now, interval)

        turns = range(PARTITIONS_PER_TICK)
        found = [one for _ in turns if (one := _kept(self._transactions, measured)) is not None]
        if found:
            self._transactions.write(_sum_up)


def _known(on: Connection, now: datetime, interval: timedelta, size: int) -> CatalogueStats | None:
    if _is_small(on, size):
        return measure(on, EVERY, now, interval)
    row = on.execute(select(_F.measured_at, _F.stats).where(_F.low == _WHOLE)).one_or_none()
    return None if row is None else catalogue_stats_of(row.measured_at, row.stats)


def _is_small(on: Connection, size: int) -> bool:
    return nth(on, EVERY.low, size) is None


def _next(on: Connection, size: int) -> IdRange:
    """Return the id range to measure next: the first gap, or the partition measured longest ago."""
    rows = on.execute(select(_F.low, _F.high, _F.measured_at).where(_F.low > _WHOLE).order_by(_F.low)).all()
    known = [IdRange(row.low, row.high) for row in rows]
    gap = _gap(known)
    if gap is not None:
        cut = nth(on, gap.low, size)
        return gap if cut is None or cut >= gap.high else IdRange(gap.low, cut)
    oldest = min(rows, key=lambda row: (row.measured_at, row.low))
    return _adjusted(on, IdRange(oldest.low, oldest.high), known, size)


def _adjusted(on: Connection, id_range: IdRange, known: Sequence[IdRange], size: int) -> IdRange:
    """Return the partition with adjusted bounds.

    A partition of more than ``2 * size`` packages is cut to ``size``. One of at most ``size // 2`` is joined with
    the next.
    """
    too_many = nth(on, id_range.low, 2 * size)
    if too_many is not None and too_many < id_range.high:
        cut = nth(on, id_range.low, size)
        return id_range if cut is None else IdRange(id_range.low, cut)
    enough = nth(on, id_range.low, size // 2)
    if id_range.high < EVERY.high and (enough is None or enough >= id_range.high):
        return IdRange(id_range.low, next(one.high for one in known if one.low == id_range.high))
    return id_range


def _gap(known: Sequence[IdRange]) -> IdRange | None:
    """Return the first id range that no partition covers, or ``None``."""
    borders = [IdRange(EVERY.low, EVERY.low), *known, IdRange(EVERY.high, EVERY.high)]
    return next((IdRange(a.high, b.low) for a, b in pairwise(borders) if a.high < b.low), None)


def _kept(
    transactions: Transactions, measured: Callable[[Connection], tuple[IdRange, CatalogueStats] | None]
) -> IdRange | None:
    """Measure one partition, and replace all partitions that it overlaps. ``None`` if the catalogue is small."""
    found = transactions.read(measured)
    if found is None:
        return None
    id_range, what = found

    def save(on: Connection) -> None:
        one_at_a_time(on, MEASURING)
        on.execute(delete(catalogue_stats).where(_F.low > _WHOLE, _F.low < id_range.high, _F.high > id_range.low))
        upsert(on, catalogue_stats, [_row(id_range, what)])

    transactions.write(save)
    return id_range


def _sum_up(on: Connection) -> None:
    """Sum up all partitions. The first sum requires that they leave no gap; a later one omits packages in a gap."""
    one_at_a_time(on, MEASURING)
    rows = on.execute(select(catalogue_stats).where(_F.low > _WHOLE).order_by(_F.low)).all()
    summed_before = on.execute(select(_F.low).where(_F.low == _WHOLE)).first() is not None
    if rows and (summed_before or _gap([IdRange(row.low, row.high) for row in rows]) is None):
        full = merged([catalogue_stats_of(row.measured_at, row.stats) for row in rows])
        upsert(on, catalogue_stats, [_row(IdRange(_WHOLE, _WHOLE), full)])


def _row(id_range: IdRange, measured: CatalogueStats) -> dict[str, object]:
    return {
        "low": id_range.low,
        "high": id_range.high,
        "measured_at": measured.measured_at,
        "stats": payload_of(measured),
    }
