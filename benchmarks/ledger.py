"""The quota ledger under contention: worker processes that reserve and settle against one Redis.

``python -m benchmarks.ledger`` prints a table. The limits are out of reach, so nothing is refused: only the ledger is
measured. The sliding windows are full, as after a busy minute. ``--exact`` counts the reservations of 100 threads where
five are allowed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from queue import Queue
from statistics import quantiles
from typing import Any, Final

from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from benchmarks.processes import own_cpu
from fetcher.domain.model import Purpose, ReportedQuota
from fetcher.quota import QuotaRequest, Reservation, Usage
from fetcher.quota.redis import RedisQuota
from fetcher.upstreams.github.limits import GITHUB, Resource
from tests.harness.policies import POLICIES
from tests.harness.redis_server import running_redis

SECONDS: Final = 3.0
"""Length of a round. A longer one measures more requests and is disturbed as often by other work."""
ROUNDS: Final = 3
"""Rounds of each load; the table shows all of them together."""
FULL_WINDOW: Final = 125
"""Half-seconds of usage before a round: a full sliding window has 120 steps."""
FIVE: Final = {**POLICIES, GITHUB: replace(POLICIES[GITHUB], in_flight=5, headroom=1.0, background=1.0)}
THREADS: Final = 100
UNLIMITED: Final = {
    **POLICIES,
    GITHUB: replace(
        POLICIES[GITHUB],
        resources=tuple(
            replace(one, points=10**9, primary=10**9, seconds=10**7 if one.seconds else 0.0)
            for one in POLICIES[GITHUB].resources
        ),
        in_flight=10**6,
        seconds=10**7,
    ),
}


@dataclass(frozen=True)
class Load:
    """Worker processes, the requests in flight in each, and the seconds of a response and between requests."""

    name: str
    processes: int
    in_flight: int
    response: float = 0.0
    pause: float = 0.0


LOADS: Final = (
    Load("2 processes, 5 requests a second each", 2, 1, 0.1, 0.1),
    Load("8 processes, 5 requests a second each", 8, 1, 0.1, 0.1),
    Load("8 processes, 20 in flight each, responses of 300 ms", 8, 20, 0.3),
    Load("8 processes, 1 in flight each, no responses to wait for", 8, 1),
    Load("8 processes, 20 in flight each, no responses to wait for", 8, 20),
)


@dataclass
class Measured:
    """The measurements of one process: seconds of each call, CPU seconds, and the number of conflicts."""

    reserve: list[float] = field(default_factory=list)
    settle: list[float] = field(default_factory=list)
    commits: int = 0
    conflicts: int = 0
    cpu: float = 0.0


def main() -> None:
    """Print the table, or the exact count."""
    with running_redis() as address:
        if "--exact" in sys.argv:
            print(f"{exact_count(address)} of {THREADS} threads have a reservation where five are allowed")
            return
        columns = ("reservations/s", "reserve p50", "p95", "settle p50", "p95", "conflicts/commit", "CPU", "CPU Redis")
        table = Table("load", *columns)
        for load in LOADS:
            table.add_row(load.name, *_row([measure(address, load) for _ in range(ROUNDS)]))
    Console(width=200).print(table)


def measure(address: str, load: Load) -> tuple[list[Measured], float]:
    """Run one round; return each process's measurements, and the CPU seconds of Redis."""
    asyncio.run(_fill(address))
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(load.processes + 1), context.Queue()
    processes = [context.Process(target=_process, args=(address, load, start, results)) for _ in range(load.processes)]
    for process in processes:
        process.start()
    start.wait()
    before = asyncio.run(_redis_cpu(address))
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    return found, asyncio.run(_redis_cpu(address)) - before


def exact_count(address: str) -> int:
    """Return how many of 100 threads, each with its own connection, reserve a request where five are allowed."""
    start = threading.Barrier(THREADS)
    asyncio.run(_report_quota(address))
    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(lambda _: asyncio.run(_reserve_one(address, start)), range(THREADS)))


async def _report_quota(address: str) -> None:
    async with Redis.from_url(address) as redis:
        quota, now = RedisQuota(redis, FIVE), datetime.now(UTC)
        found = await quota.reserve(QuotaRequest("octo", GITHUB, Resource.CORE, Purpose.MANUAL), now)
        assert isinstance(found, Reservation)
        await quota.settle(found, Usage(1, 0.1, quota=_reported(Resource.CORE)), now)


async def _reserve_one(address: str, start: threading.Barrier) -> bool:
    async with Redis.from_url(address) as redis:
        await redis.ping()
        start.wait()
        request = QuotaRequest("octo", GITHUB, Resource.CORE, Purpose.MANUAL)
        return isinstance(await RedisQuota(redis, FIVE).reserve(request, datetime.now(UTC)), Reservation)


def _process(address: str, load: Load, start: Any, results: Queue[Measured]) -> None:
    results.put(asyncio.run(_work(address, load, start)))


async def _work(address: str, load: Load, start: Any) -> Measured:
    async with Redis.from_url(address) as redis:
        quota, measured = RedisQuota(redis, UNLIMITED), Measured()
        await redis.ping()
        start.wait()
        before, until = own_cpu(), time.perf_counter() + SECONDS
        await asyncio.gather(*(_requests(quota, load, number, until, measured) for number in range(load.in_flight)))
        measured.cpu, measured.commits, measured.conflicts = own_cpu() - before, quota.commits, quota.conflicts
    return measured


async def _requests(quota: RedisQuota, load: Load, number: int, until: float, measured: Measured) -> None:
    """Reserve, wait for a response and settle, one request after another."""
    resource = Resource.GRAPHQL if number % 2 else Resource.CORE
    request = QuotaRequest("octo", GITHUB, resource, Purpose.MANUAL)
    while time.perf_counter() < until:
        began = time.perf_counter()
        found = await quota.reserve(request, datetime.now(UTC))
        measured.reserve.append(time.perf_counter() - began)
        assert isinstance(found, Reservation), found
        await asyncio.sleep(load.response)
        began = time.perf_counter()
        await quota.settle(found, Usage(1, 0.1, quota=_reported(resource)), datetime.now(UTC))
        measured.settle.append(time.perf_counter() - began)
        await asyncio.sleep(load.pause)


async def _fill(address: str) -> None:
    """Fill the sliding windows of both resources, as after a busy minute."""
    async with Redis.from_url(address) as redis:
        await redis.flushall()
        quota, now = RedisQuota(redis, UNLIMITED), datetime.now(UTC)
        for step in range(FULL_WINDOW, 0, -1):
            at = now - step * timedelta(milliseconds=500)
            for resource in (Resource.CORE, Resource.GRAPHQL):
                found = await quota.reserve(QuotaRequest("octo", GITHUB, resource, Purpose.MANUAL), at)
                assert isinstance(found, Reservation), found
                await quota.settle(found, Usage(1, 0.1, quota=_reported(resource)), at)


def _reported(resource: Resource) -> ReportedQuota:
    return ReportedQuota(resource.value, 10**9, 10**9 - 1, datetime.now(UTC) + timedelta(minutes=30))


async def _redis_cpu(address: str) -> float:
    async with Redis.from_url(address) as redis:
        info = await redis.info("cpu")
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])


def _row(rounds: Sequence[tuple[list[Measured], float]]) -> list[str]:
    every = [one for found, _ in rounds for one in found]
    reserve, settle = [each for one in every for each in one.reserve], [each for one in every for each in one.settle]
    conflicts, commits = sum(one.conflicts for one in every), sum(one.commits for one in every)
    return [
        f"{len(settle) / SECONDS / len(rounds):,.0f}",
        *(f"{1000 * quantiles(times, n=100)[at]:.1f} ms" for times in (reserve, settle) for at in (49, 94)),
        f"{conflicts / commits:.2f}",
        f"{1000 * sum(one.cpu for one in every) / len(settle):.2f} ms",
        f"{1000 * sum(cpu for _, cpu in rounds) / len(settle):.2f} ms",
    ]


if __name__ == "__main__":
    main()
