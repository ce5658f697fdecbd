"""Forecast of a first pass: packages that were never fetched, the time until they are, and the limiting quota. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fetcher.domain.catalogue_stats import CatalogueStats
from fetcher.domain.formatting import counted, span
from fetcher.domain.model import Source
from fetcher.domain.views import PackageState
from fetcher.quota import QuotaStatus
from fetcher.refresh.forecast import Forecast, Supply, forecast, supply_for, time_to_serve
from fetcher.upstreams.base import Lane

LIMITED = 0.5
"""Share of a quota's even pace from which the quota, and not the workers, limits a source."""


FEW = 10
"""Responses of a source below which its measured pace says nothing: the first one of 200 is an hour's forecast."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Forecasts of all sources, and of the packages that were never fetched completely."""

    forecasts: Mapping[Source, Forecast]
    limited_by: Mapping[Source, str]
    """Title of the upstream whose quota limits the source now. Sources without such a limit are absent."""
    to_go: int
    """Packages not fetched yet, without failing ones."""
    left: timedelta | None
    """Time until all of them are fetched; ``None`` if it is unknown or beyond ``IN_SIGHT``."""
    slowest: Source | None
    """The source that ends last."""

    @property
    def limit(self) -> str | None:
        """Title of the upstream whose quota limits the slowest source."""
        return None if self.slowest is None else self.limited_by.get(self.slowest)


def first_pass_in_words(outlook: Outlook) -> str | None:
    """Return the first pass in one line, or ``None`` without one."""
    if not outlook.to_go:
        return None
    left = "no forecast yet" if outlook.left is None else f"about {span(outlook.left)}"
    limit = "" if outlook.limit is None else f", limited by {outlook.limit}'s quota"
    return f"first fetch: {counted(outlook.to_go, 'package')} to go, {left}{limit}"


def outlook(
    stats: CatalogueStats,
    now: datetime,
    interval: timedelta,
    quota: Sequence[QuotaStatus],
    lanes: Sequence[Lane],
    titles: Mapping[str, str],
    window_scale: float = 1.0,
) -> Outlook:
    """Return the outlook at ``now``. ``titles`` are the upstreams' titles by name."""
    supplies = {source: supply_for(source, quota, lanes, window_scale) for source in Source}
    forecasts = {
        source: forecast(stats.source(source), stats.measured_at, now, interval, supplies[source]) for source in Source
    }
    limiting = {
        source: _limiting(source, stats, forecasts[source], supplies[source], quota, lanes, now) for source in Source
    }
    limited = {source: titles.get(name, name) for source, name in limiting.items() if name is not None}
    to_go = stats.states(now, interval)[PackageState.NOT_FETCHED]
    ends = {
        source: _left(missing, _pace(stats, source, forecasts[source]), supplies[source], now)
        for source in Source
        if to_go and (missing := _never_answered(stats, source))
    }
    forecasts |= {
        source: Forecast(forecasts[source].pace, keeps_up=False, done_at=None if end is None else now + end)
        for source, end in ends.items()
    }
    unknown = [source for source, end in ends.items() if end is None]
    known = {source: end for source, end in ends.items() if end is not None}
    slowest = unknown[0] if unknown else max(known, key=lambda source: known[source], default=None)
    return Outlook(forecasts, limited, to_go, None if slowest is None else ends[slowest], slowest)


def _never_answered(stats: CatalogueStats, source: Source) -> int:
    one = stats.source(source)
    return max(one.packages - one.answered - one.failing, 0)


def _pace(stats: CatalogueStats, source: Source, ahead: Forecast) -> float:
    """Return the pace of a source; 0 while it is unknown."""
    return ahead.pace if stats.source(source).answered >= FEW else 0.0


def _left(missing: int, pace: float, supply: Supply | None, now: datetime) -> timedelta | None:
    """Return the time until ``missing`` packages are served.

    Background requests spend a tenth of the quota at once and the rest evenly. Therefore a first burst does not count,
    and the quota's even pace is the limit. It is also the pace while that is unknown.
    """
    if supply is not None:
        pace = min(pace or math.inf, _even_pace(supply))
    return time_to_serve(missing, pace, supply, now) if pace else None


def _limiting(
    source: Source,
    stats: CatalogueStats,
    ahead: Forecast,
    supply: Supply | None,
    quota: Sequence[QuotaStatus],
    lanes: Sequence[Lane],
    now: datetime,
) -> str | None:
    """Return the name of the upstream whose quota limits the due packages of ``source``."""
    due = stats.source(source).due_by(now)
    if supply is None or not due:
        return None
    if due <= supply.left and ahead.pace < LIMITED * _even_pace(supply):
        return None
    reported = {(one.upstream, one.resource) for one in quota if one.limit is not None}
    serving = (lane for lane in lanes if source in lane.sources and (lane.upstream, lane.resource) in reported)
    return next((lane.upstream for lane in serving), None)


def _even_pace(supply: Supply) -> float:
    """Return the packages per second that spend the quota evenly."""
    return supply.renewed / supply.window.total_seconds()
