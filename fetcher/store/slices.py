"""The figures of a large catalogue, slice by slice: each tick measures a few and adds all of them up.

A slice is a stretch of package ids. Together they cover the line of all ids; where packages were added or taken away
the borders move when the slice is next measured: one that has grown too large is cut and leaves a gap, one that has
become too small takes its neighbour in. Gaps come first, then whatever was measured longest ago. Nothing is counted up
or down in between, so nothing can drift.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, delete, select

from fetcher.domain.catalogue_stats import Figures, merged
from fetcher.store.dialects import MEASURING, one_at_a_time, upsert
from fetcher.store.measuring import measure
from fetcher.store.payloads import figures_of, payload_of
from fetcher.store.schema import figures
from fetcher.store.stretches import EVERY, Stretch, nth
from fetcher.store.transactions import Transactions

SLICE = 25_000
"""Packages of a slice: measured in about a tenth of a second. A catalogue of no more is measured at every look."""

TURNS = 2
"""Slices a tick."""

_WHOLE = -(2**63)
"""The key of the row with the sum."""

_F = figures.c


def read(transactions: Transactions, now: datetime, interval: timedelta, size: int) -> Figures:
    """The figures: of this moment where one slice is all there is, else the sum as it was last made.

    Where none was made yet, whoever asks first measures every slice.
    """
    while True:
        found = transactions.read(lambda on: _known(on, now, interval, size))
        if found is not None:
            return found
        tick(transactions, now, interval, size)


def tick(transactions: Transactions, now: datetime, interval: timedelta, size: int) -> None:
    """Measure the slices whose turn it is, and sum up. What is counted is read outside of what writes."""

    def measured(on: Connection) -> tuple[Stretch, Figures] | None:
        if _is_small(on, size):
            return None
        stretch = _next(on, size)
        return stretch, measure(on, stretch, now, interval)

    found = [one for _ in range(TURNS) if (one := _kept(transactions, measured)) is not None]
    if found:
        transactions.write(_sum_up)


def _known(on: Connection, now: datetime, interval: timedelta, size: int) -> Figures | None:
    if _is_small(on, size):
        return measure(on, EVERY, now, interval)
    row = on.execute(select(_F.measured_at, _F.figures).where(_F.low == _WHOLE)).one_or_none()
    return None if row is None else figures_of(row.measured_at, row.figures)


def _is_small(on: Connection, size: int) -> bool:
    return nth(on, EVERY.low, size) is None


def _next(on: Connection, size: int) -> Stretch:
    """The stretch to measure next: the first gap, or the slice that was measured longest ago."""
    rows = on.execute(select(_F.low, _F.high, _F.measured_at).where(_F.low > _WHOLE).order_by(_F.low)).all()
    known = [Stretch(row.low, row.high) for row in rows]
    gap = _gap(known)
    if gap is not None:
        cut = nth(on, gap.low, size)
        return gap if cut is None or cut >= gap.high else Stretch(gap.low, cut)
    oldest = min(rows, key=lambda row: (row.measured_at, row.low))
    return _adjusted(on, Stretch(oldest.low, oldest.high), known, size)


def _adjusted(on: Connection, stretch: Stretch, known: Sequence[Stretch], size: int) -> Stretch:
    """The slice as it should be: cut where it holds twice too many packages, with its neighbour where half too few."""
    too_many = nth(on, stretch.low, 2 * size)
    if too_many is not None and too_many < stretch.high:
        cut = nth(on, stretch.low, size)
        return stretch if cut is None else Stretch(stretch.low, cut)
    enough = nth(on, stretch.low, size // 2)
    if stretch.high < EVERY.high and (enough is None or enough >= stretch.high):
        return Stretch(stretch.low, next(one.high for one in known if one.low == stretch.high))
    return stretch


def _gap(known: Sequence[Stretch]) -> Stretch | None:
    """The first stretch of ids, by their order, that no slice covers."""
    borders = [Stretch(EVERY.low, EVERY.low), *known, Stretch(EVERY.high, EVERY.high)]
    return next((Stretch(a.high, b.low) for a, b in pairwise(borders) if a.high < b.low), None)


def _kept(
    transactions: Transactions, measured: Callable[[Connection], tuple[Stretch, Figures] | None]
) -> Stretch | None:
    """Measure one slice, and put it in the place of all that it overlaps."""
    found = transactions.read(measured)
    if found is None:
        return None
    stretch, what = found

    def save(on: Connection) -> None:
        one_at_a_time(on, MEASURING)
        on.execute(delete(figures).where(_F.low > _WHOLE, _F.low < stretch.high, _F.high > stretch.low))
        upsert(on, figures, [_row(stretch, what)])

    transactions.write(save)
    return stretch


def _sum_up(on: Connection) -> None:
    """Add all slices up. The first sum waits until they leave no gap; a later one goes without what is in one."""
    one_at_a_time(on, MEASURING)
    rows = on.execute(select(figures).where(_F.low > _WHOLE).order_by(_F.low)).all()
    summed_before = on.execute(select(_F.low).where(_F.low == _WHOLE)).first() is not None
    if rows and (summed_before or _gap([Stretch(row.low, row.high) for row in rows]) is None):
        whole = merged([figures_of(row.measured_at, row.figures) for row in rows])
        upsert(on, figures, [_row(Stretch(_WHOLE, _WHOLE), whole)])


def _row(stretch: Stretch, measured: Figures) -> dict[str, object]:
    return {
        "low": stretch.low,
        "high": stretch.high,
        "measured_at": measured.measured_at,
        "figures": payload_of(measured),
    }
