"""Estimates from an account: capacity for planning, and the quota status for display."""

from __future__ import annotations

from fetcher.domain.model import Purpose
from fetcher.quota.account import Account, Meter, identity_of, upstream_of
from fetcher.quota.base import PauseCause, QuotaStatus
from fetcher.quota.limits import EffectiveLimits, Policies, effective_limits, from_ms
from fetcher.quota.reserve import expected_ms
from fetcher.quota.rolling import spendable, used


def capacity(account: Account, limits: EffectiveLimits, points: int, ms: int, horizon: int, now: int) -> int:
    """Estimate how many such requests can be reserved within ``horizon``: at least one, unless paused for longer."""
    now = account.advance(limits, now)
    meter = account.meter(limits, now)
    end = now + horizon
    start = max(now, 0 if limits.apart else account.paused_until, meter.paused_until)
    if limits.forbidden or start > end:
        return 0
    windows = 1 + (end - start) / limits.window
    latency = max(1, expected_ms(account, limits, ms, now))
    bounds = [
        limits.points * windows - sum(step.points for step in meter.log),
        limits.in_flight * (1 + (end - start) / latency) - len(account.pending(limits)),
    ]
    if limits.resource_ms:
        bounds.append((limits.resource_ms * windows - sum(step.ms for step in meter.log)) / latency)
    if limits.total_ms:
        spent = sum(ms for _, ms in account.spent(limits))
        bounds.append((limits.total_ms * windows - spent) / latency)
    if limits.primary:
        bounds.append(_affordable(account, meter, limits, end) / max(1, points))
    if limits.rolling:
        bounds.append(spendable(account, limits, now, end) / max(1, points))
    return max(1, int(min(bounds)))


def _affordable(account: Account, meter: Meter, limits: EffectiveLimits, end: int) -> float:
    """Return the primary points that may be spent until ``end``, in this window and the following."""
    limit = meter.limit or limits.primary
    reserved = sum(each.points for each in account.reservations.values() if each.resource == limits.resource)
    left = meter.remaining - reserved
    if end < meter.reset_at + limits.grace:
        return left - limit * _kept(limits, 1 - (meter.reset_at - end) / limits.hour)
    later = (end - meter.reset_at - limits.grace) / limits.hour
    full, part = int(later), later - int(later)
    renewed = limit * (full * (1 - _kept(limits, 1)) + 1 - _kept(limits, part))
    return max(0.0, left - limit * _kept(limits, 1)) + renewed


def _kept(limits: EffectiveLimits, elapsed: float) -> float:
    """Return the share that must remain after part ``elapsed`` of the window; the inverse of ``affordable_at``."""
    if not limits.background:
        return 0.0
    elapsed = min(max(elapsed, 0.0), 1.0)
    line = limits.initial_share + (1 - limits.initial_share) * elapsed
    return max(1 - line, limits.manual_share * (1 - elapsed), limits.floor)


def quota_status(account: Account, name: str, policies: Policies, now: int) -> list[QuotaStatus]:
    """Return the status of each resource of the account called ``name``; none for an upstream no longer configured."""
    identity, upstream = identity_of(name), upstream_of(name)
    policy = policies.get(upstream)
    if policy is None:
        return []
    found = []
    for resource in sorted(filter(policy.has, account.meters)):
        limits = effective_limits(policy, resource, Purpose.MANUAL, identity)
        now = account.advance(limits, now)
        meter = account.meters[resource]
        limit, remaining = _known_quota(account, meter, limits, now)
        later = account if account.paused_until >= meter.paused_until and not limits.apart else meter
        paused = later.paused_until > now
        found.append(
            QuotaStatus(
                identity=identity,
                upstream=upstream,
                resource=resource,
                limit=limit,
                remaining=remaining,
                reset_at=from_ms(meter.reset_at) if meter.reset_reported else None,
                paused_until=from_ms(later.paused_until) if paused else None,
                pause_reason=later.pause_reason if paused else None,
                in_flight=sum(1 for each in account.reservations.values() if each.resource == resource),
                pause_cause=PauseCause(later.pause_cause) if paused else None,
            )
        )
    return found


def _known_quota(account: Account, meter: Meter, limits: EffectiveLimits, now: int) -> tuple[int | None, int | None]:
    """Return limit and rest of the quota: counted if it rolls, otherwise as reported; ``None`` before that."""
    if limits.rolling:
        return limits.rolling, max(0, limits.rolling - used(account, limits, now))
    return (meter.limit, meter.remaining) if meter.limit else (None, None)
