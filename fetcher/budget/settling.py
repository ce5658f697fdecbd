"""What an answer teaches the ledger. ``ledger.lua`` says the same in Lua."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fetcher.budget.account import Account, Meter, note
from fetcher.budget.rules import Limits, Terms, backoff, seconds_ms, span_ms, to_ms
from fetcher.ports import Bill
from fetcher.wire import Resource

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Charge:
    """A ``Bill`` in the ledger's numbers; times and spans in ms."""

    points: int
    requests: int
    ms: int
    limit: int = -1
    """-1: the answer told no quota."""
    remaining: int = 0
    reset: int = 0
    throttled: str = ""
    """"": not at all; "after": for ``wait``; "reset": until ``wait``; "on": until further notice."""
    wait: int = 0
    why: str = ""


def charge(bill: Bill, resource: Resource, limits: Limits) -> Charge:
    """A 304 is free of the primary quota but is a request all the same: the minute counts requests, not points."""
    entry = Charge(bill.points, max(1, bill.attempts), seconds_ms(bill.seconds))
    quota, throttled = bill.quota, bill.throttled
    if quota is not None and quota.resource in ("", resource):
        entry = replace(entry, limit=quota.limit, remaining=quota.remaining, reset=to_ms(quota.reset_at))
    if throttled is None:
        return entry
    why = throttled.reason[:_LONGEST_REASON] or "throttled"
    if throttled.retry_after is not None:
        wait = max(limits.soon, min(throttled.retry_after, limits.longest_pause)) + limits.grace
        return replace(entry, throttled="after", wait=span_ms(wait), why=why)
    if throttled.reset_at is not None:
        return replace(entry, throttled="reset", wait=to_ms(throttled.reset_at), why=why)
    return replace(entry, throttled="on", why=why)


def settle(account: Account, terms: Terms, key: str, sent: int, charge: Charge, now: int) -> None:
    """Replace what was held by what it came to.

    A grant that is no longer held (it expired, or the ledger was lost) is counted all the same: in doubt more is
    counted than less.
    """
    now = account.advance(terms, now)
    meter = account.meter(terms, now)
    hold = account.holds.pop(key, None)
    sent = min(sent, now) if hold is None else hold.at
    note(meter, terms, now, charge.requests, charge.ms)
    meter.slow = max(charge.ms, meter.slow * (100 - terms.fade) // 100)
    if terms.primary and charge.limit > 0:
        _read_quota(meter, terms, sent, charge, now)
    else:
        meter.remaining = max(0, meter.remaining - charge.points)
    if charge.throttled:
        _pause(account, meter, terms, sent, charge, now)
    elif sent > account.throttled and (charge.limit >= 0 or charge.points > 0):
        account.failures = 0


def _read_quota(meter: Meter, terms: Terms, sent: int, charge: Charge, now: int) -> None:
    """Believe the lower of two figures of one window, and the later of two windows.

    Answers come out of order and resets jitter. A reset that no clock like ours would tell (long past when the
    request was sent, or over an hour away) leaves the figure but not the time: we presume a window of our own.
    """
    reset, remaining = charge.reset, charge.remaining
    if reset < sent - terms.other_clock or reset > now + terms.hour + terms.jitter:
        if meter.told or not meter.limit:
            meter.reset = now + terms.hour
        meter.told = False
    elif reset + terms.grace <= now:
        return
    elif meter.told and charge.limit == meter.limit and reset <= meter.reset + terms.jitter:
        remaining, meter.reset = min(remaining, meter.remaining), max(reset, meter.reset)
    else:
        meter.reset, meter.told = reset, True
    meter.limit, meter.remaining = charge.limit, remaining


def _pause(account: Account, meter: Meter, terms: Terms, sent: int, charge: Charge, now: int) -> None:
    """Obey ``retry-after``, else an exhausted quota's reset, else pause longer each time ("Exceeding the rate limit").

    Several requests in flight are told off together: only one that was sent after the last telling-off makes the
    next pause longer.
    """
    if charge.throttled == "reset" and now < charge.wait <= now + terms.hour + terms.jitter:
        meter.remaining, meter.reset, meter.told = 0, charge.wait, True
        meter.paused, meter.why = max(meter.paused, charge.wait + terms.grace), charge.why
        return
    wait = charge.wait
    if charge.throttled != "after":
        if sent > account.throttled or not account.failures:
            account.failures += 1
        wait = backoff(account.failures, terms)
    account.throttled = now
    if now + wait > account.paused:
        account.paused, account.why = now + wait, charge.why
