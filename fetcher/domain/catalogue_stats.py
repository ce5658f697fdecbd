"""The catalogue's figures: how many packages stand how, how old their answers are, what is due.

Made of parts, one a stretch of the catalogue, that are measured one after another and added up: so they cost the same
to read however many packages there are. What depends on the moment they are looked at (ages, what is due) is kept as
histograms and asked for with ``now``: a figure that was measured minutes ago still grows old as it should.
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
"""Intervals after which a package is stale: a refresh that comes early is followed by the next one this late."""

OVERDUE_AFTER = 1 / 8
"""Share of the interval after which what is due is overdue: three hours of a day.

Plans are a minute apart and a quota is given anew within the hour: what waits for longer waits for want of workers or
of quota. A source that cools down after a failure is not due, and so never overdue.
"""


Bucket: TypeAlias = tuple[float, float, int]
"""From when, before when (in seconds since 1970), and how many moments. A plain tuple: there are very many."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Moments, counted in buckets that grow with their distance from when they were counted: a 32nd of it at most.

    Within a bucket moments count as evenly spread. Each histogram's edges are a few moments at which it is exact.
    """

    buckets: tuple[Bucket, ...] = ()
    """By their starts. Those of parts that were measured at different moments may overlap."""

    @property
    def total(self) -> int:
        return sum(moments for _, _, moments in self.buckets)

    def until(self, moment: datetime) -> int:
        """How many lie before ``moment``."""
        at = moment.timestamp()
        return round(sum(_share(start, end, at) * moments for start, end, moments in self.buckets))

    def newest(self, share: float) -> datetime | None:
        """The moment than which so large a share are as new or newer; ``None`` where there is none at all."""
        rank = max(math.ceil(self.total * share), 1)
        for start, end, moments in reversed(self.buckets):
            if rank <= moments:
                return datetime.fromtimestamp(end - (rank - 0.5) / moments * (end - start), UTC)
            rank -= moments
        return None


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """One source over all packages that have it."""

    source: Source
    packages: int = 0
    answers: Histogram = Histogram()
    """When each last answered. Exact at one interval before it was counted."""
    oldest: datetime | None = None
    """The longest ago that any of them last answered."""
    due: Histogram = Histogram()
    """When each is to be asked next. Exact at the moment it was counted, and where that was overdue."""
    next_due: datetime | None = None
    leased: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Those that do not answer as they should, by ``fetcher.domain.formatting.failure_kind``."""

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
        """So large a share of the answers are this old or younger; the oldest's for 1; ``None`` without any."""
        at = self.oldest if share >= 1 else self.answers.newest(share)
        if at is None or self.oldest is None:
            return None
        return max(now - max(at, self.oldest), timedelta(0))

    def within(self, span: timedelta, now: datetime) -> float | None:
        """The share of its packages that answered within ``span``; who never answered did not."""
        if not self.packages:
            return None
        return (self.answered - self.answers.until(now - span)) / self.packages

    def due_by(self, now: datetime) -> int:
        """How many are due at ``now``, leased or not."""
        return self.due.until(now)

    def overdue(self, now: datetime, interval: timedelta) -> int:
        """How many have been due for longer than ``OVERDUE_AFTER``."""
        return self.due.until(now - OVERDUE_AFTER * interval)

    def pace(self, measured_at: datetime, window: timedelta) -> float:
        """Answers a second in the ``window`` before they were counted; confirmed ones count as asked."""
        counted = self.answers.until(measured_at) - self.answers.until(measured_at - window)
        return max(counted, 0) / window.total_seconds()


@dataclass(frozen=True, slots=True)
class Figures:
    """All sources, and all packages by how they stand."""

    measured_at: datetime
    """When its oldest part was."""
    settled: Mapping[PackageState, int] = field(default_factory=dict)
    """Packages whose state does not depend on the clock: retired, gone, failing, unsupported."""
    fetched: Histogram = Histogram()
    """Of the others, when each was last fetched. Exact where they grew stale when it was counted."""
    never_fetched: int = 0
    sources: Mapping[Source, SourceFigures] = field(default_factory=dict)
    parts: int = 1
    """Of how many stretches of the catalogue this is the sum; a single one was counted at this moment."""

    @property
    def packages(self) -> int:
        return sum(self.settled.values()) + self.fetched.total + self.never_fetched

    @property
    def followed(self) -> int:
        """Packages that are not retired."""
        return self.packages - self.settled.get(PackageState.RETIRED, 0)

    def source(self, source: Source) -> SourceFigures:
        """One source's figures; of one that no package has, zeros."""
        return self.sources.get(source) or SourceFigures(source)

    def states(self, now: datetime, interval: timedelta) -> Mapping[PackageState, int]:
        """How many packages stand how; every state is named."""
        old = self.fetched.until(stale_before(now, interval))
        moving = {PackageState.STALE: old + self.never_fetched, PackageState.FRESH: self.fetched.total - old}
        return {state: self.settled.get(state, moving.get(state, 0)) for state in PackageState}

    @property
    def failures(self) -> Mapping[str, int]:
        """Failing sources by kind, most first."""
        kinds: Counter[str] = Counter()
        for source in self.sources.values():
            kinds.update(source.failures)
        return dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0])))


def stale_before(now: datetime, interval: timedelta) -> datetime:
    """Packages last fetched before this are stale."""
    return now - STALE_AFTER * interval


def merged(parts: Sequence[Figures]) -> Figures:
    """The sum of ``parts``, at least one."""
    settled: Counter[PackageState] = Counter()
    for part in parts:
        settled.update(part.settled)
    return Figures(
        measured_at=min(part.measured_at for part in parts),
        settled=dict(settled),
        fetched=_sum(part.fetched for part in parts),
        never_fetched=sum(part.never_fetched for part in parts),
        sources={source: _merged_source(source, [part.source(source) for part in parts]) for source in Source},
        parts=sum(part.parts for part in parts),
    )


def _merged_source(source: Source, parts: Sequence[SourceFigures]) -> SourceFigures:
    failures: Counter[str] = Counter()
    for part in parts:
        failures.update(part.failures)
    return SourceFigures(
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
    """The share of a bucket that lies before ``at``."""
    if end <= at:
        return 1.0
    return (at - start) / (end - start) if start < at else 0.0
