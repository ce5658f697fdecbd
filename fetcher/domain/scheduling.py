"""Due times of sources: cadence, retry delays and repeated failures. A pure function of outcome, state and time.

A package's slot in an interval follows from its id. The load of an interval is therefore even, and every refresh, early
or late, leads back to the slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar, assert_never

from fetcher.domain.model import DETAIL_SOURCES, DueReason, OutcomeKind, Source, SourceState
from fetcher.domain.moments import is_ahead
from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Deferred,
    Fetched,
    Gone,
    Malformed,
    Moved,
    NotModified,
    NotReady,
    Outcome,
    Overloaded,
    Replaced,
    Throttled,
    Transient,
    Unauthorized,
    kind,
)
from fetcher.domain.sweeping import Sweep

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

_NEIGHBOURS = 32
_GOLDEN = 11_400_714_819_323_198_485
"""2**64 divided by the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4)."""

LONGEST_PAUSE = _DAY
"""Longest pause that an upstream can demand. A longer ``retry-after`` or a later reset is taken for a mistake."""

CONFIRMED_AFTER = _HOUR
"""Time after which contributors and commits of an unmoved head are recorded as confirmed again."""

GONE_STRIKES = 3
GONE_SPAN = timedelta(days=2)
"""Consecutive responses, and the least time between first and last, after which a missing resource counts as gone."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Growing retry delays: ``first``, multiplied by ``factor`` for each further failure, at most ``longest``."""

    first: timedelta
    factor: float
    longest: timedelta

    def after(self, failures: int) -> timedelta:
        """Return the delay after the ``failures``-th failure in a row."""
        grown = self.first.total_seconds() * self.factor ** min(max(failures - 1, 0), 64)
        return timedelta(seconds=min(grown, self.longest.total_seconds()))

    def scaled(self, factor: float) -> Pauses:
        """Return the same delays in compressed time."""
        return Pauses(self.first * factor, self.factor, self.longest * factor)


@dataclass(frozen=True, slots=True)
class Cadence:
    """Intervals between requests, and retry delays by kind of failure.

    Statistics and heads, a forge's cheap request, have one interval, projects of an index another. Contributors and
    commits follow a moved head, and have no interval but the slow re-check.
    """

    interval: timedelta = _DAY
    """Interval of statistics and heads at a forge without an entry in ``sweeps``."""
    recheck: timedelta = timedelta(days=30)
    """Interval between full requests of contributors, commits and project status that show no change."""
    index: timedelta | None = None
    """Interval of projects, and of the check of the index's root; ``None``: ``interval``."""
    sweeps: Mapping[str, Sweep] = field(default_factory=dict)
    """Computed intervals of statistics and heads, by upstream."""
    faults: Pauses = field(default=Pauses(2 * _MINUTE, 2, 6 * _HOUR))
    not_ready: Pauses = field(default=Pauses(_MINUTE, 2, 6 * _HOUR))
    missing: Pauses = field(default=Pauses(6 * _HOUR, 2.5, 30 * _DAY))
    blocked: Pauses = field(default=Pauses(_DAY, 2, 30 * _DAY))
    feed: timedelta = timedelta(seconds=90)
    """Least time between two polls of a feed. Beat triggers one every two minutes; the rest absorbs its delays."""
    rejected: timedelta = timedelta(minutes=10)
    """Delay before the next attempt after a rejected credential."""

    @property
    def index_interval(self) -> timedelta:
        """Interval of projects, and of the check of the index's root."""
        return self.interval if self.index is None else self.index

    def longest_of(self, source: Source) -> timedelta:
        """Return the longest time between two confirmations of a source, whatever the upstream and the activity."""
        if source is Source.INDEX:
            return self.index_interval
        statistics = max((sweep.longest for sweep in self.sweeps.values()), default=self.interval)
        return statistics if source is Source.REPOSITORY else max(statistics, CONFIRMED_AFTER)

    @property
    def longest(self) -> timedelta:
        """The longest interval of any source, after which all sources of a package have responded."""
        return max(map(self.longest_of, Source))

    def furthest(self, source: Source, reason: DueReason | None = None) -> timedelta:
        """Return the longest time until ``source`` is due for ``reason``, or for any. A slot is 1.5 intervals away."""
        if reason is DueReason.SLOT:
            return 1.5 * self.longest_of(source)
        return 1.5 * max(self.longest, self.recheck, self.missing.longest, self.blocked.longest, LONGEST_PAUSE)

    def interval_of(self, source: Source, upstream: str | None = None, idle: timedelta | None = None) -> timedelta:
        """Return the interval of a source at ``upstream`` for a package without activity for ``idle``."""
        match source:
            case Source.INDEX:
                return self.index_interval
            case Source.CONTRIBUTORS | Source.COMMITS:
                return self.recheck
            case Source.REPOSITORY:
                sweep = self.sweeps.get(upstream or "")
                return self.interval if sweep is None else sweep.interval(idle)
            case _:
                assert_never(source)

    def pauses_after(self, outcome: OutcomeKind | None) -> Pauses:
        """Return the retry delays after failures of this kind (``fetcher.domain.outcome.kind``)."""
        match outcome:
            case OutcomeKind.NOT_READY:
                return self.not_ready
            case OutcomeKind.GONE | OutcomeKind.REPLACED:
                return self.missing
            case OutcomeKind.BLOCKED:
                return self.blocked
            case OutcomeKind.UNAUTHORIZED:
                return Pauses(self.rejected, 1, self.rejected)
            case _:
                return self.faults

    def with_pauses_scaled(self, factor: float) -> Cadence:
        """Return the same cadence with its delays in compressed time, like the upstreams' windows."""
        return replace(
            self,
            faults=self.faults.scaled(factor),
            not_ready=self.not_ready.scaled(factor),
            missing=self.missing.scaled(factor),
            blocked=self.blocked.scaled(factor),
            feed=self.feed * factor,
            rejected=self.rejected * factor,
        )


@dataclass(frozen=True, slots=True)
class Next:
    """The next schedule of a source. ``answered``: the outcome counts as a response."""

    due_at: datetime
    due_reason: DueReason
    answered: bool
    failures: int
    first_failed_at: datetime | None
    message: str | None


def phase(package_id: int) -> float:
    """Return the position of a package's slot in every interval: stable, and spread evenly over [0, 1).

    Thirty-two neighbours share a slot. The slots are spaced by the golden ratio, which fills a circle most evenly for
    any number of points. Rows of neighbours lie on the same pages, and one statement gives all of them their due time.
    The database logs a complete page when it is first written after a checkpoint. Shared by all 32, this costs each of
    a million packages a twentieth of its cost alone.
    """
    block = package_id // _NEIGHBOURS
    return block * _GOLDEN % 2**64 / 2**64


def slot(package_id: int, now: datetime, interval: timedelta) -> datetime:
    """Return the first slot of a package that is at least half an interval away."""
    start = _EPOCH + interval * phase(package_id)
    earliest = now + interval / 2
    passed = (earliest - start) // interval
    candidate = start + interval * passed
    return candidate if candidate >= earliest else candidate + interval


def recheck_at(package_id: int, full_fetch_at: datetime | None, now: datetime, recheck: timedelta) -> datetime:
    """Return the time of the next full fetch of an unchanged source, ``now`` if it has passed.

    It is counted from the last full fetch: counted from each confirmation it would never come. Without a full fetch, or
    after one by a clock that was far ahead, it is counted from ``now``. It is the package's slot in the re-check
    interval, at most one and a half intervals later.
    """
    known = None if is_ahead(full_fetch_at, now) else full_fetch_at
    return max(slot(package_id, known or now, recheck), now)


def schedule(package_id: int, state: SourceState, outcome: Outcome[T], now: datetime, cadence: Cadence) -> Next:
    """Return the next due time after ``outcome``, and whether it counts as a response."""
    match outcome:
        case Fetched() | NotModified():
            reason = DueReason.RECHECK if state.source in DETAIL_SOURCES else DueReason.SLOT
            interval = cadence.interval_of(state.source, state.upstream)
            return Next(slot(package_id, now, interval), reason, True, 0, None, None)
        case Blocked(cause=BlockCause.TOO_LARGE):
            return Next(slot(package_id, now, cadence.recheck), DueReason.RECHECK, True, 0, None, outcome.reason)
        case Moved():
            return _failed(state, f"redirected to {outcome.location}", now, cadence.pauses_after(kind(outcome)))
        case NotReady() | Gone() | Replaced() | Blocked() | Transient() | Malformed() | Overloaded() | Unauthorized():
            return _failed(state, outcome.reason, now, cadence.pauses_after(kind(outcome)))
        case Throttled():
            again = outcome.reset_at or now + min(outcome.retry_after or _MINUTE, LONGEST_PAUSE)
            again = min(max(again, now + timedelta(seconds=1)), now + LONGEST_PAUSE)
            return Next(again, DueReason.QUOTA, False, *_unchanged(state))
        case Deferred():
            return Next(outcome.until, DueReason.QUOTA, False, *_unchanged(state))
        case _:
            assert_never(outcome)


def is_gone(state: SourceState) -> bool:
    """Return whether a resource has been missing often and long enough to count as gone."""
    if state.outcome is not OutcomeKind.GONE or state.failures < GONE_STRIKES:
        return False
    if state.first_failed_at is None or state.last_failed_at is None:
        return False
    return state.last_failed_at - state.first_failed_at >= GONE_SPAN


def _failed(state: SourceState, reason: str, now: datetime, pauses: Pauses) -> Next:
    failures = state.failures + 1
    first_failed_at = state.first_failed_at or now
    return Next(now + pauses.after(failures), DueReason.COOLING, False, failures, first_failed_at, reason)


def _unchanged(state: SourceState) -> tuple[int, datetime | None, str | None]:
    return state.failures, state.first_failed_at, state.message
