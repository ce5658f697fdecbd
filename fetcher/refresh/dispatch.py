"""What to start now: as much of what is due as the quota can serve in the next minutes, and no more.

Whatever is due stays in the store, where it is counted, ordered and cheap; the queue holds only what will soon run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from fetcher.domain.model import DETAIL_SOURCES, Claim, Purpose, Source, Upstream
from fetcher.http.messages import Resource
from fetcher.ports import Clock, Store
from fetcher.quota import Quota, QuotaRequest


@dataclass(frozen=True, slots=True)
class Lane:
    """A kind of batch: which sources it claims, how many packages at once, and what one request of it serves."""

    sources: tuple[Source, ...]
    resource: Resource
    batch: int
    packages_per_request: float
    look_ahead: float = 0.0
    """This share of the interval ahead of its time a package may be claimed, to fill a batch."""


PLANS_AHEAD = 3
"""Intervals between two plans that a planner looks ahead: what is claimed has been served by then."""

GRAPHQL_LANE = Lane((Source.GITHUB,), Resource.GRAPHQL, 100, 100, look_ahead=1 / 8)
"""Slots are spread over the day, so a minute has four of 5,500 packages. Asked for by themselves they would cost the
point that a hundred cost; so the first that is due takes along all those of the next three hours. A request serves a
whole batch: with 50, every other plan cut one in two, 58 points where 55 are enough."""

REST_LANE = Lane((Source.GITHUB,), Resource.CORE, 10, 0.5)
"""Without a token: a repository and its newest commit are two requests."""

HISTORY_LANE = Lane((Source.COMMITS,), Resource.GRAPHQL, 100, 50)
"""Heads that have moved: their histories bring commits and, derived, contributors. 50 of them cost one point."""

LISTS_LANE = Lane((Source.CONTRIBUTORS,), Resource.CORE, 50, 1 / PLANS_AHEAD)
"""GitHub's lists of contributors: the first, those that confirm what a history could not settle, the re-check.

A plan claims what the quota serves until the next one. What a batch claims beyond it is put off after its histories
were requested, and costs them again: in a first pass of 5,500, 16,100 heads instead of 11,400."""

DETAILS_LANE = Lane(DETAIL_SOURCES, Resource.CORE, 25, 0.5)
"""Without a token: contributors and participation are two requests."""

PROJECTS_LANE = Lane((Source.PYPI,), Resource.PYPI, 50, 1 / PLANS_AHEAD)
"""A plan claims what the index serves until the next one: a long queue of it would delay what GitHub has quota for."""


MOST_IN_HAND = 10_000
"""Packages of a lane that are on their way at most, whatever a quota allows: GitHub answers for 9,000 in three minutes.
A claim passes over all that is leased, and a plan has to end within ``tasks.app.SOFT_LIMIT``."""


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Claims batches. What is claimed is enqueued by the caller, after the claim is committed."""

    store: Store
    quota: Quota
    clock: Clock
    identities: dict[Upstream, str]
    lanes: Sequence[Lane]
    lease: timedelta
    horizon: timedelta
    """How far ahead work is claimed: a few times the interval between two plans."""
    interval: timedelta = timedelta(days=1)
    """Between two refreshes of a package."""
    most: int = MOST_IN_HAND

    async def claims(self) -> list[Claim]:
        """Batches to start now, oldest due first within each lane."""
        return [claim for lane in self.lanes for claim in await self._lane(lane)]

    async def _lane(self, lane: Lane) -> list[Claim]:
        now = self.clock.now()
        upstream = Upstream.PYPI if lane.resource is Resource.PYPI else Upstream.GITHUB
        # No guess of how long an answer takes: the ledger knows how long they took of late.
        request = QuotaRequest(self.identities[upstream], lane.resource, Purpose.BACKGROUND, seconds=0)
        requests = await self.quota.capacity(request, self.horizon, now)
        served = math.ceil(requests * lane.packages_per_request)
        room = min(served, self.most) - self.store.leased(lane.sources, now)
        claims = []
        while room > 0:
            ahead = self.interval * lane.look_ahead
            claim = self.store.claim(lane.sources, min(lane.batch, room), now, self.lease, ahead)
            if claim is None:
                break
            claims.append(claim)
            room -= len(claim.package_ids)
        return claims


def lanes_for(*, anonymous: bool) -> tuple[Lane, ...]:
    """Return the lanes of a credential: without one there is no GraphQL."""
    if anonymous:
        return (REST_LANE, DETAILS_LANE, PROJECTS_LANE)
    return (GRAPHQL_LANE, HISTORY_LANE, LISTS_LANE, PROJECTS_LANE)
