"""Dispatch of due work, oldest first, within the quota."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fetcher.domain.model import DETAIL_SOURCES, Purpose, Source
from fetcher.http.messages import Resource
from fetcher.refresh.dispatch import (
    DETAILS_LANE,
    GRAPHQL_LANE,
    HISTORY_LANE,
    LISTS_LANE,
    PROJECTS_LANE,
    REST_LANE,
    Lane,
    lanes_for,
)
from tests.component.refresh.conftest import LEASE, NOW, Build, House


def with_lanes(house: House, *lanes: Lane) -> House:
    house.planner = type(house.planner)(
        house.store, house.quota, house.clock, house.planner.identities, lanes, LEASE, LEASE
    )
    return house


async def test_batches_of_what_is_due(house: House) -> None:
    """Each lane's batches are leased before they are enqueued, and nothing is claimed twice."""
    ids = [house.add(f"package-{number}", project=True) for number in range(7)]
    small = Lane((Source.GITHUB,), Resource.GRAPHQL, 3, 50)
    with_lanes(house, small, PROJECTS_LANE)
    claims = await house.planner.claims()
    assert [(claim.sources, len(claim.package_ids)) for claim in claims] == [
        ((Source.GITHUB,), 3),
        ((Source.GITHUB,), 3),
        ((Source.GITHUB,), 1),
        ((Source.PYPI,), 7),
    ]
    assert sorted(i for claim in claims[:3] for i in claim.package_ids) == ids
    assert {claim.until for claim in claims} == {NOW + LEASE}
    assert await house.planner.claims() == []


@pytest.mark.parametrize(("room", "claimed"), [(0, 0), (1, 3), (2, 6), (3, 7)])
async def test_no_more_than_the_budget_can_serve(house: House, room: int, claimed: int) -> None:
    """The claims are limited to the lane's packages per request times the granted requests."""
    for number in range(7):
        house.add(f"package-{number}")
    with_lanes(house, Lane((Source.GITHUB,), Resource.GRAPHQL, 2, 3))
    house.quota.room = room
    claims = await house.planner.claims()
    assert sum(len(claim.package_ids) for claim in claims) == claimed


@pytest.mark.parametrize(("room", "claimed"), [(0, 0), (1, 1), (9, 3), (30, 7)])
async def test_only_what_is_served_until_the_next_plan(house: House, room: int, claimed: int) -> None:
    """A third of what the quota serves in three intervals: more would wait in the queue, and be put off there."""
    for number in range(7):
        house.add(f"package-{number}", project=True)
    with_lanes(house, PROJECTS_LANE)
    house.quota.room = room
    claims = await house.planner.claims()
    assert sum(len(claim.package_ids) for claim in claims) == claimed
    assert PROJECTS_LANE.share == LISTS_LANE.share == 1 / 3


async def test_what_is_on_its_way_counts(house: House) -> None:
    """Leased packages without a record take capacity, so that the queue never exceeds the quota."""
    for number in range(7):
        house.add(f"package-{number}")
    with_lanes(house, Lane((Source.GITHUB,), Resource.GRAPHQL, 10, 1))
    house.quota.room = 4
    assert [len(claim.package_ids) for claim in await house.planner.claims()] == [4]
    assert await house.planner.claims() == []
    house.clock.advance(timedelta(hours=1))
    assert [len(claim.package_ids) for claim in await house.planner.claims()] == [4]


async def test_there_is_an_end_to_it_whatever_the_budget_allows(house: House) -> None:
    """One dispatch does not claim all due packages, even with an unlimited quota."""
    for number in range(7):
        house.add(f"package-{number}")
    house.planner = replace(house.planner, lanes=(Lane((Source.GITHUB,), Resource.GRAPHQL, 2, 100),), most=5)
    house.quota.room = 1_000
    assert [len(claim.package_ids) for claim in await house.planner.claims()] == [2, 2, 1]
    assert await house.planner.claims() == []


async def test_oldest_first_after_an_outage(house: House) -> None:
    """The package that has been due longest is claimed first."""
    first = house.add("first")
    house.clock.advance(timedelta(hours=1))
    second = house.add("second")
    house.clock.advance(timedelta(days=3))
    (claim,) = await house.planner.claims()
    assert claim.package_ids == (first, second)


def test_lanes() -> None:
    """Without a token a repository uses REST only; with one, histories do not wait for lists."""
    assert lanes_for(anonymous=False) == (GRAPHQL_LANE, HISTORY_LANE, LISTS_LANE, PROJECTS_LANE)
    assert lanes_for(anonymous=True) == (REST_LANE, DETAILS_LANE, PROJECTS_LANE)
    assert DETAILS_LANE.sources == DETAIL_SOURCES
    assert HISTORY_LANE.resource is Resource.GRAPHQL
    assert LISTS_LANE.resource is Resource.CORE


async def test_the_budget_is_asked_for_each_lanes_own(build: Build) -> None:
    """The capacity is that of the background, and of the lane's identity and resource."""
    house = await build(token=None)
    asked = []

    class Noting(type(house.quota)):  # type: ignore[misc]
        async def capacity(self, ask, horizon, now):  # type: ignore[no-untyped-def]
            asked.append((ask.identity, ask.resource, ask.purpose, horizon))
            return 0

    house.planner = type(house.planner)(
        house.store, Noting(), house.clock, house.planner.identities, house.planner.lanes, LEASE, 3 * LEASE
    )
    assert await house.planner.claims() == []
    assert asked == [
        ("anonymous", Resource.CORE, Purpose.BACKGROUND, 3 * LEASE),
        ("anonymous", Resource.CORE, Purpose.BACKGROUND, 3 * LEASE),
        ("index:simulator", Resource.PYPI, Purpose.BACKGROUND, 3 * LEASE),
    ]
