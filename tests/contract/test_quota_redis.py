"""What only the shared ledger can show: exact counts under contention, lost data, outages, likeness to memory."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from redis.asyncio import Redis

from fetcher.quota import Limits, MemoryQuota, PauseCause, QuotaRequest, Reservation
from fetcher.quota.redis import PREFIX, RedisQuota
from tests.unit.quota.builders import (
    GRAPHQL,
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
from tests.unit.quota.histories import Event, Settle, histories, ms

FIVE_PLACES = replace(Limits(), in_flight=5, headroom=1.0, background=1.0)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


# --- contention ---------------------------------------------------------------------------------------------------


async def test_a_hundred_tasks_find_exactly_five_places(redis: Redis, redis_url: str) -> None:
    """A hundred tasks on ten connections ask at once where five may: exactly five are granted."""
    await report_quota(RedisQuota(redis, FIVE_PLACES), 5_000)
    clients = [Redis.from_url(redis_url) for _ in range(10)]
    quotas = [RedisQuota(client, FIVE_PLACES) for client in clients]
    found = await asyncio.gather(*(quotas[i % 10].reserve(manual(), at(1)) for i in range(100)))
    assert sum(isinstance(found, Reservation) for found in found) == 5
    await asyncio.gather(*(client.aclose() for client in clients))


def _grants_of_one_process(url: str, start: Any, found: Any) -> None:
    async def ask() -> int:
        async with Redis.from_url(url) as client:
            quota = RedisQuota(client, FIVE_PLACES)
            start.wait()
            found = await asyncio.gather(*(quota.reserve(manual(), at(1)) for _ in range(25)))
            return sum(isinstance(found, Reservation) for found in found)

    found.put(asyncio.run(ask()))


async def test_four_processes_find_exactly_five_places(redis: Redis, redis_url: str) -> None:
    """A hundred requests of four processes that start together: exactly five are granted in all."""
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


# --- likeness -----------------------------------------------------------------------------------------------------


def test_lua_and_python_say_the_same(redis_url: str) -> None:
    """Whatever is reserved, settled and waited for, both keepers give the same verdicts, estimates and standings."""
    with asyncio.Runner() as runner:
        client = Redis.from_url(redis_url)

        @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
        @given(histories())
        def same(history: list[Event]) -> None:
            runner.run(_both(client, history))

        same()
        runner.run(client.aclose())


async def _both(client: Redis, history: list[Event]) -> None:
    await client.flushall()
    memory, redis = MemoryQuota(Limits()), RedisQuota(client, Limits())
    reservations: list[tuple[Reservation, Reservation]] = []
    now = at(0)
    for step in history:
        match step:
            case int():
                now += ms(step)
            case QuotaRequest():
                one, other = await memory.reserve(step, now), await redis.reserve(step, now)
                if isinstance(one, Reservation) and isinstance(other, Reservation):
                    assert one.at == other.at
                    reservations.append((one, other))
                else:
                    assert one == other, (one, other)
            case Settle():
                if reservations:
                    first, second = reservations.pop(step.which % len(reservations))
                    await memory.settle(first, step.usage(), now)
                    await redis.settle(second, step.usage(), now)
    assert await memory.quota_status(now) == await redis.quota_status(now)
    for request in (background(), manual(GRAPHQL)):
        horizon = timedelta(minutes=3)
        assert await memory.capacity(request, horizon, now) == await redis.capacity(request, horizon, now)


# --- lost data ----------------------------------------------------------------------------------------------------


async def test_a_lost_ledger_starts_with_one_request_at_a_time(redis: Redis) -> None:
    """After FLUSHALL a worker that remembers the old ledger keeps everybody to one request at a time for a minute."""
    quota, newcomer = RedisQuota(redis, Limits()), RedisQuota(redis, Limits())
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
    """Told to wait, a worker waits even when the ledger has forgotten it."""
    quota = RedisQuota(redis, Limits())
    await report_quota(quota, 4_000)
    rejected = pause(retry_after=60, cause=PauseCause.REJECTED)
    await quota.settle(await reserve(quota, manual(), 1), usage(pause=rejected), at(1))
    await redis.flushall()
    assert (await refusal(quota, manual(), 30)).until == at(63)
    assert [status.pause_cause for status in await quota.quota_status(at(30))] == [PauseCause.REJECTED]
    await reserve(quota, manual(), 63)


async def test_an_exhausted_quota_survives_the_loss_of_redis_data(redis: Redis) -> None:
    """Told that nothing is left until the reset, a worker does not probe when the ledger has forgotten it."""
    quota = RedisQuota(redis, Limits())
    await report_quota(quota, 0)
    await refusal(quota, manual(), 1)
    await redis.flushall()
    assert (await refusal(quota, manual(), 30)).until == at(HOUR + 2)


async def test_a_flushed_script_cache_is_no_fault(redis: Redis) -> None:
    """NOSCRIPT, as after a restart, loads the script anew."""
    quota = RedisQuota(redis, Limits())
    await report_quota(quota, 4_000)
    await redis.script_flush()
    await reserve(quota, manual(), 1)


# --- outages ------------------------------------------------------------------------------------------------------


class _Cut:
    """A proxy before Redis that can be cut or made silent, as a network can."""

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


async def test_without_redis_everybody_waits_and_bills_are_owed(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """While Redis is away nothing is granted; what was told meanwhile counts as soon as it is back."""
    async with _Cut(redis_url) as line, Redis.from_url(line.url) as client:
        quota = RedisQuota(client, Limits())
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


async def test_a_silent_redis_is_not_waited_for(unused_port_server: str) -> None:
    """A server that accepts and never answers costs the patience set, then the answer is to wait."""
    async with Redis.from_url(unused_port_server) as client:
        quota = RedisQuota(client, Limits(), timeout=timedelta(milliseconds=50))
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


async def test_a_full_redis_grants_nothing(redis: Redis) -> None:
    """Out of memory with noeviction, the ledger cannot write what it grants, and so grants nothing."""
    quota = RedisQuota(redis, Limits())
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
    """Each key has a time to live, an account's keys share a hash tag, and a busy hour leaves a few kilobytes."""
    quota = RedisQuota(redis, Limits())
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
    """A client with ``decode_responses`` serves as well."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        quota = RedisQuota(client, Limits())
        await report_quota(quota, 4_000)
        assert (await quota.quota_status(at(1)))[0].remaining == 4_000
