"""Requests of the last hour in slots of two minutes, for the page's chart on installations without Prometheus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from fetcher.domain.views import RequestCount
from fetcher.monitoring.definitions import REQUESTS
from fetcher.monitoring.recorder import read_field

SLOT, SLOTS = timedelta(minutes=2), 30
_KEPT: Final = (SLOTS + 1) * SLOT
_ANSWERED, _FAILED = "answered", "failed"
_GOOD = ("2", "3")
"""First digits of statuses that count as success. Transport errors are recorded by name."""


def add_lately(pipe: Pipeline, amounts: Mapping[str, float], now: float) -> None:
    """Count the requests among ``amounts``, fields of a tally, in the slot of ``now``."""
    counts: dict[str, int] = defaultdict(int)
    for field, amount in amounts.items():
        if found := read_field(REQUESTS, field):
            (_, _, status), _ = found
            counts[_ANSWERED if status.startswith(_GOOD) else _FAILED] += round(amount)
    if not counts:
        return
    key = _key(int(now // SLOT.total_seconds()))
    for name, count in counts.items():
        pipe.hincrby(key, name, count)
    pipe.expire(key, _KEPT)


def read_recent_requests(client: Redis, now: datetime) -> list[RequestCount]:
    """Return the last hour's slots, oldest first; raise ``RedisError`` if Redis does not respond."""
    last = int(now.timestamp() // SLOT.total_seconds())
    slots = range(last - SLOTS + 1, last + 1)
    with client.pipeline(transaction=False) as pipe:
        for slot in slots:
            pipe.hmget(_key(slot), (_ANSWERED, _FAILED))
        stored = pipe.execute()
    if len(stored) != SLOTS:
        raise RedisError("the response lacks some slots")
    return [
        RequestCount(datetime.fromtimestamp(slot * SLOT.total_seconds(), UTC), int(answered or 0), int(failed or 0))
        for slot, (answered, failed) in zip(slots, stored, strict=True)
    ]


def _key(slot: int) -> str:
    return f"fetcher:requests:{slot}"
