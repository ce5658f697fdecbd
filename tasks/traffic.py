"""What passes through each queue: when a message was sent, and how many came and went in each minute.

A worker or a beat counts in Redis, a hash a minute; whoever asks adds up the last few. Counting never costs a task:
where Redis does not answer, a minute is short of some.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from celery.signals import after_task_publish, before_task_publish, task_postrun, task_revoked
from redis import Redis
from redis.exceptions import RedisError

from fetcher.broker import redis_client
from fetcher.domain.errors import FetcherError
from fetcher.settings import read_settings

SENT_AT = "sent_at"
"""A message's header: when it was sent, in seconds since 1970."""

CAME, WENT = "came", "went"
MINUTES = 5
"""Rates are those of the last so many whole minutes and of the one that runs."""

_MINUTE = 60
_KEPT = 2 * MINUTES * _MINUTE


@dataclass(frozen=True, slots=True)
class Rates:
    """Messages a second that came into a queue, and that were finished or dropped."""

    came: float
    went: float


def rates(client: Redis, queues: Sequence[str], now: float) -> Mapping[str, Rates]:
    """The rates of ``queues`` at ``now``; the minute that has just begun counts for as long as it has lasted."""
    this = int(now // _MINUTE)
    pipe = client.pipeline(transaction=False)
    for minute in range(this - MINUTES, this + 1):
        pipe.hgetall(_key(minute))
    minutes: list[dict[bytes, bytes]] = pipe.execute()
    seconds = MINUTES * _MINUTE + now % _MINUTE

    def rate(queue: str, way: str) -> float:
        field = _field(queue, way).encode()
        return sum(int(minute.get(field, 0)) for minute in minutes) / seconds

    return {queue: Rates(rate(queue, CAME), rate(queue, WENT)) for queue in queues}


def count(client: Redis, queue: str, way: str, now: float) -> None:
    """One more message that came into ``queue`` or went out of it."""
    key = _key(int(now // _MINUTE))
    pipe = client.pipeline(transaction=False)
    pipe.hincrby(key, _field(queue, way), 1)
    pipe.expire(key, _KEPT)
    pipe.execute()


@before_task_publish.connect
def _stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers[SENT_AT] = time.time()


@after_task_publish.connect
def _came(routing_key: str | None = None, **_: Any) -> None:
    _count(routing_key, CAME)


@task_postrun.connect
def _went(task: Any = None, **_: Any) -> None:
    _count((task.request.delivery_info or {}).get("routing_key"), WENT)


@task_revoked.connect
def _dropped(request: Any = None, **_: Any) -> None:
    """Not taken in time: it expired."""
    _count((request.delivery_info or {}).get("routing_key"), WENT)


def _count(queue: str | None, way: str) -> None:
    if queue is None:
        return
    try:
        count(_client(), queue, way, time.time())
    except (RedisError, OSError, FetcherError):
        return


@cache
def _client() -> Redis:
    """One a process; a forked one opens connections of its own."""
    return redis_client(read_settings())


def _key(minute: int) -> str:
    return f"fetcher:traffic:{minute}"


def _field(queue: str, way: str) -> str:
    return f"{queue}:{way}"
