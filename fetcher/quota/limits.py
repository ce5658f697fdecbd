"""An upstream's quota policy, and the limits of one kind of request under it: arithmetic, no state, no I/O.

The documented numbers are beside each upstream (``fetcher.upstreams``). The ledger counts times and durations in whole
milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeAlias

from fetcher.domain.model import Purpose

ANONYMOUS: Final = "anonymous"
"""Prefix of identities without a credential."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_TICKS: Final = 120
"""Steps of a sliding window, and of a rolling hour. More steps free room earlier and take more memory; a step leaves
the window as one."""
_FOREIGN_CLOCK: Final = 10
"""Divisor of the primary window. A reset that lies more than this part of the window before its request was sent comes
from a clock that disagrees with ours, and only its figures are used."""
_UNSCALED: Final = frozenset({"skew", "outage_retry", "longest_pause"})
"""Limits that belong to our machines, not to the upstream's windows; ``QuotaPolicy.scaled`` leaves them as they are."""


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """The documented limits of one quota bucket of an upstream; 0 means no such limit."""

    name: str
    points: int
    """Points in ``QuotaPolicy.window``. A request costs one."""
    primary: int = 0
    """Points in ``QuotaPolicy.hour``, until a response reports the quota."""
    anonymous_primary: int = 0
    """The same without a credential."""
    rolling: int = 0
    """Points in any ``QuotaPolicy.hour``, wherever it begins, where no response reports the rest."""
    seconds: float = 0.0
    """Response seconds in ``QuotaPolicy.window``."""
    credential_required: bool = False
    in_flight: int = 0
    """Concurrent requests of this resource, if the upstream counts it apart: then response seconds, pauses and requests
    in flight are its own. 0: it shares those of the policy."""


@dataclass(frozen=True, slots=True)
class QuotaPolicy:
    """The limits of one upstream, as documented, and the pace that Fetcher keeps below them."""

    resources: tuple[ResourceLimits, ...]
    hour: timedelta = timedelta(hours=1)
    """Window of the primary quota."""
    window: timedelta = timedelta(seconds=60)
    """Window of the secondary limits: points, and response seconds."""
    in_flight: int = 10
    """Concurrent requests, all resources together that are not counted apart."""
    seconds: float = 0.0
    """Response seconds in ``window``, of the same resources; 0 means no such limit."""
    latency_decay: int = 10
    """Percent by which the latency estimate decays with each response. Where response seconds are limited, an estimate
    that is too high is safer. Elsewhere a slow decay would let one timeout reduce the plans of the next few hundred
    requests.
    """

    manual_share: float = 0.10
    """Share of the primary quota kept for manual requests; it shrinks linearly to ``floor`` at the reset. A rolling
    quota has no reset, and always keeps the full share."""
    floor: float = 0.01
    """Share that background requests never take. It covers repeats by the transport, which are settled afterwards."""
    initial_share: float = 0.10
    """Share that may be spent as soon as a window opens; the rest is spread evenly over the window."""
    headroom: float = 0.95
    """Share of points and of concurrency for manual requests. Other programs may use the same identity."""
    background: float = 0.90
    """The same share for background requests. It is lower, so that a manual request always finds a free slot."""
    seconds_headroom: float = 0.99
    """Share of the response seconds for manual requests. Measured seconds include the network and are too high."""
    background_seconds: float = 0.95
    """The same share for background requests."""
    burst_window: timedelta = timedelta(seconds=10)
    """Window of the background's burst limit on response seconds."""
    burst_share: float = 1 / 3
    """Share of a window's response seconds that the background may use in ``burst_window``. Without this limit it could
    use the full window at once: manual requests would wait for the next, and latencies would be learnt too late."""

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

    def scaled(self, factor: float) -> QuotaPolicy:
        """Return the same policy in compressed time: with 1/60 an hour lasts a minute, as do windows and pauses."""
        scaled: dict[str, Any] = {
            field.name: getattr(self, field.name) * factor
            for field in fields(self)
            if isinstance(getattr(self, field.name), timedelta) and field.name not in _UNSCALED
        }
        resources = tuple(replace(one, seconds=one.seconds * factor) for one in self.resources)
        return replace(self, **scaled, resources=resources, seconds=self.seconds * factor)

    def resource(self, name: str) -> ResourceLimits:
        """Return the limits of a resource."""
        return next(one for one in self.resources if one.name == name)

    def together(self, name: str) -> frozenset[str]:
        """Return the resources that share requests in flight, response seconds and pauses with this one."""
        if self.resource(name).in_flight:
            return frozenset({name})
        return frozenset(one.name for one in self.resources if not one.in_flight)

    @property
    def rolling(self) -> frozenset[str]:
        """The resources with a rolling quota."""
        return frozenset(one.name for one in self.resources if one.rolling)

    def has(self, name: str) -> bool:
        """Return whether the upstream has this resource."""
        return any(one.name == name for one in self.resources)


Policies: TypeAlias = Mapping[str, QuotaPolicy]
"""The policy of each upstream, by its name."""


@dataclass(frozen=True, slots=True)
class EffectiveLimits:
    """The limits of one kind of request, in whole numbers and milliseconds; 0 means no such limit."""

    resource: str
    together: frozenset[str]
    """The resources that share requests in flight and response seconds."""
    apart: bool
    """The resource shares them with no other, and its pauses are its own."""
    background: bool
    forbidden: bool
    """The identity cannot use the resource at all: GraphQL without a credential."""
    primary: int
    hour: int
    initial_share: float
    manual_share: float
    floor: float
    rolling: int
    """Points in any ``hour``."""
    rolling_resources: frozenset[str]
    """All resources of the upstream with a rolling quota."""
    hourly_tick: int
    """Length of a step of the rolling hour."""
    hourly_age: int
    """Age at which a step of the rolling hour no longer counts."""
    points: int
    """Requests in ``window``."""
    window: int
    tick: int
    """Length of a step of the sliding window."""
    in_flight: int
    resource_ms: int
    """Response time of the resource in ``window``."""
    total_ms: int
    """Response time of all resources that are counted together in ``window``."""
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


@lru_cache(maxsize=256)
def effective_limits(policy: QuotaPolicy, resource: str, purpose: Purpose, identity: str) -> EffectiveLimits:
    """Return the limits of requests by ``identity`` to ``resource`` for ``purpose``."""
    anonymous = identity.startswith(ANONYMOUS)
    background = purpose is Purpose.BACKGROUND
    share, time_share = policy.headroom, policy.seconds_headroom
    if background:
        share, time_share = policy.background, policy.background_seconds
    documented = policy.resource(resource)
    apart, hourly_tick = documented.in_flight > 0, max(1, span_ms(policy.hour) // _TICKS)
    own, total = documented.seconds * time_share, 0.0 if apart else policy.seconds * time_share
    return EffectiveLimits(
        resource=resource,
        together=policy.together(resource),
        apart=apart,
        background=background,
        forbidden=anonymous and documented.credential_required,
        primary=documented.anonymous_primary if anonymous else documented.primary,
        initial_share=policy.initial_share,
        manual_share=policy.manual_share,
        floor=policy.floor,
        rolling=_part(documented.rolling, 1 - policy.manual_share if background else 1) if documented.rolling else 0,
        rolling_resources=policy.rolling,
        hourly_tick=hourly_tick,
        hourly_age=span_ms(policy.hour + policy.grace) + hourly_tick,
        points=_part(documented.points, share),
        window=span_ms(policy.window),
        tick=max(1, span_ms(policy.window) // _TICKS),
        in_flight=_part(documented.in_flight or policy.in_flight, share),
        resource_ms=int(own * 1000),
        total_ms=int(total * 1000),
        burst_ms=int(total * 1000 * policy.burst_share) if background else 0,
        max_latency_ms=int((own or total) * 1000 / 4),
        latency_decay=policy.latency_decay,
        foreign_clock=span_ms(policy.hour) // _FOREIGN_CLOCK,
        **{name: span_ms(getattr(policy, name)) for name in _DURATIONS},
    )


_DURATIONS: Final = (
    "hour",
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
"""Fields of ``QuotaPolicy`` that ``EffectiveLimits`` repeats in milliseconds."""


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
