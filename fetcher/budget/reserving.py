"""Whether one more request may go, and if not, from when on and why. ``ledger.lua`` says the same in Lua."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fetcher.budget.account import Account, Hold
from fetcher.budget.rules import Terms, affordable_at

BARRED = "GraphQL needs a credential"
LOST = "the ledger was lost: one request at a time for a minute"
UNKNOWN = "quota unknown: one request at a time until an answer tells it"
PERSON_FIRST = "a person's request goes first"
PRIMARY = "primary quota"
POINTS = "points a minute"
IN_FLIGHT = "requests in flight"
OWN_SECONDS = "response seconds a minute of this resource"
ALL_SECONDS = "response seconds a minute"
GUST = "response seconds at once"

CROWDED = frozenset({LOST, UNKNOWN, PERSON_FIRST, POINTS, IN_FLIGHT, OWN_SECONDS, ALL_SECONDS, GUST})
"""Reasons that pass as answers come in."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not before ``until``, in ms."""

    until: int
    reason: str


def reserve(account: Account, terms: Terms, key: str, points: int, ms: int, now: int) -> Refusal | int:
    """Hold one request under ``key`` and return the ledger's time, or say what is in the way the longest."""
    now = account.advance(terms, now)
    ms = expected(account, terms, ms, now)
    told = list(_told_to_wait(account, terms, points, now))
    crowded = list(_no_room(account, terms, ms, now))
    refusals = [refusal for refusal in (*told, *crowded) if refusal.until > now]
    if refusals:
        worst = max(refusals, key=lambda refusal: refusal.until)
        if not terms.background and not told:
            account.wish = worst.until + 2 * terms.soon
        return worst
    if not terms.background:
        account.wish = 0
    account.holds[key] = Hold(terms.resource, points, ms, now)
    return now


def expected(account: Account, terms: Terms, ms: int, now: int) -> int:
    """How long an answer is taken to take: what the asker says, or the slowest of late if that is more."""
    slow = max(ms, account.meter(terms, now).slow)
    return min(slow, terms.most_ms) if terms.most_ms else slow


def _told_to_wait(account: Account, terms: Terms, points: int, now: int) -> Iterable[Refusal]:
    """What an upstream, the pace or a lack of knowledge puts in the way."""
    meter = account.meter(terms, now)
    if terms.barred:
        yield Refusal(now + terms.hour, BARRED)
    if account.paused > now:
        yield Refusal(account.paused, account.why)
    if meter.paused > now:
        yield Refusal(meter.paused, meter.why)
    if terms.background and account.wish > now:
        yield Refusal(account.wish, PERSON_FIRST)
    if terms.primary:
        held = sum(hold.points for hold in account.holds.values() if hold.resource == terms.resource)
        left = meter.remaining - held - points
        until = affordable_at(left, meter.limit or terms.primary, meter.reset, now, terms)
        if until > now:
            yield Refusal(until, PRIMARY)


def _no_room(account: Account, terms: Terms, ms: int, now: int) -> Iterable[Refusal]:
    """What passes when answers come in or leave the sliding window."""
    meter, soon = account.meter(terms, now), now + terms.soon
    holds = account.holds.values()
    own = [hold for hold in holds if hold.resource == terms.resource]
    if account.quiet > now and _young(holds, terms, now):
        yield Refusal(soon, LOST)
    if terms.primary and not meter.limit and _young(own, terms, now):
        yield Refusal(soon, UNKNOWN)
    if len(holds) >= terms.in_flight:
        yield Refusal(soon, IN_FLIGHT)
    over = sum(step.points for step in meter.log) + len(own) + 1 - terms.points
    if over > 0:
        points = ((step.at, step.points) for step in meter.log)
        yield Refusal(_freed_at(points, over, terms.tick + terms.span, soon), POINTS)
    if terms.all_ms:
        yield from _no_time(account, terms, ms, now)


def _no_time(account: Account, terms: Terms, ms: int, now: int) -> Iterable[Refusal]:
    """What the answers of the last minute and those still out leave of the response seconds."""
    soon, stay = now + terms.soon, terms.tick + terms.span
    if terms.own_ms:
        own = [(step.at, step.ms) for step in account.meter(terms, now).log]
        holds = [hold for hold in account.holds.values() if hold.resource == terms.resource]
        over = sum(spent for _, spent in own) + _pending(holds, terms, now) + ms - terms.own_ms
        if over > 0:
            yield Refusal(_freed_at(own, over, stay, soon), OWN_SECONDS)
    every = sorted((step.at, step.ms) for each in account.meters.values() for step in each.log)
    pending = _pending(account.holds.values(), terms, now) + ms
    over = sum(spent for _, spent in every) + pending - terms.all_ms
    if over > 0:
        yield Refusal(_freed_at(every, over, stay, soon), ALL_SECONDS)
    if terms.gust_ms:
        late = [(at, spent) for at, spent in every if at + terms.tick + terms.gust > now]
        over = sum(spent for _, spent in late) + pending - terms.gust_ms
        if over > 0:
            yield Refusal(_freed_at(late, over, terms.tick + terms.gust, soon), GUST)


def _young(holds: Iterable[Hold], terms: Terms, now: int) -> bool:
    return any(hold.at + terms.patience > now for hold in holds)


def _pending(holds: Iterable[Hold], terms: Terms, now: int) -> int:
    """What the answers still out may take: as expected, or as long again as they have been out already."""
    return sum(max(hold.ms, min(2 * (now - hold.at), terms.most_ms)) for hold in holds)


def _freed_at(spent: Iterable[tuple[int, int]], over: int, stay: int, soon: int) -> int:
    """When so much of what was spent, oldest first, has left a window; ``soon`` if only answers can make room."""
    for at, amount in spent:
        over -= amount
        if over <= 0:
            return at + stay
    return soon
