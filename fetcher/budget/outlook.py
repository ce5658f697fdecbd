"""What an account has to give: an estimate for planning, and a standing for people."""

from __future__ import annotations

from fetcher.budget.account import Account, Meter
from fetcher.budget.reserving import expected
from fetcher.budget.rules import Limits, Terms, from_ms, identity_of, terms
from fetcher.model import Purpose
from fetcher.ports import Standing
from fetcher.wire import Resource


def capacity(account: Account, terms: Terms, points: int, ms: int, horizon: int, now: int) -> int:
    """How many such requests could be granted within ``horizon``: an estimate, at least one unless paused beyond it."""
    now = account.advance(terms, now)
    meter = account.meter(terms, now)
    end = now + horizon
    start = max(now, account.paused, meter.paused)
    if terms.barred or start > end:
        return 0
    windows = 1 + (end - start) / terms.span
    took = max(1, expected(account, terms, ms, now))
    rooms = [
        terms.points * windows - sum(step.points for step in meter.log),
        terms.in_flight * (1 + (end - start) / took) - len(account.holds),
    ]
    if terms.own_ms:
        rooms.append((terms.own_ms * windows - sum(step.ms for step in meter.log)) / took)
    if terms.all_ms:
        spent = sum(step.ms for each in account.meters.values() for step in each.log)
        rooms.append((terms.all_ms * windows - spent) / took)
    if terms.primary:
        rooms.append(_affordable(account, meter, terms, end) / max(1, points))
    return max(1, int(min(rooms)))


def _affordable(account: Account, meter: Meter, terms: Terms, end: int) -> float:
    """Points of the primary quota that may be spent until ``end``, in this window and in those that follow."""
    limit = meter.limit or terms.primary
    held = sum(hold.points for hold in account.holds.values() if hold.resource == terms.resource)
    left = meter.remaining - held
    if end < meter.reset + terms.grace:
        return left - limit * _kept(terms, 1 - (meter.reset - end) / terms.hour)
    later = (end - meter.reset - terms.grace) / terms.hour
    whole, part = int(later), later - int(later)
    fresh = limit * (whole * (1 - _kept(terms, 1)) + 1 - _kept(terms, part))
    return max(0.0, left - limit * _kept(terms, 1)) + fresh


def _kept(terms: Terms, elapsed: float) -> float:
    """The share that must still be there when a part of the window has elapsed; the inverse of ``affordable_at``."""
    if not terms.background:
        return 0.0
    line = terms.burst + (1 - terms.burst) * min(max(elapsed, 0.0), 1.0)
    return max(1 - line, terms.reserved * (1 - min(max(elapsed, 0.0), 1.0)), terms.floor)


def standings(account: Account, name: str, limits: Limits, now: int) -> list[Standing]:
    """Where each resource of the account called ``name`` stands."""
    identity = identity_of(name)
    found = []
    for resource in sorted(map(Resource, account.meters)):
        now = account.advance(terms(limits, resource, Purpose.MANUAL, identity), now)
        meter = account.meters[resource]
        until, why = max((account.paused, account.why), (meter.paused, meter.why))
        paused, known = until > now, meter.limit > 0
        found.append(
            Standing(
                identity=identity,
                resource=resource,
                limit=meter.limit if known else None,
                remaining=meter.remaining if known else None,
                reset_at=from_ms(meter.reset) if meter.told else None,
                paused_until=from_ms(until) if paused else None,
                pause_reason=why if paused else None,
                in_flight=sum(1 for hold in account.holds.values() if hold.resource == resource),
            )
        )
    return found
