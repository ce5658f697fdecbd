"""Dispatch of due work, limited to the amount that the quota can serve in the next minutes.

Other due work stays in the store, where it is counted, ordered and cheap. The queue holds only work that will soon run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from fetcher.domain.model import Claim, Purpose, Source
from fetcher.domain.scheduling import Cadence
from fetcher.ports import Clock
from fetcher.quota import Quota, QuotaRequest
from fetcher.upstreams.base import Lane

MOST_IN_HAND = 10_000
"""Maximum packages of a lane that are claimed at once, at any quota. GitHub serves 9,000 in three minutes. A claim
scans all leased packages, and dispatch has to end within ``tasks.app.SOFT_LIMIT``.
"""


class Claimable(Protocol):
    """Due packages to claim: ``fetcher.store.claims.Claims``."""

    def claim(
        self,
        upstream: str,
        sources: Sequence[Source],
        limit: int,
        now: datetime,
        lease_for: timedelta,
        ahead: timedelta = ...,
    ) -> Claim | None: ...

    def leased(self, upstream: str, sources: Sequence[Source], now: datetime) -> int: ...

    def is_due(self, upstream: str, sources: Sequence[Source], now: datetime) -> bool: ...


@dataclass(slots=True)
class Dispatcher:
    """A claimer of batches. The caller enqueues them after the claim is committed."""

    claimable: Claimable
    quota: Quota
    clock: Clock
    identities: Mapping[str, str]
    lanes: Sequence[Lane]
    lease: timedelta
    horizon: timedelta
    """Time for which work is claimed ahead: a few dispatch intervals."""
    cadence: Cadence = Cadence()
    most: int = MOST_IN_HAND

    async def claims(self) -> list[Claim]:
        """Return batches to start now: those of moved heads first, and oldest due first within each lane."""
        lanes = sorted(self.lanes, key=lambda lane: not _follows_heads(lane))
        return [claim for lane in lanes for claim in await self._lane(lane)]

    def is_to_be_followed(self, claim: Claim) -> bool:
        """Return whether to plan at once after ``claim``: it was a lane's last one, and heads have moved.

        The moved heads of a plan's statistics are therefore claimed together, and do not wait for the next plan.
        """
        now = self.clock.now()
        return any(
            self.claimable.is_due(lane.upstream, after.sources, now)
            and not self.claimable.leased(lane.upstream, lane.sources, now)
            for lane in self.lanes
            if Source.REPOSITORY in lane.sources and lane.sources == claim.sources
            for after in self.lanes
            if after.upstream == lane.upstream and _follows_heads(after)
        )

    async def _lane(self, lane: Lane) -> list[Claim]:
        now = self.clock.now()
        if lane.behind and self.claimable.is_due(lane.upstream, lane.behind, now):
            return []
        # No estimate of the response time: the ledger has the recent ones.
        request = QuotaRequest(
            self.identities[lane.upstream], lane.upstream, lane.resource, Purpose.BACKGROUND, seconds=0
        )
        requests = await self.quota.capacity(request, self.horizon, now)
        served = math.ceil(requests * lane.packages_per_request * lane.share)
        room = min(served, self.most) - self.claimable.leased(lane.upstream, lane.sources, now)
        claims = []
        while room > 0:
            ahead = self.cadence.interval_of(lane.sources[0], lane.upstream, timedelta(0)) * lane.look_ahead
            claim = self.claimable.claim(lane.upstream, lane.sources, min(lane.batch, room), now, self.lease, ahead)
            if claim is None:
                break
            claims.append(claim)
            room -= len(claim.package_ids)
        return claims


def _follows_heads(lane: Lane) -> bool:
    """Return whether a lane's claims follow from moved heads: another lane requests the heads."""
    return Source.COMMITS in lane.sources and Source.REPOSITORY not in lane.sources
