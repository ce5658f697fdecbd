"""Requests of the last hour in slots of two minutes, for the page's chart on installations without Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from redis import Redis
from redis.client import Pipeline

from fetcher.domain.views import RequestCount
from fetcher.monitoring.buckets import BucketedCounter
from fetcher.monitoring.definitions import REQUESTS
from fetcher.monitoring.recorder import read_field

SLOT, SLOTS = timedelta(minutes=2), 30
_REQUESTS: Final = BucketedCounter("fetcher:requests", SLOT, kept=(SLOTS + 1) * SLOT)
_ANSWERED, _FAILED = "answered", "failed"
_GOOD = ("2", "3")
"""First digits of statuses that count as success. Transport errors are recorded by name."""


def add_recent_requests(pipe: Pipeline, amounts: Mapping[str, float], now: float) -> None:
    """Count the requests among ``amounts``, fields of a tally, in the slot of ``now``."""
    counts: Counter[str] = Counter()
    for field, amount in amounts.items():
        if found := read_field(REQUESTS, field):
            (_, _, status), _ = found
            counts[_ANSWERED if status.startswith(_GOOD) else _FAILED] += round(amount)
    _REQUESTS.add(pipe, counts, now)


def read_recent_requests(client: Redis, now: datetime) -> list[RequestCount]:
    """Return the last hour's slots, oldest first; raise ``RedisError`` if Redis does not respond."""
    return [
        RequestCount(bucket.start, bucket.counts.get(_ANSWERED, 0), bucket.counts.get(_FAILED, 0))
        for bucket in _REQUESTS.read(client, SLOTS, now.timestamp())
    ]
