"""The time of a pass over one host at its default politeness, by the real ledger over a stopped clock.

Each request is reserved as background, takes a fixed time, and is settled. If the ledger refuses, the clock moves to
the moment that it names, or to the end of the next request in flight. Planning adds nothing: there is always work.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fetcher.domain.model import Purpose
from fetcher.quota import MemoryQuota, QuotaPolicy, QuotaRequest, Reservation, RetryAt, Usage

NAME = "host"
_START = datetime(2026, 11, 21, tzinfo=UTC)


async def time_of_pass(policy: QuotaPolicy, requests: Sequence[str], seconds: float, identity: str) -> timedelta:
    """Return the time that ``requests`` take, each named by its resource and lasting ``seconds``."""
    quota = MemoryQuota({NAME: policy})
    now, last = _START, _START
    in_flight: list[tuple[datetime, int, Reservation]] = []
    for number, resource in enumerate(requests):
        wanted = QuotaRequest(identity, NAME, resource, Purpose.BACKGROUND, 1, seconds)
        while isinstance(verdict := await quota.reserve(wanted, now), RetryAt):
            ends = in_flight[0][0] if in_flight else verdict.until
            now = max(now + timedelta(milliseconds=1), min(ends, verdict.until))
            while in_flight and in_flight[0][0] <= now:
                end, _, done = heapq.heappop(in_flight)
                await quota.settle(done, Usage(points=1, seconds=seconds), end)
        last = now + timedelta(seconds=seconds)
        heapq.heappush(in_flight, (last, number, verdict))
    return last - _START
