"""Counters in a real Redis: added up over processes, as a whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from fetcher.metrics import RedisCounters, Tally, read_counters
from fetcher.metrics.declared import TaskEnd
from fetcher.metrics.keeper import KEY


def _tally(seconds: float) -> Tally:
    tally = Tally()
    tally.task_ended("fetcher.plan", seconds, TaskEnd.DONE)
    return tally


def test_processes_add_up(redis_url: str) -> None:
    """Eight writers at once: every count arrives once, integers and seconds alike."""

    def work(number: int) -> None:
        counters = RedisCounters(lambda: Redis.from_url(redis_url))
        for _ in range(25):
            assert counters.add(_tally(0.125))
        counters.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    with Redis.from_url(redis_url) as redis:
        found = read_counters(redis)
    assert found["fetcher_tasks|fetcher.plan|done|"] == 200
    assert found["fetcher_task_duration_seconds|fetcher.plan|0.25"] == 200
    assert found["fetcher_task_duration_seconds|fetcher.plan|sum"] == pytest.approx(25.0)


def test_a_connection_that_was_cut_is_made_again(redis_url: str) -> None:
    """What could not be told is told later, once, and no sum ever shrinks."""
    now = [0.0]
    with Redis.from_url(redis_url) as redis:
        counters = RedisCounters(lambda: Redis.from_url(redis_url, retry=None), lambda: now[0])
        assert counters.add(_tally(1.0))
        redis.client_kill_filter(_type="normal", skipme=True)
        tally = _tally(1.0)
        if not counters.add(tally):
            now[0] += 60
            assert counters.add(tally)
        assert read_counters(redis)["fetcher_tasks|fetcher.plan|done|"] == 2
        counters.close()


def test_a_redis_that_refuses_takes_nothing(redis_url: str) -> None:
    """The key holds something else: an error, no exception, and the figures are kept."""
    with Redis.from_url(redis_url) as redis:
        redis.set(KEY, "not a hash")
        tally = _tally(1.0)
        counters = RedisCounters(lambda: Redis.from_url(redis_url))
        assert not counters.add(tally)
        assert tally.take()["fetcher_tasks|fetcher.plan|done|"] == 1
        counters.close()
