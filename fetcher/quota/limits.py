"""The upstreams' documented limits and Fetcher's pace below them: constants and arithmetic, no state, no I/O.

Sources: GitHub's "Rate limits for the REST API" (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api),
its "Rate limits and query limits for the GraphQL API" and "Best practices for using the REST API". The ledger counts
times and durations in whole milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from fetcher.domain.model import Purpose
from fetcher.http.messages import Resource

ANONYMOUS: Final = "anonymous"
"""Prefix of identities without a credential."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_TICKS: Final = 120
"""Steps of a sliding window. More steps free room earlier and take more memory; a step leaves the window as one."""
_FOREIGN_CLOCK: Final = 10
"""Divisor of the primary window. A reset that lies more than this part of the window before its request was sent comes
from a clock that disagrees with ours, and only its figures are used."""
_GITHUB_LATENCY_DECAY, _PYPI_LATENCY_DECAY = 1, 10
"""Percent by which the latency estimate decays with each response. GitHub limits response seconds, so an estimate that
is too high is safer. PyPI does not, and a slow decay would let one timeout reduce the plans of the next few hundred
requests."""
_UNSCALED: Final = frozenset({"skew", "outage_retry", "longest_pause"})
"""Limits that belong to our machines, not to the upstream's windows; ``Limits.scaled`` leaves them as they are."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the upstreams, as documented, and the pace that Fetcher keeps below them."""

    primary: int = 5_000
    """Points an hour of REST, and as many of GraphQL, until a response reports the quota (an App may have 12,500)."""
    anonymous_primary: int = 60
    """Requests an hour without a credential; GraphQL needs one ("Primary rate limit for unauthenticated users")."""
    hour: timedelta = timedelta(hours=1)
    """Window of the primary quota."""
    rest_points: int = 900
    """REST points a minute. A GET costs one, also when it returns 304 ("About secondary rate limits")."""
    graphql_points: int = 2_000
    """GraphQL points a minute. A query costs one, whatever its primary cost ("About secondary rate limits")."""
    minute: timedelta = timedelta(seconds=60)
    """Window of GitHub's secondary limits."""
    in_flight: int = 100
    """Concurrent requests, REST and GraphQL together ("About secondary rate limits")."""
    seconds: float = 90.0
    """CPU seconds in 60 s of real time, estimated by response time ("About secondary rate limits")."""
    graphql_seconds: float = 60.0
    """Part of ``seconds`` that GraphQL may use."""
    pypi_in_flight: int = 10
    """Concurrent requests to the index. PyPI documents no limit but requests few connections (its API page)."""
    pypi_points: int = 20
    """Requests to the index in ``pypi_window``; our choice."""
    pypi_window: timedelta = timedelta(seconds=1)
    """Window of ``pypi_points``."""

    manual_share: float = 0.10
    """Share of the primary quota kept for manual requests; it shrinks linearly to ``floor`` at the reset."""
    floor: float = 0.01
    """Share that background requests never take. It covers repeats by the transport, which are settled afterwards."""
    initial_share: float = 0.10
    """Share that may be spent as soon as a window opens; the rest is spread evenly over the window."""
    headroom: float = 0.95
    """Share of points a minute and of concurrency for manual requests. Other programs may use the same identity."""
    background: float = 0.90
    """The same share for background requests. It is lower, so that a manual request always finds a free slot."""
    seconds_headroom: float = 0.99
    """Share of the response seconds for manual requests. Measured seconds include the network and are too high."""
    background_seconds: float = 0.95
    """The same share for background requests."""
    burst_window: timedelta = timedelta(seconds=10)
    """Window of the background's burst limit on response seconds."""
    burst_share: float = 1 / 3
    """Share of a minute's response seconds that the background may use in ``burst_window``. Without this limit it could
    use the whole minute at once: manual requests would wait for the next, and latencies would be learnt too late."""

    pause: timedelta = timedelta(seconds=60)
    """First back-off pause: "wait for at least one minute", then longer each time ("Exceeding the rate limit")."""
    pause_cap: timedelta = timedelta(hours=1)
    """Longest back-off pause."""
    longest_pause: timedelta = timedelta(days=1)
    """Longest ``retry-after`` that is believed; a longer one is cut to this."""
    reservation_ttl: timedelta = timedelta(seconds=150)
    """Lifetime of a reservation that is never settled (Celery's hard time limit); it then counts as spent."""
    probe_timeout: timedelta = timedelta(seconds=30)
    """Time after which an unanswered probe no longer keeps a second probe from being sent."""
    recheck: timedelta = timedelta(seconds=1)
    """Delay of the next attempt where only a response still in flight can free room."""
    outage_retry: timedelta = timedelta(seconds=2)
    """Delay of the next attempt while the ledger is unavailable."""
    grace: timedelta = timedelta(seconds=2)
    """Added to every moment that an upstream names, since its clock differs from ours."""
    jitter: timedelta = timedelta(seconds=5)
    """Resets closer to each other than this belong to the same window."""
    skew: timedelta = timedelta(seconds=5)
    """Largest difference between workers' clocks. A larger step back is taken for a clock that was set back."""

    def scaled(self, factor: float) -> Limits:
        """Return the same limits in compressed time: with 1/60 an hour lasts a minute, as do windows and pauses."""
        scaled: dict[str, Any] = {
            field.name: getattr(self, field.name) * factor
            for field in fields(self)
            if isinstance(getattr(self, field.name), timedelta) and field.name not in _UNSCALED
        }
        seconds, graphql_seconds = self.seconds * factor, self.graphql_seconds * factor
        return replace(self, **scaled, seconds=seconds, graphql_seconds=graphql_seconds)


DOCUMENTED: Final = Limits()
"""The documented limits in real time."""


@dataclass(frozen=True, slots=True)
class EffectiveLimits:
    """The limits of one kind of request, in whole numbers and milliseconds; 0 means no such limit."""

    resource: str
    background: bool
    forbidden: bool
    """The identity cannot use the resource at all: GraphQL without a credential."""
    primary: int
    hour: int
    minute: int
    initial_share: float
    manual_share: float
    floor: float
    points: int
    """Requests in ``window``."""
    window: int
    tick: int
    """Length of a step of the sliding window."""
    in_flight: int
    resource_ms: int
    """Response time of the resource in ``window``."""
    total_ms: int
    """Response time of all resources in ``window``."""
    burst_ms: int
    """Response time of all resources in ``burst_window``."""
    burst_window: int
    max_latency_ms: int
    """Longest response time that is expected of a request. Without it, one slow response could block the ledger."""
    latency_decay: int
    """Percent by which the latency estimate decays with each response."""
    pause: int
    pause_cap: int
    reservation_ttl: int
    probe_timeout: int
    recheck: int
    grace: int
    jitter: int
    skew: int
    foreign_clock: int
    """Age at which a reported reset is taken for a foreign clock's."""


def to_ms(moment: datetime) -> int:
    """Return ``moment`` as milliseconds since the epoch."""
    return (moment - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    """Return the moment ``ms`` milliseconds after the epoch."""
    return _EPOCH + ms * _MS


def span_ms(span: timedelta) -> int:
    """Return a duration in whole milliseconds."""
    return span // _MS


def seconds_ms(seconds: float) -> int:
    """Return seconds as whole milliseconds, at least 0."""
    return max(0, round(seconds * 1000))


def account_name(identity: str, resource: Resource) -> str:
    """Return the account of ``resource``: GitHub's resources share one, PyPI has its own.

    The braces are a Redis Cluster hash tag: all keys of an identity are stored on one node.
    """
    return f"{{{identity}}}:{'pypi' if resource is Resource.PYPI else 'github'}"


def account_names(identity: str) -> tuple[str, ...]:
    """Return the names of every account that ``identity`` may have."""
    return tuple({account_name(identity, resource): None for resource in Resource})


def identity_of(account: str) -> str:
    """Return the identity of an account's name: the inverse of ``account_name``."""
    return account[1 : account.rindex("}")]


@lru_cache(maxsize=256)
def effective_limits(limits: Limits, resource: Resource, purpose: Purpose, identity: str) -> EffectiveLimits:
    """Return the limits of requests by ``identity`` to ``resource`` for ``purpose``."""
    anonymous = identity.startswith(ANONYMOUS)
    background = purpose is Purpose.BACKGROUND
    share, time_share = limits.headroom, limits.seconds_headroom
    if background:
        share, time_share = limits.background, limits.background_seconds
    if resource is Resource.PYPI:
        share = limits.background if background else 1.0
        points, window, in_flight = limits.pypi_points, limits.pypi_window, limits.pypi_in_flight
        own, total = 0.0, 0.0
    else:
        graphql = resource is Resource.GRAPHQL
        points, window, in_flight = limits.rest_points, limits.minute, limits.in_flight
        own, total = 0.0, limits.seconds * time_share
        if graphql:
            points, own = limits.graphql_points, limits.graphql_seconds * time_share
    primary = limits.anonymous_primary if anonymous else limits.primary
    return EffectiveLimits(
        resource=resource.value,
        background=background,
        forbidden=anonymous and resource is Resource.GRAPHQL,
        primary=0 if resource is Resource.PYPI else primary,
        initial_share=limits.initial_share,
        manual_share=limits.manual_share,
        floor=limits.floor,
        points=_part(points, share),
        window=span_ms(window),
        tick=max(1, span_ms(window) // _TICKS),
        in_flight=_part(in_flight, share),
        resource_ms=int(own * 1000),
        total_ms=int(total * 1000),
        burst_ms=int(total * 1000 * limits.burst_share) if background else 0,
        max_latency_ms=int((own or total) * 1000 / 4),
        latency_decay=_PYPI_LATENCY_DECAY if resource is Resource.PYPI else _GITHUB_LATENCY_DECAY,
        foreign_clock=span_ms(limits.hour) // _FOREIGN_CLOCK,
        **{name: span_ms(getattr(limits, name)) for name in _DURATIONS},
    )


_DURATIONS: Final = (
    "hour",
    "minute",
    "pause",
    "pause_cap",
    "reservation_ttl",
    "probe_timeout",
    "burst_window",
    "recheck",
    "grace",
    "jitter",
    "skew",
)
"""Fields of ``Limits`` that ``EffectiveLimits`` repeats in milliseconds."""


def _part(amount: int, share: float) -> int:
    """Return a share in whole units, at least one. The addend compensates for binary fractions such as 0.95."""
    return max(1, math.floor(amount * share + 1e-9))


def affordable_at(left: int, limit: int, reset: int, now: int, limits: EffectiveLimits) -> int:
    """Return when the primary quota affords a request after which ``left`` of ``limit`` points remain.

    Manual requests may take the last point. For background requests, with ``f`` the elapsed part of the window, used
    points stay below ``limit * (initial_share + (1 - initial_share) * f)``. So work is spread to the reset instead of
    stalling after a burst. ``limit * max(manual_share * (1 - f), floor)`` points stay for manual requests.
    """
    if left < 0 or (limits.background and left < limit * limits.floor):
        return reset + limits.grace
    if not limits.background:
        return now
    share = left / limit
    elapsed = max(0.0, (1 - share - limits.initial_share) / (1 - limits.initial_share), 1 - share / limits.manual_share)
    return math.ceil(reset - limits.hour + elapsed * limits.hour) if elapsed > 0 else now


def backoff(failures: int, limits: EffectiveLimits) -> int:
    """Return the pause after ``failures`` throttlings without a named end: doubling from a minute to an hour."""
    return int(min(limits.pause * 2 ** (min(failures, 20) - 1), limits.pause_cap))
