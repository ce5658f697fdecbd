"""Points spent in the last hour by route, with packages and response seconds, for the planning of intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from redis import Redis
from redis.client import Pipeline

from fetcher.monitoring.buckets import BucketedCounter
from fetcher.monitoring.definitions import POINTS, REQUEST_SECONDS, REQUESTED_PACKAGES
from fetcher.monitoring.recorder import SUM, read_field
from fetcher.refresh.sweep_planning import Route, Spent

SLOT, SLOTS = timedelta(seconds=20), 180
_SPENT: Final = BucketedCounter("fetcher:spent", SLOT, kept=(SLOTS + 1) * SLOT)
_POINTS, _PACKAGES, _MS = "points", "packages", "ms"


def add_recent_spending(pipe: Pipeline, amounts: Mapping[str, float], now: float) -> None:
    """Count points, packages and milliseconds among ``amounts``, fields of a tally, in the slot of ``now``."""
    counts: Counter[str] = Counter()
    for field, amount in amounts.items():
        if found := read_field(POINTS, field):
            (upstream, route), _ = found
            counts[f"{upstream}|{route}|{_POINTS}"] += round(amount)
        elif found := read_field(REQUESTED_PACKAGES, field):
            (upstream, route), _ = found
            counts[f"{upstream}|{route}|{_PACKAGES}"] += round(amount)
        elif (found := read_field(REQUEST_SECONDS, field)) and found[1] == SUM:
            (upstream, route, _), _ = found
            counts[f"{upstream}|{route}|{_MS}"] += round(1000 * amount)
    _SPENT.add(pipe, counts, now)


def read_recent_spending(client: Redis, now: datetime, span: timedelta) -> dict[Route, Spent]:
    """Return the points spent in the last ``span``, an hour at most; raise ``RedisError`` if Redis does not respond."""
    slots = min(max(round(span / SLOT), 1), SLOTS)
    counts: Counter[str] = Counter()
    for bucket in _SPENT.read(client, slots, now.timestamp()):
        counts.update(bucket.counts)
    routes = {(upstream, route) for upstream, route, _ in (name.split("|") for name in counts)}
    return {(upstream, route): _spent(counts, f"{upstream}|{route}") for upstream, route in routes}


def _spent(counts: Mapping[str, int], name: str) -> Spent:
    return Spent(
        counts.get(f"{name}|{_POINTS}", 0),
        counts.get(f"{name}|{_PACKAGES}", 0),
        counts.get(f"{name}|{_MS}", 0) / 1000,
    )
