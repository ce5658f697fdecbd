"""Statistics of one id range, counted by the database: range scans of the keys that return only buckets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, case, func, literal, select, text

from fetcher.domain.catalogue_stats import (
    PLANNING,
    Bucket,
    CatalogueStats,
    Histogram,
    SourceStats,
    overdue_before,
    stale_before,
)
from fetcher.domain.model import Source
from fetcher.domain.views import PackageState
from fetcher.store.dialects import plan_for_counting, unix_seconds
from fetcher.store.listing import FAILS, UNSUPPORTED, gone
from fetcher.store.schema import freshness, packages, source_states
from fetcher.store.statistics.id_ranges import IdRange

_P, _F, _S = packages.c, freshness.c, source_states.c

_WIDTHS = tuple(4**k for k in range(11))
"""Bucket widths in seconds, up to twelve days. Each divides the next, so buckets of several partitions can be added."""

_FINE = 32
"""Precision: except for the widest, a bucket is at most 1/``_FINE`` as wide as its distance from now."""


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Grouping of a column's times: ``width``, ``start`` and ``side``, the number of edges at or before them."""

    columns: tuple[ColumnElement[int], ...]
    edges: tuple[float, ...]

    def bucket(self, row: Row[Any]) -> Bucket:
        """Return the bucket in a row, cut at the edges."""
        start, end = float(row.start), float(row.start + row.width)
        if row.side:
            start = max(start, self.edges[row.side - 1])
        if row.side < len(self.edges):
            end = min(end, self.edges[row.side])
        return start, max(start, end), row.moments


def measure(connection: Connection, id_range: IdRange, now: datetime, interval: timedelta) -> CatalogueStats:
    """Return the statistics of the packages in ``id_range``. ``interval``: between two refreshes of a package."""
    plan_for_counting(connection)
    settled, fetched, never = _packages(connection, id_range, now, interval)
    return CatalogueStats(
        measured_at=now,
        settled=settled,
        fetched=fetched,
        never_fetched=never,
        sources=_sources(connection, id_range, now, interval),
    )


def _packages(
    connection: Connection, id_range: IdRange, now: datetime, interval: timedelta
) -> tuple[Mapping[PackageState, int], Histogram, int]:
    """Count packages by state.

    Those whose state depends on the clock (fresh or stale) are counted by time of the last fetch, and as never fetched.
    """
    worst = func.max(case((gone(connection), 1), else_=0)).label("gone")
    failing = select(_S.package_id, worst).where(id_range.holds(_S.package_id), FAILS)
    troubled = failing.group_by(_S.package_id).subquery("troubled")
    state = case(
        (_P.retired_at.is_not(None), literal(PackageState.RETIRED.value)),
        (troubled.c.gone == 1, literal(PackageState.GONE.value)),
        (troubled.c.gone == 0, literal(PackageState.FAILING.value)),
        (UNSUPPORTED, literal(PackageState.UNSUPPORTED.value)),
    )
    edge = stale_before(now, interval)
    buckets = _buckets(connection, _F.last_fetched, now, {edge: _F.last_fetched >= edge})
    keys = (state.label("state"), *buckets.columns)
    counted: Select[Any] = (
        select(*keys, func.count().label("moments"))
        .select_from(packages)
        .join(freshness, _F.package_id == _P.id)
        .outerjoin(troubled, troubled.c.package_id == _P.id)
        .where(id_range.holds(_P.id), id_range.holds(_F.package_id))
        .group_by(*(text(str(place)) for place in range(1, len(keys) + 1)))
    )
    rows = connection.execute(counted).all()
    settled: Counter[PackageState] = Counter()
    for row in rows:
        if row.state is not None:
            settled[PackageState(row.state)] += row.moments
    moving = [row for row in rows if row.state is None]
    fetched = _histogram(buckets, [row for row in moving if row.start is not None])
    return dict(settled), fetched, sum(row.moments for row in moving if row.start is None)


def _sources(
    connection: Connection, id_range: IdRange, now: datetime, interval: timedelta
) -> Mapping[Source, SourceStats]:
    old, late = now - interval - PLANNING, overdue_before(now, interval)
    answers = _histograms(connection, id_range, _S.answered_at, now, {old: _S.answered_at >= old})
    due = _histograms(connection, id_range, _S.due_at, now, {late: _S.due_at > late, now: _S.due_at > now})
    kinds = _kinds(connection, id_range)
    rows = connection.execute(
        select(
            _S.source,
            func.count().label("packages"),
            func.min(_S.answered_at).label("oldest"),
            func.min(_S.due_at).label("next_due"),
            func.count().filter(_S.lease_until > now).label("leased"),
        )
        .where(id_range.holds(_S.package_id))
        .group_by(_S.source)
    )
    found = {row.source: row for row in rows}
    return {
        source: SourceStats(
            source=source,
            packages=row.packages,
            answers=answers.get(source.value, Histogram()),
            oldest=row.oldest,
            due=due.get(source.value, Histogram()),
            next_due=row.next_due,
            leased=row.leased,
            failures=kinds.get(source.value, {}),
        )
        for source in Source
        if (row := found.get(source.value)) is not None
    }


def _histograms(
    connection: Connection,
    id_range: IdRange,
    column: Column[datetime | None],
    now: datetime,
    beyond: Mapping[datetime, ColumnElement[bool]],
) -> Mapping[str, Histogram]:
    """Return histograms of the times in a column of ``source_states``, by source."""
    buckets = _buckets(connection, column, now, beyond)
    keys = (_S.source, *buckets.columns)
    counted: Select[Any] = (
        select(*keys, func.count().label("moments"))
        .where(id_range.holds(_S.package_id), column.is_not(None))
        .group_by(*(text(str(place)) for place in range(1, len(keys) + 1)))
    )
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(counted):
        found[row.source].append(row)
    return {source: _histogram(buckets, rows) for source, rows in found.items()}


def _kinds(connection: Connection, id_range: IdRange) -> Mapping[str, Mapping[str, int]]:
    """Count failing sources by ``fetcher.domain.formatting.failure_kind``, by the partial index."""
    kind = case(
        (gone(connection), "gone"), (_S.outcome == "gone", "missing"), else_=func.coalesce(_S.outcome, "failing")
    ).label("kind")
    rows = connection.execute(
        select(_S.source, kind, func.count().label("sources"))
        .where(id_range.holds(_S.package_id), FAILS)
        .group_by(text("1"), text("2"))
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row.source][row.kind] = row.sources
    return found


def _buckets(
    connection: Connection,
    column: Column[datetime | None],
    now: datetime,
    beyond: Mapping[datetime, ColumnElement[bool]],
) -> _Buckets:
    """Return the buckets of ``column``. ``beyond``: by edge, in order, the condition of a time at or after it."""
    # The bounds are compared as times because date arithmetic costs the databases far more.
    reach = ((timedelta(seconds=_FINE * wider), width) for width, wider in pairwise(_WIDTHS))
    width = case(*((column.between(now - far, now + far), width) for far, width in reach), else_=_WIDTHS[-1])
    second = unix_seconds(connection, column)
    side = sum((case((is_beyond, 1), else_=0) for is_beyond in beyond.values()), literal(0))
    return _Buckets(
        columns=(width.label("width"), (second - second % width).label("start"), side.label("side")),
        edges=tuple(edge.timestamp() for edge in beyond),
    )


def _histogram(buckets: _Buckets, rows: Sequence[Row[Any]]) -> Histogram:
    return Histogram(tuple(sorted(map(buckets.bucket, rows))))
