"""Computation of the intervals at one upstream from its quota, the catalogue and the moves. Pure.

A *sweep* is the upstream's request for statistics and heads, as its lane declares it: the resource, the packages of a
request, and the usual response time. Requests that follow from moved heads are subtracted first.

The points of the last hour are measured and take precedence over the declared figures. Smaller or failing queries
therefore make the intervals longer, and so do histories and their repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeAlias

from fetcher.domain.model import Purpose, Source
from fetcher.domain.sweeping import Sweep, SweepLimit, SweepPlan, fitting
from fetcher.quota import QuotaPolicy, QuotaStatus
from fetcher.quota.limits import EffectiveLimits, effective_limits
from fetcher.upstreams.base import Lane

_HOUR = timedelta(hours=1)
_HOUR_MS = 3_600_000

RATE_SHARE = 0.5
"""Share of the requests and response seconds of a short window (a minute, a second) that sweeps may use.

It is larger than the share of the quota, because a short window is free again at once. The other half remains for
manual refreshes, first fetches and histories.
"""

LEAST_FOR_SWEEPS = 0.5
"""Share of the allowed requests that sweeps keep, however many heads move."""

RESERVE = 0.1
"""Share of the allowed requests that new intervals leave free. Until it is used up, intervals do not become longer."""

TOLERANCE = 0.2
"""Least relative decrease of an interval. Smaller ones are not applied, so that intervals do not flap."""

STANDS_FOR = timedelta(hours=1)
"""Time for which intervals stand before they become shorter. They become longer at once."""


MEASURED_FROM = 20
"""Points of a route in the last hour from which its packages and seconds per point are measured."""

LEAST_FULL = 0.1
"""Least measured packages per request, as a share of the declared ones. Below it requests fail, or are few."""

Route: TypeAlias = tuple[str, str]
"""Upstream and route."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Points that a route has spent in the last hour, the packages of its successful requests, and their seconds."""

    points: float = 0.0
    packages: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.points + other.points, self.packages + other.packages, self.seconds + other.seconds)


NOTHING_SPENT = Spent()


@dataclass(frozen=True, slots=True)
class Account:
    """An upstream as the planning sees it: its lanes, its policy in real time, and the identity that spends quota."""

    upstream: str
    lanes: Sequence[Lane]
    policy: QuotaPolicy
    identity: str

    @property
    def sweeping(self) -> Lane | None:
        """The lane that requests statistics and heads; ``None`` for an index."""
        return next((lane for lane in self.lanes if Source.REPOSITORY in lane.sources), None)


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that bound the sweeps."""

    share: float
    """Share of each quota that the background may use."""
    plan_interval: timedelta
    """Time between two plans, in real time."""
    scale: float = 1.0
    """Length of a second of the intervals, where quota windows are compressed."""

    @property
    def plans(self) -> float:
        """Plans per hour. Each may send one request that is not full."""
        return _HOUR / self.plan_interval


@dataclass(frozen=True, slots=True)
class Supply:
    """Requests per hour at one upstream: those that its quota allows, and the parts of them."""

    quota: float
    sweeps: float
    """Requests that sweeps may send."""
    follow_ups: float
    """Requests that follow from moved heads."""
    unfilled: float
    """Requests of sweeps that are not full, where these are not measured."""
    per_request: float
    """Packages of a request."""
    limited_by: SweepLimit


def plan_sweep(
    account: Account,
    packages: Sequence[int],
    statuses: Iterable[QuotaStatus],
    terms: Terms,
    before: SweepPlan | None,
    now: datetime,
    spent: Mapping[Route, Spent] = MappingProxyType({}),
) -> SweepPlan | None:
    """Return the intervals for ``packages`` of each class of activity; ``None`` for an upstream without sweeps.

    Packages of the first class had activity within a day, so their number is that of the moves a day. ``spent`` is of
    the last hour, as the upstream's windows count it.
    """
    lane = account.sweeping
    if lane is None:
        return None
    supply = supply_of(account, lane, statuses, packages[0], terms, spent)
    most = supply.sweeps * supply.per_request
    shortest = replace(fitting(packages, most * (1 - RESERVE)), scale=terms.scale)
    stays = before is not None and _stays(before, shortest, most, packages, now)
    sweep = before.sweep if before is not None and stays else shortest
    requests = sweep.rate(packages) / supply.per_request
    return SweepPlan(
        upstream=account.upstream,
        sweep=sweep,
        since=before.since if before is not None and stays else now,
        computed_at=now,
        packages=tuple(packages),
        limited_by=_limit(sweep, requests, supply),
        resource=lane.resource,
        quota=supply.quota,
        used=requests + supply.unfilled + supply.follow_ups,
        placed_after=before.placed_after if before is not None and stays else 0,
    )


def supply_of(
    account: Account,
    lane: Lane,
    statuses: Iterable[QuotaStatus],
    moves: int,
    terms: Terms,
    spent: Mapping[Route, Spent] = MappingProxyType({}),
) -> Supply:
    """Return the requests per hour of ``lane`` that the limits allow, with ``moves`` moved heads a day."""
    limits = effective_limits(account.policy, lane.resource, Purpose.BACKGROUND, account.identity)
    own = _spent_by(lane, spent)
    measured = own.points >= MEASURED_FROM
    seconds = own.seconds / own.points / terms.scale if measured and lane.seconds else lane.seconds
    by_rate = RATE_SHARE * _per_hour_by_rate(limits, seconds)
    per_request, unfilled = lane.packages_per_request, terms.plans if lane.packages_per_request > 1 else 0.0
    if measured:
        per_request, unfilled = per_request * min(max(own.packages / own.points / per_request, LEAST_FULL), 1.0), 0.0
    follow_ups = sum(
        max(_follow_ups(other, moves, terms), _spent_by(other, spent).points)
        for other in account.lanes
        if _follows(other, lane)
    )
    if limits.primary:
        quota = (_reported(account, lane, statuses) or limits.primary) * _HOUR_MS / limits.hour
    elif limits.rolling:
        quota = limits.rolling * _HOUR_MS / limits.hour
    else:
        quota = limits.points * _HOUR_MS / limits.window
    allowed = terms.share * quota
    sweeps = max(allowed - follow_ups - unfilled, LEAST_FOR_SWEEPS * allowed)
    limited_by = SweepLimit.RATE if by_rate < sweeps else SweepLimit.QUOTA
    return Supply(quota, min(sweeps, by_rate), follow_ups, unfilled, per_request, limited_by)


def _spent_by(lane: Lane, spent: Mapping[Route, Spent]) -> Spent:
    return sum((spent.get((lane.upstream, route), NOTHING_SPENT) for route in lane.routes), NOTHING_SPENT)


def _stays(before: SweepPlan, shortest: Sweep, most: float, packages: Sequence[int], now: datetime) -> bool:
    """Return whether the intervals stay: they still fit, and are not much longer than necessary for an hour or more."""
    if before.sweep.scale != shortest.scale:
        return False
    if before.sweep.rate(packages) > most and shortest.unit > before.sweep.unit:
        return False
    much = shortest.unit < before.sweep.unit * (1 - TOLERANCE)
    return not much or now - before.since < STANDS_FOR * shortest.scale


def _limit(sweep: Sweep, requests: float, supply: Supply) -> SweepLimit:
    if requests > supply.sweeps:
        return SweepLimit.EXCEEDED
    return SweepLimit.SHORTEST if sweep.is_shortest else supply.limited_by


def _per_hour_by_rate(limits: EffectiveLimits, seconds: float) -> float:
    """Return the requests per hour of ``seconds`` each that the short windows allow."""
    windows = _HOUR_MS / limits.window
    allowed = [limits.points * windows]
    if seconds:
        each = 1000 * seconds
        allowed += [ms * windows / each for ms in (limits.resource_ms, limits.total_ms) if ms]
    return min(allowed)


def _follows(other: Lane, lane: Lane) -> bool:
    """Return whether ``other`` spends the quota of ``lane`` for moved heads."""
    return other.resource == lane.resource and Source.REPOSITORY not in other.sources


def _follow_ups(lane: Lane, moves: int, terms: Terms) -> float:
    """Return the requests per hour for ``moves`` a day. A request for several packages may be sent for one alone.

    A plan is followed by another one when heads have moved.
    """
    hourly = moves / 24
    alone = min(hourly, 2 * terms.plans) if lane.packages_per_request > 1 else 0.0
    return hourly / lane.packages_per_request + alone


def _reported(account: Account, lane: Lane, statuses: Iterable[QuotaStatus]) -> int | None:
    """Return the quota that the upstream has reported for the account."""
    key = (account.identity, account.upstream, lane.resource)
    return next((one.limit for one in statuses if (one.identity, one.upstream, one.resource) == key), None)
