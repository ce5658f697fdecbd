"""Statistics of a large catalogue, by slice: each tick measures a few slices and sums up all of them.

A slice is a range of package ids. Together the slices cover all ids. The bounds of a slice are adjusted when it is
next measured: one with too many packages is cut and leaves a gap, one with too few is joined with its neighbour. Gaps
are measured first, then the slice measured longest ago. No counter is kept in between, so the sum cannot drift.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, delete, select

from fetcher.domain.catalogue_stats import CatalogueStats, merged
from fetcher.store.dialects import MEASURING, one_at_a_time, upsert
from fetcher.store.schema import catalogue_stats
from fetcher.store.statistics.id_ranges import EVERY, Stretch, nth
from fetcher.store.statistics.measuring import measure
from fetcher.store.statistics.payloads import catalogue_stats_of, payload_of
from fetcher.store.transactions import Transactions

SLICE = 25_000
"""Packages per slice, measured in about 0.1 s. A catalogue of no more packages is measured at every read."""

TURNS = 2
"""Slices measured per tick."""

_WHOLE = -(2**63)
"""Key of the row with the sum of all slices."""

_F = catalogue_stats.c


def read(transactions: Transactions, now: datetime, interval: timedelta, size: int) -> CatalogueStats:
    """Return the statistics: measured now if one slice holds all packages, otherwise the last sum.

    If there is no sum yet, this call measures every slice.
    """
    while True:
        found = transactions.read(lambda on: _known(on, now, interval, size))
        if found is not None:
            return found
        tick(transactions, now, interval, size)


def tick(transactions: Transactions, now: datetime, interval: timedelta, size: int) -> None:
    """Measure the next slices, and sum up. Counting is done outside the transactions that write."""

    def measured(on: Connection) -> tuple[Stretch, CatalogueStats] | None:
        if _is_small(on, size):
            return None
        stretch = _next(on, size)
        return stretch, measure(on, stretch, now, interval)

    found = [one for _ in range(TURNS) if (one := _kept(transactions, measured)) is not None]
    if found:
        transactions.write(_sum_up)


def _known(on: Connection, now: datetime, interval: timedelta, size: int) -> CatalogueStats | None:
    if _is_small(on, size):
        return measure(on, EVERY, now, interval)
    row = on.execute(select(_F.measured_at, _F.stats).where(_F.low == _WHOLE)).one_or_none()
    return None if row is None else catalogue_stats_of(row.measured_at, row.stats)


def _is_small(on: Connection, size: int) -> bool:
    return nth(on, EVERY.low, size) is None


def _next(on: Connection, size: int) -> Stretch:
    """Return the id range to measure next: the first gap, or the slice measured longest ago."""
    rows = on.execute(select(_F.low, _F.high, _F.measured_at).where(_F.low > _WHOLE).order_by(_F.low)).all()
    known = [Stretch(row.low, row.high) for row in rows]
    gap = _gap(known)
    if gap is not None:
        cut = nth(on, gap.low, size)
        return gap if cut is None or cut >= gap.high else Stretch(gap.low, cut)
    oldest = min(rows, key=lambda row: (row.measured_at, row.low))
    return _adjusted(on, Stretch(oldest.low, oldest.high), known, size)


def _adjusted(on: Connection, stretch: Stretch, known: Sequence[Stretch], size: int) -> Stretch:
    """Return the slice with adjusted bounds.

    A slice of more than ``2 * size`` packages is cut to ``size``. One of at most ``size // 2`` is joined with the next.
    """
    too_many = nth(on, stretch.low, 2 * size)
    if too_many is not None and too_many < stretch.high:
        cut = nth(on, stretch.low, size)
        return stretch if cut is None else Stretch(stretch.low, cut)
    enough = nth(on, stretch.low, size // 2)
    if stretch.high < EVERY.high and (enough is None or enough >= stretch.high):
        return Stretch(stretch.low, next(one.high for one in known if one.low == stretch.high))
    return stretch


def _gap(known: Sequence[Stretch]) -> Stretch | None:
    """Return the first id range that no slice covers, or ``None``."""
    borders = [Stretch(EVERY.low, EVERY.low), *known, Stretch(EVERY.high, EVERY.high)]
    return next((Stretch(a.high, b.low) for a, b in pairwise(borders) if a.high < b.low), None)


def _kept(
    transactions: Transactions, measured: Callable[[Connection], tuple[Stretch, CatalogueStats] | None]
) -> Stretch | None:
    """Measure one slice, and replace all slices that it overlaps. ``None`` if the catalogue is small."""
    found = transactions.read(measured)
    if found is None:
        return None
    stretch, what = found

    def save(on: Connection) -> None:
        one_at_a_time(on, MEASURING)
        on.execute(delete(catalogue_stats).where(_F.low > _WHOLE, _F.low < stretch.high, _F.high > stretch.low))
        upsert(on, catalogue_stats, [_row(stretch, what)])

    transactions.write(save)
    return stretch


def _sum_up(on: Connection) -> None:
    """Sum up all slices. The first sum requires that they leave no gap; a later one omits packages in a gap."""
    one_at_a_time(on, MEASURING)
    rows = on.execute(select(catalogue_stats).where(_F.low > _WHOLE).order_by(_F.low)).all()
    summed_before = on.execute(select(_F.low).where(_F.low == _WHOLE)).first() is not None
    if rows and (summed_before or _gap([Stretch(row.low, row.high) for row in rows]) is None):
        full = merged([catalogue_stats_of(row.measured_at, row.stats) for row in rows])
        upsert(on, catalogue_stats, [_row(Stretch(_WHOLE, _WHOLE), full)])


def _row(stretch: Stretch, measured: CatalogueStats) -> dict[str, object]:
    return {
        "low": stretch.low,
        "high": stretch.high,
        "measured_at": measured.measured_at,
        "stats": payload_of(measured),
    }
