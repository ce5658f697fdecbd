"""The stored form of an account: one line of JSON with the fields' names, so that operators can read it in Redis.

Increase ``FORMAT`` whenever a stored field is renamed or changes its meaning.
"""

from __future__ import annotations

import json
from typing import Any, Final

from fetcher.quota.account import Account, Meter, ReservationMs, Step

FORMAT: Final = 2
"""Version of the stored form. It is part of every key, so a worker never reads an account of another version."""

_ACCOUNT: Final = (
    "clock",
    "recovery_until",
    "paused_until",
    "pause_cause",
    "pause_reason",
    "failures",
    "throttled_at",
    "manual_until",
)
_METER: Final = (
    "remaining",
    "reset_at",
    "limit",
    "reset_reported",
    "paused_until",
    "pause_cause",
    "pause_reason",
    "latency_ms",
)


def encode(account: Account, epoch: str) -> str:
    """Return an account and its ledger's epoch as JSON."""
    value: dict[str, Any] = {name: getattr(account, name) for name in _ACCOUNT}
    value["epoch"] = epoch
    value["meters"] = {name: _meter(meter) for name, meter in account.meters.items()}
    value["reservations"] = {
        key: (each.resource, each.points, each.ms, each.at) for key, each in account.reservations.items()
    }
    return json.dumps(value, separators=(",", ":"))


def decode(text: str) -> tuple[Account, str]:
    """Return the account and the epoch of ``encode``'s text."""
    value = json.loads(text)
    epoch, meters, reservations = value.pop("epoch"), value.pop("meters"), value.pop("reservations")
    account = Account(**value)
    for name, meter in meters.items():
        log, hourly = ([Step(*step) for step in meter.pop(each, ())] for each in ("log", "hourly"))
        account.meters[name] = Meter(**meter, log=log, hourly=hourly)
    account.reservations = {key: ReservationMs(*each) for key, each in reservations.items()}
    return account, epoch


def _meter(meter: Meter) -> dict[str, Any]:
    value: dict[str, Any] = {name: getattr(meter, name) for name in _METER}
    value["log"] = meter.log
    if meter.hourly:
        value["hourly"] = meter.hourly
    return value
