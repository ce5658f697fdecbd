"""The rules of a reservation: whether one more request may be sent, and if not, when and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fetcher.quota.account import Account, ReservationMs
from fetcher.quota.limits import EffectiveLimits, affordable_at
from fetcher.quota.rolling import free_at

FORBIDDEN = "the upstream requires a credential for it"
RECOVERY = "the ledger was lost: one request at a time for a while"
UNKNOWN = "quota unknown: one request at a time until a response reports it"
MANUAL_FIRST = "a manual request has precedence"
PRIMARY = "primary quota"
POINTS = "points a minute"
IN_FLIGHT = "requests in flight"
RESOURCE_SECONDS = "response seconds a minute of this resource"
TOTAL_SECONDS = "response seconds a minute"
BURST = "response seconds at once"

CONTENTION = frozenset(
    {RECOVERY, UNKNOWN, MANUAL_FIRST, POINTS, IN_FLIGHT, RESOURCE_SECONDS, TOTAL_SECONDS, BURST},
)
"""Reasons that other requests cause and their responses remove."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused reservation: no request before ``until``, in ms."""

    until: int
    reason: str


def reserve(account: Account, limits: EffectiveLimits, key: str, points: int, ms: int, now: int) -> Refusal | int:
    """Add a reservation under ``key`` and return the ledger's time, or return the longest-lasting refusal."""
    now = account.advance(limits, now)
    ms = expected_ms(account, limits, ms, now)
    firm = list(_imposed(account, limits, points, now))
    contended = list(_contended(account, limits, ms, now))
    refusals = [refusal for refusal in (*firm, *contended) if refusal.until > now]
    if refusals:
        longest = max(refusals, key=lambda refusal: refusal.until)
        if not limits.background and not firm:
            account.manual_until = longest.until + 2 * limits.recheck
        return longest
    if not limits.background:
        account.manual_until = 0
    account.reservations[key] = ReservationMs(limits.resource, points, ms, now)
    return now


def expected_ms(account: Account, limits: EffectiveLimits, ms: int, now: int) -> int:
    """Return the expected response time: the caller's estimate or the latency estimate, whichever is longer."""
    longest = max(ms, account.meter(limits, now).latency_ms)
    return min(longest, limits.max_latency_ms) if limits.max_latency_ms else longest


def _imposed(account: Account, limits: EffectiveLimits, points: int, now: int) -> Iterable[Refusal]:
    """Yield the refusals by pauses, by the primary quota and by the precedence of manual requests."""
    meter = account.meter(limits, now)
    if limits.forbidden:
        yield Refusal(now + limits.hour, FORBIDDEN)
    if account.paused_until > now and not limits.apart:
        yield Refusal(account.paused_until, account.pause_reason)
    if meter.paused_until > now:
        yield Refusal(meter.paused_until, meter.pause_reason)
    if limits.background and account.manual_until > now:
        yield Refusal(account.manual_until, MANUAL_FIRST)
    if limits.primary:
        reserved = sum(each.points for each in account.reservations.values() if each.resource == limits.resource)
        left = meter.remaining - reserved - points
        until = affordable_at(left, meter.limit or limits.primary, meter.reset_at, now, limits)
        if until > now:
            yield Refusal(until, PRIMARY)
    if limits.rolling and (until := free_at(account, limits, points, now)) > now:
        yield Refusal(until, PRIMARY)


def _contended(account: Account, limits: EffectiveLimits, ms: int, now: int) -> Iterable[Refusal]:
    """Yield the refusals that end as responses arrive or usage leaves the sliding window."""
    meter, soon = account.meter(limits, now), now + limits.recheck
    every = account.pending(limits)
    own = [each for each in every if each.resource == limits.resource]
    if account.recovery_until > now and _any_young(every, limits, now):
        yield Refusal(soon, RECOVERY)
    if limits.primary and not meter.limit and _any_young(own, limits, now):
        yield Refusal(soon, UNKNOWN)
    if len(every) >= limits.in_flight:
        yield Refusal(soon, IN_FLIGHT)
    over = sum(step.points for step in meter.log) + len(own) + 1 - limits.points
    if over > 0:
        points = ((step.at, step.points) for step in meter.log)
        yield Refusal(_freed_at(points, over, limits.tick + limits.window, soon), POINTS)
    if limits.total_ms:
        yield from _out_of_seconds(account, limits, ms, now)


def _out_of_seconds(account: Account, limits: EffectiveLimits, ms: int, now: int) -> Iterable[Refusal]:
    """Yield the refusals by response seconds: those of the last minute and those expected of pending requests."""
    soon, age = now + limits.recheck, limits.tick + limits.window
    if limits.resource_ms:
        own = [(step.at, step.ms) for step in account.meter(limits, now).log]
        reservations = [each for each in account.reservations.values() if each.resource == limits.resource]
        over = sum(spent for _, spent in own) + _pending_ms(reservations, limits, now) + ms - limits.resource_ms
        if over > 0:
            yield Refusal(_freed_at(own, over, age, soon), RESOURCE_SECONDS)
    every = sorted(account.spent(limits))
    pending = _pending_ms(account.pending(limits), limits, now) + ms
    over = sum(spent for _, spent in every) + pending - limits.total_ms
    if over > 0:
        yield Refusal(_freed_at(every, over, age, soon), TOTAL_SECONDS)
    if limits.burst_ms:
        burst_age = limits.tick + limits.burst_window
        recent = [(at, spent) for at, spent in every if at + burst_age > now]
        over = sum(spent for _, spent in recent) + pending - limits.burst_ms
        if over > 0:
            yield Refusal(_freed_at(recent, over, burst_age, soon), BURST)


def _any_young(reservations: Iterable[ReservationMs], limits: EffectiveLimits, now: int) -> bool:
    """Return whether a response is still awaited, that is, not overdue by ``probe_timeout``."""
    return any(each.at + limits.probe_timeout > now for each in reservations)


def _pending_ms(reservations: Iterable[ReservationMs], limits: EffectiveLimits, now: int) -> int:
    """Return the response time expected of pending requests: the estimate, or twice the time already waited."""
    return sum(max(each.ms, min(2 * (now - each.at), limits.max_latency_ms)) for each in reservations)


def _freed_at(spent: Iterable[tuple[int, int]], over: int, age: int, soon: int) -> int:
    """Return when ``over`` of the usage ``spent``, oldest first, has left a window of length ``age``.

    Return ``soon`` if only pending responses can free the rest.
    """
    for at, amount in spent:
        over -= amount
        if over <= 0:
            return at + age
    return soon
