"""Recovery of a lost ledger from the account that a process saw last. Pure."""

from __future__ import annotations

from fetcher.quota.account import Account, Meter
from fetcher.quota.base import PauseCause
from fetcher.quota.limits import EffectiveLimits
from fetcher.quota.reserve import PRIMARY
from fetcher.quota.rolling import restore


def recover(account: Account, lost: Account, seen_at: int, limits: EffectiveLimits, now: int) -> None:
    """Restore into a new ledger's ``account`` the pauses, exhausted quotas and rolling hours of ``lost``.

    Other usage of the last window is unknown, so one request at a time is sent for a window. The pauses are void if a
    clock was set back since. Each resource is assumed to have its own full quota: ``limits`` are of one resource, which
    may have none.
    """
    account.recovery_until = max(account.recovery_until, seen_at + limits.window)
    if now <= seen_at - limits.skew:
        return
    if lost.paused_until > now:
        _restore(account, lost.paused_until, lost.pause_cause, lost.pause_reason)
    for name, known in lost.meters.items():
        exhausted_until = known.reset_at + limits.grace if known.reset_reported and known.remaining < 1 else 0
        assumed = Meter(remaining=known.limit or known.remaining, reset_at=now + limits.hour)
        meter = account.meters.setdefault(name, assumed)
        restore(meter, known)
        if known.paused_until > now:
            _restore(meter, known.paused_until, known.pause_cause, known.pause_reason)
        if exhausted_until > now:
            _restore(meter, exhausted_until, PauseCause.QUOTA.value, PRIMARY)


def _restore(paused: Account | Meter, until: int, cause: str, reason: str) -> None:
    """Set a pause unless the present one ends later."""
    if until > paused.paused_until:
        paused.paused_until, paused.pause_cause, paused.pause_reason = until, cause, reason
