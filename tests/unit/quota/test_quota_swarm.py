"""Workers with more work than quota, and an upstream that checks its limits independently of the ledger."""

from __future__ import annotations

import pytest

from fetcher.quota import MemoryQuota
from fetcher.upstreams.github.limits import Resource
from tests.harness.examples import seeds
from tests.harness.policies import POLICIES
from tests.unit.quota.swarm import Swarm, Upstream

GITHUB = (Resource.CORE, Resource.GRAPHQL)


@pytest.mark.parametrize("seed", seeds(3))
async def test_an_hour_uses_the_quota_and_trips_nothing(seed: int) -> None:
    """Spend 95 % of both primary quotas in an hour, trip no limit, and never delay a manual request."""
    swarm = Swarm(
        MemoryQuota(POLICIES),
        Upstream(),
        GITHUB,
        seconds=lambda rng: rng.expovariate(1 / 0.2),
        manual_every=10.0,
        skew=1.0,
        seed=seed,
    )
    await swarm.run(3600.0)
    assert swarm.upstream.trips == []
    assert min(swarm.upstream.used[resource] for resource in GITHUB) >= 0.95 * 5_000
    late = [row for row in swarm.waited if row[1] > 0]
    assert len(swarm.waited) > 200
    assert late == []


@pytest.mark.parametrize("seed", seeds(3))
async def test_slow_answers_are_bounded_by_response_seconds(seed: int) -> None:
    """Use about nine tenths of 60 response seconds a minute, never more, when GraphQL takes 2 s a response."""
    swarm = Swarm(
        MemoryQuota(POLICIES),
        Upstream(),
        (Resource.GRAPHQL,),
        seconds=lambda rng: rng.uniform(1.7, 2.3),
        slots=8,
        skew=0.05,
        expected=2.0,
        seed=seed,
    )
    await swarm.run(1800.0)
    assert swarm.upstream.trips == []
    served = sum(end - start for start, end, _ in swarm.upstream.log)
    assert served / 1800 > 0.88


@pytest.mark.parametrize("seed", seeds(3))
async def test_a_crowd_with_wild_latencies_trips_nothing(seed: int) -> None:
    """Trip no limit with 160 slots, unexpected latencies of 10 ms to 10 s, and clocks 2 s apart."""
    swarm = Swarm(
        MemoryQuota(POLICIES),
        Upstream(primary=15_000),
        GITHUB,
        seconds=lambda rng: min(10.0, rng.lognormvariate(-1, 1.2)),
        slots=160,
        manual_every=5.0,
        skew=2.0,
        seed=seed,
    )
    await swarm.run(600.0)
    assert swarm.upstream.trips == []
    assert swarm.reservations > 500


async def test_a_nearly_empty_quota_is_found_out_by_one_probe() -> None:
    """Spend the last three points and trip nothing when many workers start together."""
    swarm = Swarm(
        MemoryQuota(POLICIES),
        Upstream(spent_before=4_997),
        (Resource.CORE,),
        seconds=lambda rng: rng.random(),
        slots=64,
    )
    await swarm.run(1800.0)
    assert swarm.upstream.trips == []
    assert 1 <= swarm.reservations <= 3
