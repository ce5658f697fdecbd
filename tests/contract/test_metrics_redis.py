"""Counters in a real Redis: added up over processes, completely or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from fetcher.domain.lag import ChangeKind, Lag
from fetcher.domain.outcome import Transient
from fetcher.domain.views import RecentLag
from fetcher.http.messages import Fault, NoAnswer, Request, Response
from fetcher.monitoring import MetricsRecorder, RedisCounters, read_counters, read_recent_lags, read_recent_requests
from fetcher.monitoring.definitions import TaskState
from fetcher.monitoring.recent_spending import read_recent_spending
from fetcher.monitoring.redis_store import KEY
from fetcher.refresh.sweep_planning import Spent
from fetcher.upstreams.github.limits import GITHUB, Resource, Route


def _tally(seconds: float) -> MetricsRecorder:
    tally = MetricsRecorder()
    tally.task_ended("fetcher.plan", seconds, TaskState.SUCCEEDED)
    return tally


def test_processes_add_up(redis_url: str) -> None:
    """With eight concurrent writers every count is added once, integers and seconds alike."""

    def work(number: int) -> None:
        counters = RedisCounters(lambda: Redis.from_url(redis_url))
        for _ in range(25):
            assert counters.add(_tally(0.125))
        counters.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    with Redis.from_url(redis_url) as redis:
        found = read_counters(redis)
    assert found["fetcher_tasks|fetcher.plan|succeeded|"] == 200
    assert found["fetcher_task_duration_seconds|fetcher.plan|0.25"] == 200
    assert found["fetcher_task_duration_seconds|fetcher.plan|sum"] == pytest.approx(25.0)


def test_a_gauge_is_replaced_and_not_added_to(redis_url: str) -> None:
    """Store the last announced date, whichever process saw it, while the responses add up."""
    request = Request(GITHUB, Resource.CORE, Route.CONTRIBUTORS, "https://api.test/x")
    counters = RedisCounters(lambda: Redis.from_url(redis_url))
    for sunset in ("@1836259200", "@1836259200", "Sat, 11 Mar 2028 00:00:00 GMT"):
        tally = MetricsRecorder()
        tally.responded(request, Response(200, {"sunset": sunset}, b""), None)
        assert counters.add(tally)
    counters.close()
    with Redis.from_url(redis_url) as redis:
        found = read_counters(redis)
    assert found["fetcher_sunset_timestamp_seconds|contributors|"] == 1836345600
    assert found["fetcher_deprecated_responses|contributors|"] == 3


def test_points_of_the_last_hour(redis_url: str) -> None:
    """Points, packages and seconds add up by route over processes; an older slot is not read."""
    batch = Request(GITHUB, Resource.GRAPHQL, Route.STATISTICS, "https://api.test/x", packages=90)
    counters = RedisCounters(lambda: Redis.from_url(redis_url))
    for _ in range(3):
        tally = MetricsRecorder()
        tally.responded(batch, Response(200, {}, b"", 1.5), None)
        tally.responded(batch, NoAnswer(Fault.TIMED_OUT, "x", 30.0), Transient("timed out"))
        assert counters.add(tally)
    counters.close()
    hour, now = timedelta(hours=1), datetime.now(UTC)
    with Redis.from_url(redis_url) as redis:
        assert read_recent_spending(redis, now, hour) == {(GITHUB, Route.STATISTICS): Spent(6, 270, 94.5)}
        assert read_recent_spending(redis, now + 2 * hour, hour) == {}
        assert read_recent_spending(redis, now + hour / 60, hour / 3600) == {}


def test_the_last_hour(redis_url: str) -> None:
    """Requests are counted by slot, with and without a response; other figures are none."""
    counters = RedisCounters(lambda: Redis.from_url(redis_url))
    request = Request(GITHUB, Resource.GRAPHQL, Route.STATISTICS, "https://api.test/graphql")
    for answer in (
        Response(200, {}, b""),
        Response(304, {}, b""),
        Response(404, {}, b""),
        NoAnswer(Fault.TIMED_OUT, ""),
    ):
        tally = _tally(1.0)
        tally.responded(request, answer, None)
        assert counters.add(tally)
    counters.close()

    with Redis.from_url(redis_url) as redis:
        now = datetime.now(UTC)
        hour, before = read_recent_requests(redis, now), read_recent_requests(redis, now - timedelta(hours=2))
        lives = [redis.ttl(key) for key in redis.keys("fetcher:requests:*")]
    assert len(hour) == 30
    assert hour[-1].start <= now < hour[-1].start + timedelta(minutes=4)
    assert (sum(one.answered for one in hour), sum(one.failed for one in hour)) == (2, 2)
    assert not any(one.answered or one.failed for one in before)
    assert all(0 < life <= 3720 for life in lives)


def test_a_connection_that_was_cut_is_made_again(redis_url: str) -> None:
    """Counts that could not be sent are sent later, once, and no sum ever shrinks."""
    now = [0.0]
    with Redis.from_url(redis_url) as redis:
        counters = RedisCounters(lambda: Redis.from_url(redis_url, retry=None), lambda: now[0])
        assert counters.add(_tally(1.0))
        redis.client_kill_filter(_type="normal", skipme=True)
        tally = _tally(1.0)
        if not counters.add(tally):
            now[0] += 60
            assert counters.add(tally)
        assert read_counters(redis)["fetcher_tasks|fetcher.plan|succeeded|"] == 2
        counters.close()


def test_a_redis_that_refuses_takes_nothing(redis_url: str) -> None:
    """If the key has another type, the error raises no exception, and the figures are kept."""
    with Redis.from_url(redis_url) as redis:
        redis.set(KEY, "not a hash")
        tally = _tally(1.0)
        counters = RedisCounters(lambda: Redis.from_url(redis_url))
        assert not counters.add(tally)
        assert tally.take()["fetcher_tasks|fetcher.plan|succeeded|"] == 1
        counters.close()


def test_the_lags_of_the_last_hour(redis_url: str) -> None:
    """Percentiles are the next bound of the histogram; longer lags than the largest bound are that bound."""
    counters = RedisCounters(lambda: Redis.from_url(redis_url))
    tally = MetricsRecorder()
    tally.changed([Lag(ChangeKind.PUSH, timedelta(seconds=seconds)) for seconds in (1, 100, 110, 119, 299)])
    tally.changed([Lag(ChangeKind.RELEASE, timedelta(days=90))])
    assert counters.add(tally)
    counters.close()
    now = datetime.now(UTC)
    with Redis.from_url(redis_url) as redis:
        assert read_recent_lags(redis, now) == [
            RecentLag(ChangeKind.PUSH, 5, timedelta(minutes=2), timedelta(minutes=5)),
            RecentLag(ChangeKind.RELEASE, 1, timedelta(days=7), timedelta(days=7)),
        ]
        assert read_recent_lags(redis, now + timedelta(hours=2))[0] == RecentLag(ChangeKind.PUSH, 0, None, None)
