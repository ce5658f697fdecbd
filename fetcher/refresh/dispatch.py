"""Dispatch of due work, limited to the amount that the quota can serve in the next minutes.

Other due work stays in the store, where it is counted, ordered and cheap. The queue holds only work that will soon run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from fetcher.domain.model import DETAIL_SOURCES, Claim, Purpose, Source, Upstream
from fetcher.http.messages import Resource
from fetcher.ports import Clock
from fetcher.quota import Quota, QuotaRequest


@dataclass(frozen=True, slots=True)
class Lane:
    """A kind of batch: the claimed sources, packages per batch, and packages per request."""

    sources: tuple[Source, ...]
    resource: Resource
    batch: int
    packages_per_request: float
    look_ahead: float = 0.0
    """Share of the interval by which a package may be claimed early, to fill a batch."""
    share: float = 1.0
    """Share of the packages that the quota serves within the horizon: as many are claimed at once."""


PLANS_AHEAD = 3
"""Intervals between two plans for which work is claimed; a lane with a ``share`` claims for fewer."""

GRAPHQL_LANE = Lane((Source.GITHUB,), Resource.GRAPHQL, 100, 100, look_ahead=1 / 8)
"""About four of 5,500 packages fall due per minute, and a query for four costs the same point as one for 100. A batch
is therefore filled with packages due in the next three hours. A request serves a full batch: with 50, every other plan
cut one in two (58 points where 55 are enough)."""

REST_LANE = Lane((Source.GITHUB,), Resource.CORE, 10, 0.5)
"""Without a token. A repository and its newest commit are two requests."""

HISTORY_LANE = Lane((Source.COMMITS,), Resource.GRAPHQL, 70, 70, share=1 / 7)
"""Heads that have moved: their histories bring commits and, derived, contributors. 70 of them cost one point.

A plan claims about 1,000. Lists follow in the queue, and GitHub's hour of REST begins with the first of them (measured
in a first pass of 5,500 with all histories claimed at once: after 11 minutes)."""

LISTS_LANE = Lane((Source.CONTRIBUTORS,), Resource.CORE, 50, 1, share=1 / PLANS_AHEAD)
"""GitHub's lists of contributors: the first, those that confirm an unsettled history, and the re-check.

A plan claims what the quota serves until the next one. A list claimed beyond that is deferred after its history was
requested, and requests it again (measured in a first pass of 5,500: 16,100 histories instead of 11,400)."""

DETAILS_LANE = Lane(DETAIL_SOURCES, Resource.CORE, 25, 0.5)
"""Without a token. Contributors and participation are two requests."""

PROJECTS_LANE = Lane((Source.PYPI,), Resource.PYPI, 50, 1, share=1 / PLANS_AHEAD)
"""A plan claims what the index serves until the next one, because a longer queue would delay GitHub's batches."""


MOST_IN_HAND = 10_000
"""Maximum packages of a lane that are claimed at once, at any quota. GitHub serves 9,000 in three minutes. A claim
scans all leased packages, and dispatch has to end within ``tasks.app.SOFT_LIMIT``.
"""


class Claimable(Protocol):
    """Due packages to claim: ``fetcher.store.claims.Claims``."""

    def claim(
        self, sources: Sequence[Source], limit: int, now: datetime, lease_for: timedelta, ahead: timedelta = ...
    ) -> Claim | None: ...

    def leased(self, sources: Sequence[Source], now: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """A claimer of batches. The caller enqueues them after the claim is committed."""

    claimable: Claimable
    quota: Quota
    clock: Clock
    identities: dict[Upstream, str]
    lanes: Sequence[Lane]
    lease: timedelta
    horizon: timedelta
    """Time for which work is claimed ahead: a few dispatch intervals."""
    interval: timedelta = timedelta(days=1)
    """Time between two refreshes of a package."""
    most: int = MOST_IN_HAND

    async def claims(self) -> list[Claim]:
        """Return batches to start now, oldest due first within each lane."""
        return [claim for lane in self.lanes for claim in await self._lane(lane)]

    async def _lane(self, lane: Lane) -> list[Claim]:
        now = self.clock.now()
        upstream = Upstream.PYPI if lane.resource is Resource.PYPI else Upstream.GITHUB
        # No estimate of the response time: the ledger has the recent ones.
        request = QuotaRequest(self.identities[upstream], lane.resource, Purpose.BACKGROUND, seconds=0)
        requests = await self.quota.capacity(request, self.horizon, now)
        served = math.ceil(requests * lane.packages_per_request * lane.share)
        room = min(served, self.most) - self.claimable.leased(lane.sources, now)
        claims = []
        while room > 0:
            ahead = self.interval * lane.look_ahead
            claim = self.claimable.claim(lane.sources, min(lane.batch, room), now, self.lease, ahead)
            if claim is None:
                break
            claims.append(claim)
            room -= len(claim.package_ids)
        return claims


def lanes_for(*, anonymous: bool) -> tuple[Lane, ...]:
    """Return the lanes of a credential. Without one there is no GraphQL."""
    if anonymous:
        return (REST_LANE, DETAILS_LANE, PROJECTS_LANE)
    return (GRAPHQL_LANE, HISTORY_LANE, LISTS_LANE, PROJECTS_LANE)
