"""The rules of settling: what a response changes in the ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fetcher.quota.account import Account, Meter, note, note_points
from fetcher.quota.base import Usage
from fetcher.quota.limits import EffectiveLimits, QuotaPolicy, backoff, seconds_ms, span_ms, to_ms

_REASON_LENGTH = 200
"""Characters of a pause's reason that are stored."""


@dataclass(frozen=True, slots=True)
class UsageMs:
    """A ``Usage`` in the ledger's numbers; times and durations in ms."""

    points: int
    requests: int
    ms: int
    limit: int = -1
    """-1: the response reported no quota."""
    remaining: int = 0
    reset_at: int = 0
    pause: str = ""
    """"": no pause; "after": for ``wait``; "reset": until ``wait``; "backoff": exponential back-off."""
    wait: int = 0
    cause: str = ""
    reason: str = ""


def usage_ms(usage: Usage, resource: str, policy: QuotaPolicy) -> UsageMs:
    """Convert a ``Usage``. A 304 costs no primary point, but counts as a request of the minute."""
    entry = UsageMs(usage.points, max(1, usage.attempts), seconds_ms(usage.seconds))
    quota, pause = usage.quota, usage.pause
    if quota is not None and quota.resource in ("", resource):
        entry = replace(entry, limit=quota.limit, remaining=quota.remaining, reset_at=to_ms(quota.reset_at))
    if pause is None:
        return entry
    entry = replace(entry, cause=pause.cause.value, reason=pause.reason[:_REASON_LENGTH] or "throttled")
    if pause.retry_after is not None:
        wait = max(policy.recheck, min(pause.retry_after, policy.longest_pause)) + policy.grace
        return replace(entry, pause="after", wait=span_ms(wait))
    if pause.reset_at is not None:
        return replace(entry, pause="reset", wait=to_ms(pause.reset_at))
    return replace(entry, pause="backoff")


def settle(account: Account, limits: EffectiveLimits, key: str, sent: int, usage: UsageMs, now: int) -> None:
    """Replace the reservation ``key`` by its usage.

    Usage without a reservation (it expired, or the ledger was lost) is counted too: counting too much is safe.
    """
    now = account.advance(limits, now)
    meter = account.meter(limits, now)
    reservation = account.reservations.pop(key, None)
    sent = min(sent, now) if reservation is None else reservation.at
    note(meter, limits, now, usage.requests, usage.ms)
    if limits.rolling:
        note_points(meter, limits, now, usage.points * usage.requests)
    meter.latency_ms = max(usage.ms, meter.latency_ms * (100 - limits.latency_decay) // 100)
    if limits.primary and usage.limit > 0:
        _read_quota(meter, limits, sent, usage, now)
    else:
        meter.remaining = max(0, meter.remaining - usage.points)
    if usage.pause:
        _pause(account, meter, limits, sent, usage, now)
    elif not limits.apart and sent > account.throttled_at and (usage.limit >= 0 or usage.points > 0):
        account.failures = 0


def _read_quota(meter: Meter, limits: EffectiveLimits, sent: int, usage: UsageMs, now: int) -> None:
    """Store the reported quota: the lower of two figures of one window, and the later of two windows.

    Responses arrive out of order and resets jitter. A reset long before the request was sent, or over an hour away,
    comes from a clock that disagrees with ours. Then the figure is used and a window of our own is assumed.
    """
    reset, remaining = usage.reset_at, usage.remaining
    if reset < sent - limits.foreign_clock or reset > now + limits.hour + limits.jitter:
        if meter.reset_reported or not meter.limit:
            meter.reset_at = now + limits.hour
        meter.reset_reported = False
    elif reset + limits.grace <= now:
        return
    elif meter.reset_reported and usage.limit == meter.limit and reset <= meter.reset_at + limits.jitter:
        remaining, meter.reset_at = min(remaining, meter.remaining), max(reset, meter.reset_at)
    else:
        meter.reset_at, meter.reset_reported = reset, True
    meter.limit, meter.remaining = usage.limit, remaining


def _pause(account: Account, meter: Meter, limits: EffectiveLimits, sent: int, usage: UsageMs, now: int) -> None:
    """Pause for ``retry-after``, until an exhausted quota's reset, or by back-off ("Exceeding the rate limit").

    Requests in flight together are throttled together. Only a request sent after the last throttling lengthens the
    back-off. A resource that is counted apart pauses alone, and for the same time after each throttling.
    """
    if usage.pause == "reset" and now < usage.wait <= now + limits.hour + limits.jitter:
        meter.remaining, meter.reset_at, meter.reset_reported = 0, usage.wait, True
        meter.paused_until = max(meter.paused_until, usage.wait + limits.grace)
        meter.pause_cause, meter.pause_reason = usage.cause, usage.reason
        return
    if limits.apart:
        wait = usage.wait if usage.pause == "after" else limits.pause
        if now + wait > meter.paused_until:
            meter.paused_until, meter.pause_cause, meter.pause_reason = now + wait, usage.cause, usage.reason
        return
    wait = usage.wait
    if usage.pause != "after":
        if sent > account.throttled_at or not account.failures:
            account.failures += 1
        wait = backoff(account.failures, limits)
    account.throttled_at = now
    if now + wait > account.paused_until:
        account.paused_until = now + wait
        account.pause_cause, account.pause_reason = usage.cause, usage.reason
