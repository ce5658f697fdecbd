"""Throughput of each queue: messages published and finished per minute, and the time each was sent.

Workers and beat count in Redis, one hash a minute; readers add up the last few. A failed count never fails a task: a
minute without Redis counts too few messages.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from celery.signals import after_task_publish, before_task_publish, task_postrun, task_revoked
from redis import Redis
from redis.exceptions import RedisError

from fetcher.broker import redis_client
from fetcher.domain.errors import FetcherError
from fetcher.monitoring.buckets import BucketedCounter
from fetcher.settings import read_settings

SENT_AT = "sent_at"
"""Message header with the time of sending, in seconds since 1970."""

PUBLISHED, FINISHED = "published", "finished"
MINUTES = 5
"""Full minutes over which rates are averaged, in addition to the current one."""

_MINUTE = timedelta(minutes=1)
_COUNTER = BucketedCounter("fetcher:throughput", _MINUTE, kept=2 * MINUTES * _MINUTE)


@dataclass(frozen=True, slots=True)
class Rates:
    """Messages per second that were published to a queue, and that were finished or expired."""

    published: float
    finished: float


def rates(client: Redis, queues: Sequence[str], now: float) -> Mapping[str, Rates]:
    """Return the rates of ``queues`` at ``now``; the current minute counts for the time elapsed in it."""
    minutes = _COUNTER.read(client, MINUTES + 1, now)
    seconds = now - minutes[0].start.timestamp()

    def rate(queue: str, event: str) -> float:
        return sum(minute.counts.get(_name(queue, event), 0) for minute in minutes) / seconds

    return {queue: Rates(rate(queue, PUBLISHED), rate(queue, FINISHED)) for queue in queues}


def count(client: Redis, queue: str, event: str, now: float) -> None:
    """Count one message of ``queue`` as ``PUBLISHED`` or ``FINISHED``."""
    with client.pipeline(transaction=False) as pipe:
        _COUNTER.add(pipe, {_name(queue, event): 1}, now)
        pipe.execute()


@before_task_publish.connect
def _stamp_sending_time(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers[SENT_AT] = time.time()


@after_task_publish.connect
def _count_published(routing_key: str | None = None, **_: Any) -> None:
    _count(routing_key, PUBLISHED)


@task_postrun.connect
def _count_finished(task: Any = None, **_: Any) -> None:
    _count((task.request.delivery_info or {}).get("routing_key"), FINISHED)


@task_revoked.connect
def _count_expired(request: Any = None, **_: Any) -> None:
    """Count an expired message as finished."""
    _count((request.delivery_info or {}).get("routing_key"), FINISHED)


def _count(queue: str | None, event: str) -> None:
    if queue is None:
        return
    try:
        count(_client(), queue, event, time.time())
    except (RedisError, OSError, FetcherError):
        return


@cache
def _client() -> Redis:
    """Return this process's client; a forked process opens its own connections."""
    return redis_client(read_settings())


def _name(queue: str, event: str) -> str:
    return f"{queue}:{event}"
