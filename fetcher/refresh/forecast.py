"""When what is due will have been asked: from the pace of late, and from what the quota allows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fetcher.domain.catalogue_stats import SourceFigures
from fetcher.domain.model import Source
from fetcher.http.messages import Resource
from fetcher.quota import QuotaStatus
from fetcher.refresh.dispatch import lanes_for

PACE_WINDOWS = (timedelta(minutes=2), timedelta(minutes=10))
"""The pace is the better of these: what has just begun is as fast as of late, what comes in gusts as on the whole."""

QUOTA_WINDOW = timedelta(hours=1)
"""GitHub gives a quota anew so often."""

IN_SIGHT = timedelta(days=7)
"""An end that is farther away is not told."""

_FIRST_LOOK, _LONGER = timedelta(minutes=1), 1.1
"""When the end is looked for: first, and how many times later each time."""


@dataclass(frozen=True, slots=True)
class Supply:
    """How many packages a quota still serves, until when, and how many in each window from then on."""

    left: float
    reset_at: datetime
    renewed: float
    window: timedelta = QUOTA_WINDOW

    def serves(self, pace: float, now: datetime, span: timedelta) -> float:
        """How many packages are served at ``pace`` (a second) within ``span`` from ``now`` on."""
        first = min(max(self.reset_at - now, timedelta(0)), span)
        windows, rest = divmod(span - first, self.window)
        served = min(pace * first.total_seconds(), self.left) if first else 0.0
        served += windows * min(pace * self.window.total_seconds(), self.renewed)
        return served + min(pace * rest.total_seconds(), self.renewed)


@dataclass(frozen=True, slots=True)
class Forecast:
    """How one source's pass goes on."""

    pace: float
    """Answers a second in the last minutes."""
    keeps_up: bool
    """What is due waits for minutes at most."""
    done_at: datetime | None
    """When nothing will be due any more; ``None`` where it keeps up, stands still, or no end is in sight."""


def forecast(
    one: SourceFigures, measured_at: datetime, now: datetime, interval: timedelta, supply: Supply | None
) -> Forecast:
    """What becomes of what is due, and of what will be until then."""
    windows = [min(window, interval / 8) for window in PACE_WINDOWS]
    pace = max(one.pace(measured_at, window) for window in windows)
    due = one.due_by(now)
    if due <= pace * max(windows).total_seconds():
        return Forecast(pace, keeps_up=True, done_at=None)
    span = _FIRST_LOOK
    while pace and span <= IN_SIGHT:
        served = pace * span.total_seconds() if supply is None else supply.serves(pace, now, span)
        if served >= one.due_by(now + span):
            return Forecast(pace, keeps_up=False, done_at=now + span)
        span *= _LONGER
    return Forecast(pace, keeps_up=False, done_at=None)


def supply_for(source: Source, statuses: Sequence[QuotaStatus], window_scale: float = 1.0) -> Supply | None:
    """What serves ``source``, as the ledger stands; ``None`` where no limit is known."""
    known = {one.resource: one for one in statuses if one.limit is not None and one.reset_at is not None}
    if source is Source.PYPI:
        return None
    lanes = lanes_for(anonymous=Resource.GRAPHQL not in known)
    lane = next(lane for lane in lanes if source in lane.sources)
    status = known.get(lane.resource)
    if status is None or status.reset_at is None:
        return None
    each, window = lane.packages_per_request, QUOTA_WINDOW * window_scale
    return Supply((status.remaining or 0) * each, status.reset_at, (status.limit or 0) * each, window)
