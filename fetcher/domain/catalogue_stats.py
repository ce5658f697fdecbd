"""Statistics of the catalogue: packages by state, ages of responses, and due sources.

They are measured in parts, one for each id range, and summed, so reading them costs the same for any number of
packages. Values that depend on the current time (ages, due counts) are kept as histograms and evaluated at ``now``.
Ages therefore stay correct between measurements.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from fetcher.domain.model import Source
from fetcher.domain.views import PackageState

STALE_AFTER = 1.5
"""Refresh intervals after which a package is stale. A refresh that ran early is followed by the next one this late."""

OVERDUE_AFTER = 1 / 8
"""Share of the refresh interval after which a due source is overdue: three hours of a day.

Dispatch runs every minute and quotas reset within the hour, so a longer wait means too few workers or too little quota.
A source that cools down after a failure is not due, and therefore never overdue.
"""

PLANNING = timedelta(minutes=5)
"""Time that a due source may wait at any interval: for the next plan, for a worker and for the other batches."""


Bucket: TypeAlias = tuple[float, float, int]
"""Start, end (exclusive, both in seconds since 1970) and number of moments. A plain tuple: there are very many."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Moments counted in buckets. A bucket is at most a 32nd as wide as its distance from the time of counting.

    Moments count as evenly spread within a bucket. Each histogram is exact at a few moments, which are its edges.
    """

    buckets: tuple[Bucket, ...] = ()
    """Buckets by start. Buckets of parts that were measured at different times may overlap."""

    @property
    def total(self) -> int:
        return sum(moments for _, _, moments in self.buckets)

    def until(self, moment: datetime) -> int:
        """Return the number of moments before ``moment``."""
        at = moment.timestamp()
        return round(sum(_share(start, end, at) * moments for start, end, moments in self.buckets))

    def newest(self, share: float) -> datetime | None:
        """Return the time since which ``share`` of the moments occurred (a quantile), or ``None`` without moments."""
        rank = max(math.ceil(self.total * share), 1)
        for start, end, moments in reversed(self.buckets):
            if rank <= moments:
                return datetime.fromtimestamp(end - (rank - 0.5) / moments * (end - start), UTC)
            rank -= moments
        return None


@dataclass(frozen=True, slots=True)
class SourceStats:
    """Statistics of one source over all packages that have it."""

    source: Source
    packages: int = 0
    answers: Histogram = Histogram()
    """Times of the last successful responses. Exact at one interval before the measurement."""
    oldest: datetime | None = None
    """Time of the oldest last response."""
    due: Histogram = Histogram()
    """Due times. Exact at the time of the measurement and at the limit for overdue sources."""
    next_due: datetime | None = None
    leased: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failing sources by kind (``fetcher.domain.formatting.failure_kind``)."""

    @property
    def answered(self) -> int:
        return self.answers.total

    @property
    def failing(self) -> int:
        return sum(self.failures.values())

    @property
    def gone(self) -> int:
        return self.failures.get("gone", 0)

    def age(self, share: float, now: datetime) -> timedelta | None:
        """Return the maximum age of the newest ``share`` of the responses: the oldest's for 1, ``None`` without any."""
        at = self.oldest if share >= 1 else self.answers.newest(share)
        if at is None or self.oldest is None:
            return None
        return max(now - max(at, self.oldest), timedelta(0))

    def within(self, span: timedelta, now: datetime) -> float | None:
        """Return the share of packages with a response within ``span``; those without any count as outside."""
        if not self.packages:
            return None
        return (self.answered - self.answers.until(now - span)) / self.packages

    def on_time(self, now: datetime, interval: timedelta) -> float | None:
        """Return the share of packages with a response within an interval and ``PLANNING``."""
        return self.within(interval + PLANNING, now)

    def due_by(self, now: datetime) -> int:
        """Return the number of sources due at ``now``, leased or not."""
        return self.due.until(now)

    def overdue(self, now: datetime, interval: timedelta) -> int:
        """Return the number of sources due for longer than ``OVERDUE_AFTER`` intervals and ``PLANNING``."""
        return self.due.until(overdue_before(now, interval))

    def pace(self, measured_at: datetime, window: timedelta) -> float:
        """Return responses per second in the ``window`` before ``measured_at``. Confirmed sources count too."""
        counted = self.answers.until(measured_at) - self.answers.until(measured_at - window)
        return max(counted, 0) / window.total_seconds()


@dataclass(frozen=True, slots=True)
class CatalogueStats:
    """Statistics of all sources, and of all packages by state."""

    measured_at: datetime
    """Time of the oldest part's measurement."""
    settled: Mapping[PackageState, int] = field(default_factory=dict)
    """Packages whose state does not depend on the clock: retired, gone, failing, unsupported."""
    fetched: Histogram = Histogram()
    """Last fetches of the other packages. Exact at the time before which packages were stale when measured."""
    never_fetched: int = 0
    sources: Mapping[Source, SourceStats] = field(default_factory=dict)
    parts: int = 1
    """Number of id ranges that were summed. A single one was measured at the time of the call."""

    @property
    def packages(self) -> int:
        return sum(self.settled.values()) + self.fetched.total + self.never_fetched

    def source(self, source: Source) -> SourceStats:
        """Return one source's statistics, with zeros for a source that no package has."""
        return self.sources.get(source) or SourceStats(source)

    def states(self, now: datetime, interval: timedelta) -> Mapping[PackageState, int]:
        """Return the number of packages in each state; every state is included."""
        old = self.fetched.until(stale_before(now, interval))
        moving = {
            PackageState.NOT_FETCHED: self.never_fetched,
            PackageState.STALE: old,
            PackageState.FRESH: self.fetched.total - old,
        }
        return {state: self.settled.get(state, moving.get(state, 0)) for state in PackageState}

    @property
    def failures(self) -> Mapping[str, int]:
        """Failing sources by kind, most first."""
        kinds: Counter[str] = Counter()
        for source in self.sources.values():
            kinds.update(source.failures)
        return dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0])))


def stale_before(now: datetime, interval: timedelta) -> datetime:
    """Return the time before which a last fetch makes a package stale."""
    return now - STALE_AFTER * interval


def overdue_before(now: datetime, interval: timedelta) -> datetime:
    """Return the due time before which a source is overdue."""
    return now - max(OVERDUE_AFTER * interval, PLANNING)


def merged(parts: Sequence[CatalogueStats]) -> CatalogueStats:
    """Return the sum of ``parts``, at least one."""
    settled: Counter[PackageState] = Counter()
    for part in parts:
        settled.update(part.settled)
    return CatalogueStats(
        measured_at=min(part.measured_at for part in parts),
        settled=dict(settled),
        fetched=_sum(part.fetched for part in parts),
        never_fetched=sum(part.never_fetched for part in parts),
        sources={source: _merged_source(source, [part.source(source) for part in parts]) for source in Source},
        parts=sum(part.parts for part in parts),
    )


def _merged_source(source: Source, parts: Sequence[SourceStats]) -> SourceStats:
    failures: Counter[str] = Counter()
    for part in parts:
        failures.update(part.failures)
    return SourceStats(
        source=source,
        packages=sum(part.packages for part in parts),
        answers=_sum(part.answers for part in parts),
        oldest=min((part.oldest for part in parts if part.oldest is not None), default=None),
        due=_sum(part.due for part in parts),
        next_due=min((part.next_due for part in parts if part.next_due is not None), default=None),
        leased=sum(part.leased for part in parts),
        failures=dict(failures),
    )


def _sum(histograms: Iterable[Histogram]) -> Histogram:
    counts: dict[tuple[float, float], int] = {}
    for histogram in histograms:
        for start, end, moments in histogram.buckets:
            counts[start, end] = counts.get((start, end), 0) + moments
    return Histogram(tuple((start, end, moments) for (start, end), moments in sorted(counts.items())))


def _share(start: float, end: float, at: float) -> float:
    """Return the share of a bucket that lies before ``at``."""
    if end <= at:
        return 1.0
    return (at - start) / (end - start) if start < at else 0.0
