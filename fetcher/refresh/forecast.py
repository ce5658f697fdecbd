"""Forecast of the end of due work, from the recent rate and the quota. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fetcher.domain.catalogue_stats import SourceStats
from fetcher.domain.model import Source
from fetcher.quota import QuotaStatus
from fetcher.upstreams.base import Lane

PACE_WINDOWS = (timedelta(minutes=2), timedelta(minutes=10))
"""Windows of the rate; the higher rate counts. The first reacts to a fresh start, the second smooths bursts."""

QUOTA_WINDOW = timedelta(hours=1)
"""Time after which a quota is renewed."""

IN_SIGHT = timedelta(days=7)
"""Forecasts beyond this are not reported."""

LEAST_WINDOW = timedelta(seconds=10)
"""Least window of the rate. A source whose first response is younger than a window is measured from that response."""

_FIRST_LOOK, _LONGER = timedelta(minutes=1), 1.1
"""Times at which the end is searched: the first, and the factor between two."""


@dataclass(frozen=True, slots=True)
class Supply:
    """A quota's remaining packages, their time limit, and the packages of each window from then on."""

    left: float
    reset_at: datetime
    renewed: float
    window: timedelta = QUOTA_WINDOW

    def serves(self, pace: float, now: datetime, span: timedelta) -> float:
        """Return the number of packages served at ``pace`` (per second) within ``span`` from ``now`` on."""
        first = min(max(self.reset_at - now, timedelta(0)), span)
        windows, rest = divmod(span - first, self.window)
        served = min(pace * first.total_seconds(), self.left) if first else 0.0
        served += windows * min(pace * self.window.total_seconds(), self.renewed)
        return served + min(pace * rest.total_seconds(), self.renewed)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of one source's pass."""

    pace: float
    """Responses per second in the last minutes."""
    keeps_up: bool
    """Due packages wait for minutes at most."""
    done_at: datetime | None
    """Time at which nothing is due; ``None`` if the pass keeps up, stands still, or ends beyond ``IN_SIGHT``."""


def forecast(
    one: SourceStats, measured_at: datetime, now: datetime, interval: timedelta, supply: Supply | None
) -> Forecast:
    """Return the forecast for due packages, including those that become due until then."""
    windows = [min(window, interval / 8) for window in PACE_WINDOWS]
    begun = max(windows) if one.oldest is None else max(measured_at - one.oldest, LEAST_WINDOW)
    pace = max(one.pace(measured_at, min(window, begun)) for window in windows)
    due = one.due_by(now)
    if due <= pace * max(windows).total_seconds():
        return Forecast(pace, keeps_up=True, done_at=None)
    span = _earliest(lambda span: one.due_by(now + span), pace, supply, now)
    return Forecast(pace, keeps_up=False, done_at=None if span is None else now + span)


def time_to_serve(packages: int, pace: float, supply: Supply | None, now: datetime) -> timedelta | None:
    """Return the time in which ``packages`` are served at ``pace`` (per second), or ``None`` beyond ``IN_SIGHT``."""
    return _earliest(lambda _span: packages, pace, supply, now)


def _earliest(
    wanted: Callable[[timedelta], int], pace: float, supply: Supply | None, now: datetime
) -> timedelta | None:
    """Return the earliest of the searched times at which as many packages are served as are ``wanted`` then."""
    span = _FIRST_LOOK
    while pace and span <= IN_SIGHT:
        served = pace * span.total_seconds() if supply is None else supply.serves(pace, now, span)
        if served >= wanted(span):
            return span
        span *= _LONGER
    return None


def supply_for(
    source: Source, statuses: Sequence[QuotaStatus], lanes: Sequence[Lane], window_scale: float = 1.0
) -> Supply | None:
    """Return the quota that serves ``source``, or ``None`` if no limit is known.

    Of several upstreams with a known quota, the first counts.
    """
    known = {
        (one.upstream, one.resource): one for one in statuses if one.limit is not None and one.reset_at is not None
    }
    for lane in lanes:
        status = known.get((lane.upstream, lane.resource)) if source in lane.sources else None
        if status is not None and status.reset_at is not None:
            each, window = lane.packages_per_request, QUOTA_WINDOW * window_scale
            return Supply((status.remaining or 0) * each, status.reset_at, (status.limit or 0) * each, window)
    return None
