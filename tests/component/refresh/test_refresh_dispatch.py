"""Dispatch of due work, oldest first, within the quota."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fetcher.domain.model import DETAIL_SOURCES, Purpose, Source
from fetcher.upstreams.base import Lane
from fetcher.upstreams.github.lanes import DETAILS_LANE, GRAPHQL_LANE, HISTORY_LANE, LISTS_LANE, REST_LANE, lanes_for
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.pypi.limits import PYPI
from fetcher.upstreams.pypi.upstream import PROJECTS_LANE
from tests.component.refresh.conftest import LEASE, Build, Harness
from tests.harness.clock import NOW


def with_lanes(harness: Harness, *lanes: Lane) -> Harness:
    harness.dispatcher = type(harness.dispatcher)(
        harness.store.claims, harness.quota, harness.clock, harness.dispatcher.identities, lanes, LEASE, LEASE
    )
    return harness


async def test_batches_of_due_packages(harness: Harness) -> None:
    """Each lane's batches are leased before they are enqueued, and nothing is claimed twice."""
    ids = [harness.add(f"package-{number}", project=True) for number in range(7)]
    small = Lane(GITHUB, (Source.REPOSITORY,), Resource.GRAPHQL, 3, 50)
    with_lanes(harness, small, PROJECTS_LANE)
    claims = await harness.dispatcher.claims()
    assert [(claim.sources, len(claim.package_ids)) for claim in claims] == [
        ((Source.REPOSITORY,), 3),
        ((Source.REPOSITORY,), 3),
        ((Source.REPOSITORY,), 1),
        ((Source.INDEX,), 7),
    ]
    assert sorted(i for claim in claims[:3] for i in claim.package_ids) == ids
    assert {claim.until for claim in claims} == {NOW + LEASE}
    assert await harness.dispatcher.claims() == []


@pytest.mark.parametrize(("room", "claimed"), [(0, 0), (1, 3), (2, 6), (3, 7)])
async def test_no_more_than_the_budget_can_serve(harness: Harness, room: int, claimed: int) -> None:
    """The claims are limited to the lane's packages per request times the granted requests."""
    for number in range(7):
        harness.add(f"package-{number}")
    with_lanes(harness, Lane(GITHUB, (Source.REPOSITORY,), Resource.GRAPHQL, 2, 3))
    harness.quota.room = room
    claims = await harness.dispatcher.claims()
    assert sum(len(claim.package_ids) for claim in claims) == claimed


@pytest.mark.parametrize(("room", "claimed"), [(0, 0), (1, 1), (9, 3), (30, 7)])
async def test_only_work_until_the_next_plan_is_queued(harness: Harness, room: int, claimed: int) -> None:
    """A plan hands out a third of the quota of three intervals. More would wait in the queue and be deferred there."""
    for number in range(7):
        harness.add(f"package-{number}", project=True)
    with_lanes(harness, PROJECTS_LANE)
    harness.quota.room = room
    claims = await harness.dispatcher.claims()
    assert sum(len(claim.package_ids) for claim in claims) == claimed
    assert PROJECTS_LANE.share == LISTS_LANE.share == 1 / 3


async def test_queued_work_counts(harness: Harness) -> None:
    """Leased packages without a record take capacity, so that the queue never exceeds the quota."""
    for number in range(7):
        harness.add(f"package-{number}")
    with_lanes(harness, Lane(GITHUB, (Source.REPOSITORY,), Resource.GRAPHQL, 10, 1))
    harness.quota.room = 4
    assert [len(claim.package_ids) for claim in await harness.dispatcher.claims()] == [4]
    assert await harness.dispatcher.claims() == []
    harness.clock.advance(timedelta(hours=1))
    assert [len(claim.package_ids) for claim in await harness.dispatcher.claims()] == [4]


async def test_a_plan_is_bounded_under_any_quota(harness: Harness) -> None:
    """One dispatch does not claim all due packages, even with an unlimited quota."""
    for number in range(7):
        harness.add(f"package-{number}")
    harness.dispatcher = replace(
        harness.dispatcher, lanes=(Lane(GITHUB, (Source.REPOSITORY,), Resource.GRAPHQL, 2, 100),), most=5
    )
    harness.quota.room = 1_000
    assert [len(claim.package_ids) for claim in await harness.dispatcher.claims()] == [2, 2, 1]
    assert await harness.dispatcher.claims() == []


async def test_oldest_first_after_an_outage(harness: Harness) -> None:
    """The package that has been due longest is claimed first."""
    first = harness.add("first")
    harness.clock.advance(timedelta(hours=1))
    second = harness.add("second")
    harness.clock.advance(timedelta(days=3))
    (claim,) = await harness.dispatcher.claims()
    assert claim.package_ids == (first, second)


def test_lanes() -> None:
    """Without a token a repository uses REST only; with one, histories do not wait for lists."""
    assert lanes_for(anonymous=False) == (GRAPHQL_LANE, HISTORY_LANE, LISTS_LANE)
    assert lanes_for(anonymous=True) == (REST_LANE, DETAILS_LANE)
    assert DETAILS_LANE.sources == DETAIL_SOURCES
    assert HISTORY_LANE.resource is Resource.GRAPHQL
    assert LISTS_LANE.resource is Resource.CORE


async def test_each_lane_has_its_own_quota_request(build: Build) -> None:
    """The capacity is that of the background, and of the lane's identity and resource."""
    harness = await build(token=None)
    requested = []

    class Noting(type(harness.quota)):  # type: ignore[misc]
        async def capacity(self, request, horizon, now):  # type: ignore[no-untyped-def]
            requested.append((request.identity, request.resource, request.purpose, horizon))
            return 0

    harness.dispatcher = type(harness.dispatcher)(
        harness.store.claims,
        Noting(),
        harness.clock,
        harness.dispatcher.identities,
        harness.dispatcher.lanes,
        LEASE,
        3 * LEASE,
    )
    assert await harness.dispatcher.claims() == []
    assert requested == [
        ("anonymous", Resource.CORE, Purpose.BACKGROUND, 3 * LEASE),
        ("anonymous", Resource.CORE, Purpose.BACKGROUND, 3 * LEASE),
        ("index:simulator.invalid", PYPI, Purpose.BACKGROUND, 3 * LEASE),
    ]
