"""Statistics batches that GitHub throttles, with the real gateway and ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from fetcher.domain.model import Purpose, RepoStats, Target
from fetcher.domain.outcome import Deferred, Failure, Throttled
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Response
from fetcher.quota import MemoryQuota, QuotaRequest, Reservation
from fetcher.settings import PUBLIC_API
from fetcher.upstreams.batching import BatchAnswer, BatchSize, request_in_batches
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.github.readers.statistics import read_by_id
from fetcher.upstreams.github.requests import api_at, statistics_by_id
from tests.harness.clock import NOW, StoppedClock
from tests.harness.fakes import ScriptedTransport
from tests.harness.policies import POLICIES
from tests.unit.github.recorded import RESET, SECONDARY, response

API = api_at(PUBLIC_API)
TARGETS = [
    Target(n, str(n), "lease", frozenset(), repo=None, handle=f"R_{n}", repository_id=str(n), project=None)
    for n in range(1, 11)
]


class Batches:
    """Ten packages, a ledger in memory, and a GitHub that returns one response to every query."""

    def __init__(self, response: Response) -> None:
        self.quota = MemoryQuota(POLICIES)
        self.transport = ScriptedTransport(lambda request: response, [PUBLIC_API])
        self.gateway = Gateway(self.transport, self.quota, StoppedClock(NOW), {GITHUB: "account:1"})

    async def query(self, batch: Sequence[Target]) -> BatchAnswer[RepoStats] | Failure | Deferred:
        """Request the statistics of ``batch`` by node id."""
        ids = [target.handle or "" for target in batch]
        request = statistics_by_id(API, ids)
        return await self.gateway.send(request, Purpose.BACKGROUND, lambda answer: read_by_id(answer, ids))

    async def paused_until(self) -> dict[Resource, datetime | None]:
        """Return the end of each resource's pause, as the ledger reports it."""
        return {each.resource: each.paused_until for each in await self.quota.quota_status(NOW)}


@pytest.mark.parametrize(
    "body",
    [
        {"message": SECONDARY, "documentation_url": "https://docs.github.com/graphql"},
        {"data": None, "message": SECONDARY},
        {"errors": [{"message": SECONDARY}]},
    ],
)
async def test_a_secondary_limit_with_status_200_costs_one_request(body: object) -> None:
    """One query is sent, not one for each half and package, and the account pauses for ``retry-after``."""
    batches = Batches(response(body, headers={"retry-after": "30", "x-ratelimit-resource": "graphql"}))
    outcomes = await request_in_batches(TARGETS, batches.query, BatchSize())
    assert len(batches.transport.requests) == 1
    assert set(outcomes) == {Throttled(SECONDARY, retry_after=timedelta(seconds=30))}
    paused = await batches.paused_until()
    assert paused[Resource.GRAPHQL] == NOW + timedelta(seconds=32)
    assert isinstance(await batches.query(TARGETS), Deferred)
    assert len(batches.transport.requests) == 1


async def test_a_primary_limit_with_points_left_pauses_graphql_alone() -> None:
    """GraphQL is deferred until the reset that the headers name, and REST continues."""
    body = {"errors": [{"type": "RATE_LIMIT", "message": "API rate limit exceeded for user ID 1."}]}
    batches = Batches(response(body, headers={"x-ratelimit-remaining": "4", "x-ratelimit-resource": "graphql"}))
    await request_in_batches(TARGETS, batches.query, BatchSize())
    assert len(batches.transport.requests) == 1
    reset = RESET + timedelta(seconds=2)
    deferred = await batches.query(TARGETS)
    assert isinstance(deferred, Deferred)
    assert deferred.until == reset
    rest = QuotaRequest("account:1", GITHUB, Resource.CORE, Purpose.BACKGROUND)
    assert isinstance(await batches.quota.reserve(rest, NOW), Reservation)
    assert await batches.paused_until() == {Resource.GRAPHQL: reset, Resource.CORE: None}
