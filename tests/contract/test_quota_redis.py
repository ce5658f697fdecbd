"""Properties of the shared ledger alone: exact counts under contention, lost data, outages, stored keys."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from redis.asyncio import Redis

from fetcher.quota import PauseCause, Reservation, RetryAt
from fetcher.quota.redis import PREFIX, RedisQuota
from fetcher.upstreams.github.limits import GITHUB
from tests.harness.policies import POLICIES
from tests.unit.quota.builders import (
    HOUR,
    at,
    background,
    manual,
    pause,
    refusal,
    report_quota,
    reserve,
    reserve_all,
    usage,
)

FIVE_PLACES = {**POLICIES, GITHUB: replace(POLICIES[GITHUB], in_flight=5, headroom=1.0, background=1.0)}


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


# --- contention ---------------------------------------------------------------------------------------------------


async def test_a_hundred_tasks_find_exactly_five_places(redis: Redis, redis_url: str) -> None:
    """Grant exactly five of a hundred tasks on ten connections that reserve at once."""
    await report_quota(RedisQuota(redis, FIVE_PLACES), 5_000)
    clients = [Redis.from_url(redis_url) for _ in range(10)]
    quotas = [RedisQuota(client, FIVE_PLACES) for client in clients]
    found = await asyncio.gather(*(quotas[i % 10].reserve(manual(), at(1)) for i in range(100)))
    assert sum(isinstance(found, Reservation) for found in found) == 5
    await asyncio.gather(*(client.aclose() for client in clients))


def _grants_of_one_process(url: str, start: Any, found: Any) -> None:
    async def take_all() -> int:
        async with Redis.from_url(url) as client:
            quota = RedisQuota(client, FIVE_PLACES)
            start.wait()
            found = await asyncio.gather(*(quota.reserve(manual(), at(1)) for _ in range(25)))
            return sum(isinstance(found, Reservation) for found in found)

    found.put(asyncio.run(take_all()))


async def test_four_processes_find_exactly_five_places(redis: Redis, redis_url: str) -> None:
    """Grant exactly five of a hundred requests by four processes that start together."""
    await report_quota(RedisQuota(redis, FIVE_PLACES), 5_000)
    context = multiprocessing.get_context("spawn")
    start, found = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_grants_of_one_process, args=(redis_url, start, found)) for _ in range(4)]
    for process in processes:
        process.start()
    counts = [await asyncio.to_thread(found.get, timeout=60) for _ in processes]
    for process in processes:
        await asyncio.to_thread(process.join)
    assert sum(counts) == 5


def _reserve_in_thread(url: str, start: Barrier) -> bool:
    async def one() -> bool:
        async with Redis.from_url(url) as client:
            await client.ping()
            start.wait()
            return isinstance(await RedisQuota(client, FIVE_PLACES).reserve(manual(), at(1)), Reservation)

    return asyncio.run(one())


async def test_a_hundred_threads_find_exactly_five_places(redis: Redis, redis_url: str) -> None:
    """Reserve exactly five requests of a hundred threads, each with an event loop and a connection of its own."""
    await report_quota(RedisQuota(redis, FIVE_PLACES), 5_000)
    start = Barrier(100)
    with ThreadPoolExecutor(100) as threads:
        calls = [threads.submit(_reserve_in_thread, redis_url, start) for _ in range(100)]
        found = [await asyncio.wrap_future(call) for call in calls]
    assert sum(found) == 5


async def test_too_many_conflicts_refuse_the_request(redis: Redis, redis_url: str) -> None:
    """Refuse a request whose commits conflict too often; the ledger holds the granted reservations only."""
    await report_quota(RedisQuota(redis, POLICIES), 5_000)
    clients = [Redis.from_url(redis_url) for _ in range(20)]
    await asyncio.gather(*(client.ping() for client in clients))
    quotas = [RedisQuota(client, POLICIES, attempts=1) for client in clients]
    found = await asyncio.gather(*(quota.reserve(manual(), at(1)) for quota in quotas))
    reserved = sum(isinstance(each, Reservation) for each in found)
    reasons = {each.reason for each in found if isinstance(each, RetryAt)}
    assert reasons == {"the quota ledger does not answer (TooManyConflicts)"}
    assert 1 <= reserved == (await RedisQuota(redis, POLICIES).quota_status(at(1)))[0].in_flight
    await asyncio.gather(*(client.aclose() for client in clients))


async def test_calls_that_wait_for_each_other_are_committed_together(redis: Redis) -> None:
    """Commit the calls of one process that arrive during a commit as one value, and give each its own result."""
    quota = RedisQuota(redis, FIVE_PLACES)
    await report_quota(quota, 5_000)
    commits = quota.commits
    found = await asyncio.gather(*(quota.reserve(manual(), at(1)) for _ in range(50)))
    assert sum(isinstance(each, Reservation) for each in found) == 5
    assert quota.commits - commits <= 2


async def test_a_cancelled_call_does_not_hold_up_the_others(redis: Redis) -> None:
    """Drop a call that is cancelled while it waits, and commit the others."""
    quota = RedisQuota(redis, FIVE_PLACES)
    await report_quota(quota, 5_000)
    calls = [asyncio.create_task(quota.reserve(manual(), at(1))) for _ in range(4)]
    await asyncio.sleep(0)
    calls[2].cancel()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(each, Reservation) for each in found] == [True, True, False, True]


# --- lost data ----------------------------------------------------------------------------------------------------


async def test_a_lost_ledger_starts_with_one_request_at_a_time(redis: Redis) -> None:
    """Limit every worker to one request at a time for a minute, once one of them knows of a lost ledger."""
    quota, newcomer = RedisQuota(redis, POLICIES), RedisQuota(redis, POLICIES)
    await report_quota(quota, 4_000)
    reservations = await reserve_all(quota, manual(), 1, most=20)
    await redis.flushall()
    probe = await reserve(newcomer, manual(), 2)
    await quota.settle(reservations[0], usage(3_999), at(2))
    assert "lost" in (await refusal(newcomer, manual(), 3)).reason
    await newcomer.settle(probe, usage(3_998), at(4))
    assert len(await reserve_all(newcomer, manual(), 5)) == 1
    assert len(await reserve_all(newcomer, manual(), 63)) > 10


async def test_a_pause_survives_the_loss_of_redis_data(redis: Redis) -> None:
    """Keep a pause and its cause when Redis has lost the ledger."""
    quota = RedisQuota(redis, POLICIES)
    await report_quota(quota, 4_000)
    rejected = pause(retry_after=60, cause=PauseCause.REJECTED)
    await quota.settle(await reserve(quota, manual(), 1), usage(pause=rejected), at(1))
    await redis.flushall()
    assert (await refusal(quota, manual(), 30)).until == at(63)
    assert [status.pause_cause for status in await quota.quota_status(at(30))] == [PauseCause.REJECTED]
    await reserve(quota, manual(), 63)


async def test_an_exhausted_quota_survives_the_loss_of_redis_data(redis: Redis) -> None:
    """Send no probe when Redis has lost the ledger of an exhausted quota."""
    quota = RedisQuota(redis, POLICIES)
    await report_quota(quota, 0)
    await refusal(quota, manual(), 1)
    await redis.flushall()
    assert (await refusal(quota, manual(), 30)).until == at(HOUR + 2)


async def test_a_flushed_script_cache_is_reloaded(redis: Redis) -> None:
    """Load the script again after NOSCRIPT, as after a restart."""
    quota = RedisQuota(redis, POLICIES)
    await report_quota(quota, 4_000)
    await redis.script_flush()
    await reserve(quota, manual(), 1)


# --- outages ------------------------------------------------------------------------------------------------------


class _Cut:
    """A proxy in front of Redis that can be cut or made silent, as a network can."""

    def __init__(self, target: str) -> None:
        self.host, self.port = target.split("//")[1].split("/", maxsplit=1)[0].split(":")
        self.up = True
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> _Cut:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        self.cut()
        await self.server.wait_closed()

    def cut(self) -> None:
        self.up = False
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.up:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(self.host, int(self.port))
        self.writers += [writer, far_writer]
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()


async def test_without_redis_requests_are_refused_and_usages_kept(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Refuse every request while Redis is unavailable, and settle the usages once it is back."""
    async with _Cut(redis_url) as line, Redis.from_url(line.url) as client:
        quota = RedisQuota(client, POLICIES)
        await report_quota(quota, 4_000)
        each = await reserve(quota, manual(), 1)
        line.cut()
        with caplog.at_level(logging.WARNING):
            refused = await refusal(quota, background(), 2)
            await quota.settle(each, usage(pause=pause(retry_after=600)), at(2))
        assert (refused.until, refused.reason) == (at(4), "the quota ledger does not answer (ConnectionError)")
        assert "1 usages to settle later" in caplog.text
        assert await quota.capacity(background(), timedelta(minutes=1), at(2)) == 0
        assert await quota.quota_status(at(2)) == []
        line.up = True
        assert (await refusal(quota, background(), 10)).until == at(10 + 602)
        assert (await quota.quota_status(at(10)))[0].in_flight == 0


async def test_a_silent_redis_times_out(unused_port_server: str) -> None:
    """Refuse a request after the timeout when a server accepts connections and never responds."""
    async with Redis.from_url(unused_port_server) as client:
        quota = RedisQuota(client, POLICIES, timeout=timedelta(milliseconds=50))
        assert "does not answer" in (await refusal(quota, manual(), 0)).reason


@pytest.fixture
async def unused_port_server() -> AsyncIterator[str]:
    release = asyncio.Event()

    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    release.set()
    server.close()
    await server.wait_closed()


async def test_a_full_redis_refuses_every_request(redis: Redis) -> None:
    """Refuse every request when Redis is out of memory with noeviction."""
    quota = RedisQuota(redis, POLICIES)
    await report_quota(quota, 4_000)
    await redis.config_set("maxmemory", "1")
    try:
        refused = await refusal(quota, manual(), 1)
    finally:
        await redis.config_set("maxmemory", "0")
    assert "does not answer (OutOfMemoryError)" in refused.reason
    await reserve(quota, manual(), 2)


# --- what is stored -----------------------------------------------------------------------------------------------


async def test_every_key_ends_and_none_grows(redis: Redis) -> None:
    """Store two keys that expire, a few kilobytes each after a busy hour."""
    quota = RedisQuota(redis, POLICIES)
    await report_quota(quota, 5_000)
    for second in range(1, 900):
        each = await reserve(quota, manual(), second)
        await quota.settle(each, usage(5_000 - second), at(second))
    keys = sorted([key async for key in redis.scan_iter()])
    assert keys == [f"{PREFIX}accounts".encode(), f"{PREFIX}{{octo}}:github".encode()]
    for key in keys:
        assert 0 < await redis.pttl(key) <= 3 * 3_600_000
    assert (await redis.memory_usage(keys[1]) or 0) < 8_192


async def test_the_client_may_decode(redis_url: str) -> None:
    """Work with a client that has ``decode_responses``."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        quota = RedisQuota(client, POLICIES)
        await report_quota(quota, 4_000)
        assert (await quota.quota_status(at(1)))[0].remaining == 4_000
