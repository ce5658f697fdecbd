"""A swarm of simulated workers and an upstream that enforces its limits by brute force, in virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random

from fetcher.domain.model import Purpose, ReportedQuota
from fetcher.quota import Pause, PauseCause, Quota, QuotaRequest, Reservation, RetryAt, Usage
from fetcher.upstreams.github.limits import GITHUB, Resource
from tests.harness.clock import NOW

START = NOW - timedelta(minutes=150)


@dataclass
class Upstream:
    """GitHub's documented limits, checked over the whole log at every request. Times are seconds since START.

    It does not use ``fetcher.quota``; the figures are repeated here. GitHub does not document when response seconds
    count. They are counted fully at arrival and fully at the response, and both sums must hold.
    """

    primary: int = 5_000
    spent_before: int = 0
    """Points of the first window that another program has used."""
    windows: dict[Resource, tuple[float, int]] = field(default_factory=dict)
    log: list[tuple[float, float, Resource]] = field(default_factory=list)
    trips: list[str] = field(default_factory=list)
    paused_until: float = 0.0
    used: dict[Resource, int] = field(default_factory=dict)

    def receive(self, at: float, seconds: float, resource: Resource) -> tuple[ReportedQuota, Pause | None]:
        trip = self._check(at, seconds, resource)
        ends, used = self.windows.get(resource, (0.0, 0))
        if at >= ends:
            ends, used = float(int(at)) + 3600.0, self.spent_before
            self.spent_before = 0
        if used >= self.primary:
            trip = trip or "primary"
        else:
            used += 1
        self.windows[resource] = (ends, used)
        quota = ReportedQuota(resource.value, self.primary, self.primary - used, START + timedelta(seconds=ends))
        if trip:
            self.trips.append(f"{trip} at {at:.3f}")
            self.paused_until = at + 60
            return quota, Pause(PauseCause.LIMIT, trip, retry_after=timedelta(seconds=60))
        self.log.append((at, at + seconds, resource))
        self.used[resource] = self.used.get(resource, 0) + 1
        return quota, None

    def _check(self, at: float, seconds: float, resource: Resource) -> str:
        if at < self.paused_until:
            return "request during a pause"
        recent = [row for row in self.log[-6000:] if row[1] > at - 60] + [(at, at + seconds, resource)]
        if sum(1 for row in recent if row[1] > at) > 100:
            return "in flight"
        points = sum(1 for row in recent if row[2] is resource and row[0] > at - 60)
        if points > (2000 if resource is Resource.GRAPHQL else 900):
            return "points a minute"
        return self._check_seconds(at, at + seconds, recent)

    @staticmethod
    def _check_seconds(at: float, end: float, recent: list[tuple[float, float, Resource]]) -> str:
        for resources, most in ((list(Resource), 90.0), ([Resource.GRAPHQL], 60.0)):
            mine = [row for row in recent if row[2] in resources]
            arrived = sum(b - a for a, b, _ in mine if a > at - 60)
            answered = sum(b - a for a, b, _ in mine if end - 60 < b <= end)
            if max(arrived, answered) > most:
                return f"{most:.0f} response seconds"
        return ""


@dataclass
class Swarm:
    """``slots`` requests that could be in flight at once, each reserved again as soon as possible."""

    quota: Quota
    upstream: Upstream
    resources: tuple[Resource, ...]
    seconds: Callable[[Random], float]
    slots: int = 16
    manual_every: float = 0.0
    """Mean seconds between manual requests; 0: none."""
    skew: float = 0.0
    """Largest difference between the workers' clocks, in seconds."""
    expected: float = 1.0
    seed: int = 0
    waited: list[tuple[float, float, str]] = field(default_factory=list)
    """Manual requests: first attempt, seconds until the reservation, and the reason of the first refusal."""
    reservations: int = 0

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)  # noqa: S311  # a simulation, not a secret
        self.events: list[tuple[float, int, Callable[[float], object]]] = []
        self.order = count()

    async def run(self, until: float) -> None:
        for slot in range(self.slots):
            resource = self.resources[slot % len(self.resources)]
            skew = self.rng.uniform(0, self.skew)
            self._at(self.rng.random() / 10, self._reserver(resource, Purpose.BACKGROUND, skew))
        if self.manual_every:
            self._at(self.manual_every, self._manual_request)
        while self.events and self.events[0][0] < until:
            at, _, event = heapq.heappop(self.events)
            step = event(at)
            if step is not None:
                await step  # type: ignore[misc]  # reserving and settling are coroutines, the rest plain calls

    def _at(self, at: float, event: Callable[[float], object]) -> None:
        heapq.heappush(self.events, (at, next(self.order), event))

    def _manual_request(self, at: float) -> object:
        self._at(at + self.rng.expovariate(1 / self.manual_every), self._manual_request)
        return self._reserver(self.rng.choice(self.resources), Purpose.MANUAL, 0.0, since=at)(at)

    def _reserver(
        self, resource: Resource, purpose: Purpose, skew: float, since: float = 0.0, why: str = ""
    ) -> Callable[[float], object]:
        async def reserve(at: float) -> None:
            found = await self.quota.reserve(
                QuotaRequest("octo", GITHUB, resource, purpose, seconds=self.expected),
                START + timedelta(seconds=at + skew),
            )
            if isinstance(found, RetryAt):
                later = max((found.until - START).total_seconds() - skew, at + 0.001)
                self._at(later, self._reserver(resource, purpose, skew, since, why or found.reason))
                return
            self.reservations += 1
            if purpose is Purpose.MANUAL:
                self.waited.append((since, at - since, why))
            again = self._reserver(resource, purpose, skew) if purpose is Purpose.BACKGROUND else None
            self._at(at + self.rng.uniform(0, 0.2), self._sender(found, skew, again))

        return reserve

    def _sender(
        self, reservation: Reservation, skew: float, again: Callable[[float], object] | None
    ) -> Callable[[float], object]:
        def send(at: float) -> None:
            seconds = self.seconds(self.rng)
            quota, pause = self.upstream.receive(at, seconds, reservation.request.resource)
            usage = Usage(0 if pause else 1, seconds, quota=quota, pause=pause)
            self._at(at + seconds + self.rng.uniform(0, 0.2), self._settler(reservation, usage, skew, again))

        return send

    def _settler(
        self, reservation: Reservation, usage: Usage, skew: float, again: Callable[[float], object] | None
    ) -> Callable[[float], object]:
        async def settle(at: float) -> None:
            await self.quota.settle(reservation, usage, START + timedelta(seconds=at + skew))
            if again is not None:
                self._at(at, again)

        return settle
