"""A quota of any hour, which no response reports: the ledger counts its own requests. Pure.

The upstream counts a request when it arrives, which is after its reservation and before its settlement. The ledger
counts it from the reservation until an hour after the settlement. It therefore never counts less than the upstream,
wherever the hour begins.
"""

from __future__ import annotations

from collections.abc import Iterable

from fetcher.quota.account import Account, Meter, Step
from fetcher.quota.limits import EffectiveLimits


def free_at(account: Account, limits: EffectiveLimits, points: int, now: int) -> int:
    """Return when so many points can be spent, ``now`` if at once, as far as the settled requests show it."""
    over = used(account, limits, now) + points - limits.rolling
    if over <= 0:
        return now
    for step in account.meter(limits, now).hourly:
        over -= step.points
        if over <= 0:
            return step.at + limits.hourly_age
    return now + limits.recheck


def used(account: Account, limits: EffectiveLimits, at: int) -> int:
    """Return the points that are reserved now, or were spent in the hour before ``at``."""
    reserved = sum(each.points for each in account.reservations.values() if each.resource == limits.resource)
    return reserved + sum(step.points for step in account.meter(limits, at).hourly if step.at + limits.hourly_age > at)


def spendable(account: Account, limits: EffectiveLimits, now: int, end: int) -> int:
    """Estimate the points that may be spent from ``now`` to ``end``."""
    hours = (end - now) // limits.hourly_age
    return limits.rolling * (1 + hours) - used(account, limits, end)


def merged(one: Iterable[Step], other: Iterable[Step]) -> list[Step]:
    """Return the union of two logs. Of two states of the same step the later has more points."""
    found: dict[int, Step] = {}
    for step in (*one, *other):
        known = found.get(step.at)
        found[step.at] = step if known is None or step.points > known.points else known
    return [found[at] for at in sorted(found)]


def restore(meter: Meter, lost: Meter) -> None:
    """Add the usage that a lost ledger's meter knew."""
    meter.hourly = merged(meter.hourly, lost.hourly)
