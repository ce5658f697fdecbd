"""``/api/v4/freshness``: ages by source, the lag of the last hour, and the feeds of changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from fetcher.domain.catalogue_stats import SourceStats
from fetcher.domain.lag import ChangeKind
from fetcher.domain.model import Source
from fetcher.domain.presentation import intervals_in_words
from fetcher.domain.views import RecentLag
from fetcher.upstreams.base import FeedStatus
from fetcher.web.context import context_of
from fetcher.web.described import errors
from fetcher.web.models import Moment
from fetcher.web.resource import Resource
from fetcher.wiring import upstreams_in

CHANGES: Mapping[Source, str] = {
    Source.REPOSITORY: "stars, forks, description, flags and the head",
    Source.CONTRIBUTORS: "people, after the head has moved",
    Source.COMMITS: "commits a week, after the head has moved",
    Source.INDEX: "releases",
}
"""Changes that each source shows."""


router = APIRouter(route_class=Resource, generate_unique_id_function=lambda route: route.name)


class SourceAge(BaseModel):
    """Ages of the last successful fetches of one source."""

    source: Source
    changes: str = Field(description="Changes that the source shows.")
    packages: int = Field(description="Packages that have the source.")
    fetched: int = Field(description="Packages whose source was ever fetched.")
    age_p50: float | None = Field(description="Seconds. Half of the fetches are younger.")
    age_p95: float | None = Field(description="Seconds. 95 of 100 fetches are younger.")
    age_max: float | None = Field(description="Seconds since the oldest fetch.")
    due: int = Field(description="Packages to be fetched now.")
    next_due: Moment | None = Field(description="The earliest due time.")


class ChangeLag(BaseModel):
    """Time from a change at its upstream to its stored value, in the last hour."""

    kind: ChangeKind
    changes: int
    p50: float | None = Field(description="Seconds. Half of the changes were stored within this time.")
    p95: float | None = Field(description="Seconds. 95 of 100 changes were stored within this time.")


class Feed(BaseModel):
    """An upstream's feed of changes."""

    upstream: str
    offered: bool = Field(description="False where the upstream has no feed.")
    read_at: Moment | None = Field(description="Time of the last good poll.")
    fault: str | None = Field(description="Why the last poll failed.")
    gap_at: Moment | None = Field(description="Time of the last poll that did not overlap with the one before.")
    gap_open: bool = Field(description="True until the data missed in the last gap was requested.")


class Freshness(BaseModel):
    """Freshness of the catalogue."""

    at: Moment
    intervals: list[str] = Field(description="Intervals of statistics and heads, and their reasons, by upstream.")
    index_interval: float = Field(description="Seconds between two checks of a project without a release.")
    sources: list[SourceAge]
    lag: list[ChangeLag] | None = Field(description="Absent values are null: Redis has not responded yet.")
    lag_at: Moment | None = Field(description="Time at which the lags were read from Redis.")
    feeds: list[Feed]


@router.get("/api/v4/freshness", responses=errors(503))
def get_freshness(request: Request, response: Response) -> Freshness:
    """Return the ages of stored values by source, the lag of changes in the last hour, and the state of feeds."""
    web, now = context_of(request), context_of(request).clock.now()
    zone, stats, lags = web.settings.time_zone, web.stats(now), web.live.read(now).lags
    upstreams, cadence = upstreams_in(web.settings, web.store), web.cadence()
    titles = {one.name: one.title for one in upstreams.all}
    feeds = upstreams.feeds(web.store.checkpoints.get)
    response.headers["Cache-Control"] = "no-store"
    return Freshness(
        at=now.astimezone(zone),
        intervals=intervals_in_words(cadence, web.store.sweeps.plans(), titles),
        index_interval=cadence.index_interval.total_seconds(),
        sources=[_age(stats.source(source), now, zone) for source in Source],
        lag=None if lags.value is None else [_lag(one) for one in lags.value],
        lag_at=_local(lags.read_at, zone),
        feeds=[_feed(one, zone) for one in feeds],
    )


def _age(stats: SourceStats, now: datetime, zone: tzinfo) -> SourceAge:
    return SourceAge(
        source=stats.source,
        changes=CHANGES[stats.source],
        packages=stats.packages,
        fetched=stats.answered,
        age_p50=_seconds(stats.age(0.5, now)),
        age_p95=_seconds(stats.age(0.95, now)),
        age_max=_seconds(stats.age(1, now)),
        due=stats.due_by(now),
        next_due=_local(stats.next_due, zone),
    )


def _lag(lag: RecentLag) -> ChangeLag:
    return ChangeLag(kind=lag.kind, changes=lag.count, p50=_seconds(lag.p50), p95=_seconds(lag.p95))


def _feed(status: FeedStatus, zone: tzinfo) -> Feed:
    return Feed(
        upstream=status.upstream,
        offered=status.offered,
        read_at=_local(status.read_at, zone),
        fault=status.fault,
        gap_at=_local(status.gap_at, zone),
        gap_open=status.open,
    )


def _local(moment: datetime | None, zone: tzinfo) -> datetime | None:
    return moment.astimezone(zone) if moment is not None else None


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
