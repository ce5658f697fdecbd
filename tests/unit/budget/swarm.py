"""A swarm of workers before an upstream that enforces its limits by brute force, all in virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from fetcher.model import Purpose, Quota
from fetcher.outcome import Throttled
from fetcher.ports import Ask, Bill, Budget, Grant, Wait
from fetcher.wire import Resource

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@dataclass
class Upstream:
    """GitHub's documented limits, checked over the whole log at every request. Times are seconds since START.

    Nothing of ``fetcher.budget`` is used: the figures are written down once more. Response seconds are charged in
    three ways (whole at arrival, whole at the answer, and both must hold), for GitHub does not say which is its own.
    """

    primary: int = 5_000
    spent_before: int = 0
    """What another program has used up in the first window."""
    windows: dict[Resource, tuple[float, int]] = field(default_factory=dict)
    log: list[tuple[float, float, Resource]] = field(default_factory=list)
    trips: list[str] = field(default_factory=list)
    told_until: float = 0.0
    used: dict[Resource, int] = field(default_factory=dict)

    def receive(self, at: float, seconds: float, resource: Resource) -> tuple[Quota, Throttled | None]:
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
        quota = Quota(resource.value, self.primary, self.primary - used, START + timedelta(seconds=ends))
        if trip:
            self.trips.append(f"{trip} at {at:.3f}")
            self.told_until = at + 60
            return quota, Throttled(trip, retry_after=timedelta(seconds=60))
        self.log.append((at, at + seconds, resource))
        self.used[resource] = self.used.get(resource, 0) + 1
        return quota, None

    def _check(self, at: float, seconds: float, resource: Resource) -> str:
        if at < self.told_until:
            return "asked while told to wait"
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
    """``slots`` requests that could be in flight at once, each asking anew as soon as it may."""

    budget: Budget
    upstream: Upstream
    resources: tuple[Resource, ...]
    seconds: Callable[[Random], float]
    slots: int = 16
    manual_every: float = 0.0
    """Seconds between people's requests; 0: none."""
    skew: float = 0.0
    """By how much the workers' clocks differ at most."""
    expected: float = 1.0
    seed: int = 0
    waited: list[tuple[float, float, str]] = field(default_factory=list)
    """Of people: when they asked, how long until the grant, and what was in the way."""
    grants: int = 0

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)  # noqa: S311  # a simulation, not a secret
        self.events: list[tuple[float, int, Callable[[float], object]]] = []
        self.order = count()

    async def run(self, until: float) -> None:
        for slot in range(self.slots):
            resource = self.resources[slot % len(self.resources)]
            skew = self.rng.uniform(0, self.skew)
            self._at(self.rng.random() / 10, self._asker(resource, Purpose.BACKGROUND, skew))
        if self.manual_every:
            self._at(self.manual_every, self._person)
        while self.events and self.events[0][0] < until:
            at, _, event = heapq.heappop(self.events)
            step = event(at)
            if step is not None:
                await step  # type: ignore[misc]  # asking and settling are coroutines, the rest plain calls

    def _at(self, at: float, event: Callable[[float], object]) -> None:
        heapq.heappush(self.events, (at, next(self.order), event))

    def _person(self, at: float) -> object:
        self._at(at + self.rng.expovariate(1 / self.manual_every), self._person)
        return self._asker(self.rng.choice(self.resources), Purpose.MANUAL, 0.0, since=at)(at)

    def _asker(
        self, resource: Resource, purpose: Purpose, skew: float, since: float = 0.0, why: str = ""
    ) -> Callable[[float], object]:
        async def ask(at: float) -> None:
            verdict = await self.budget.reserve(
                Ask("octo", resource, purpose, seconds=self.expected), START + timedelta(seconds=at + skew)
            )
            if isinstance(verdict, Wait):
                later = max((verdict.until - START).total_seconds() - skew, at + 0.001)
                self._at(later, self._asker(resource, purpose, skew, since, why or verdict.reason))
                return
            self.grants += 1
            if purpose is Purpose.MANUAL:
                self.waited.append((since, at - since, why))
            again = self._asker(resource, purpose, skew) if purpose is Purpose.BACKGROUND else None
            self._at(at + self.rng.uniform(0, 0.2), self._sender(verdict, skew, again))

        return ask

    def _sender(self, grant: Grant, skew: float, again: Callable[[float], object] | None) -> Callable[[float], object]:
        def send(at: float) -> None:
            seconds = self.seconds(self.rng)
            quota, throttled = self.upstream.receive(at, seconds, grant.ask.resource)
            bill = Bill(0 if throttled else 1, seconds, quota=quota, throttled=throttled)
            self._at(at + seconds + self.rng.uniform(0, 0.2), self._settler(grant, bill, skew, again))

        return send

    def _settler(
        self, grant: Grant, bill: Bill, skew: float, again: Callable[[float], object] | None
    ) -> Callable[[float], object]:
        async def settle(at: float) -> None:
            await self.budget.settle(grant, bill, START + timedelta(seconds=at + skew))
            if again is not None:
                self._at(at, again)

        return settle
