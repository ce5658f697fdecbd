"""Lags of the last hour in slots of two minutes, for the page and the API on installations without Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from redis import Redis
from redis.client import Pipeline

from fetcher.domain.lag import ChangeKind
from fetcher.domain.views import RecentLag
from fetcher.monitoring.buckets import BucketedCounter
from fetcher.monitoring.definitions import CHANGE_LAG
from fetcher.monitoring.recent_requests import SLOT, SLOTS
from fetcher.monitoring.recorder import INFINITE, SUM, bound_name, read_field

_LAGS: Final = BucketedCounter("fetcher:lags", SLOT, kept=(SLOTS + 1) * SLOT)
_BOUNDS = [*(bound_name(CHANGE_LAG, place) for place in range(len(CHANGE_LAG.bounds))), INFINITE]


def add_recent_lags(pipe: Pipeline, amounts: Mapping[str, float], now: float) -> None:
    """Count the lags among ``amounts``, fields of a tally, in the slot of ``now``."""
    counts: Counter[str] = Counter()
    for field, amount in amounts.items():
        found = read_field(CHANGE_LAG, field)
        if found is not None and found[1] != SUM:
            (kind,), bound = found
            counts[f"{kind}|{bound}"] += round(amount)
    _LAGS.add(pipe, counts, now)


def read_recent_lags(client: Redis, now: datetime) -> list[RecentLag]:
    """Return the last hour's lags of each kind; raise ``RedisError`` if Redis does not respond."""
    counts: Counter[str] = Counter()
    for bucket in _LAGS.read(client, SLOTS, now.timestamp()):
        counts.update(bucket.counts)
    return [_lag(kind, [counts[f"{kind}|{bound}"] for bound in _BOUNDS]) for kind in ChangeKind]


def _lag(kind: ChangeKind, buckets: list[int]) -> RecentLag:
    return RecentLag(kind, sum(buckets), _quantile(buckets, 0.5), _quantile(buckets, 0.95))


def _quantile(buckets: list[int], share: float) -> timedelta | None:
    """Return the bound below which ``share`` of the lags are; the largest bound for longer ones."""
    rest = share * sum(buckets)
    if not rest:
        return None
    for place, count in enumerate(buckets):
        rest -= count
        if rest <= 1e-9:
            return timedelta(seconds=CHANGE_LAG.bounds[min(place, len(CHANGE_LAG.bounds) - 1)])
    return timedelta(seconds=CHANGE_LAG.bounds[-1])
