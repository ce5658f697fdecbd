"""Short words for what the budget's tests say often. Times are seconds since ``START``."""

from __future__ import annotations

from datetime import datetime, timedelta

from fetcher.model import Purpose, Quota
from fetcher.outcome import Throttled
from fetcher.ports import Ask, Bill, Budget, Grant, Wait
from fetcher.wire import Resource
from tests.unit.budget.swarm import START

CORE, GRAPHQL, PYPI = Resource.CORE, Resource.GRAPHQL, Resource.PYPI
HOUR = 3600.0


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def since_start(moment: datetime) -> float:
    return (moment - START).total_seconds()


def manual(resource: Resource = CORE, points: int = 1, seconds: float = 0.1, identity: str = "octo") -> Ask:
    return Ask(identity, resource, Purpose.MANUAL, points, seconds)


def background(resource: Resource = CORE, points: int = 1, seconds: float = 0.1, identity: str = "octo") -> Ask:
    return Ask(identity, resource, Purpose.BACKGROUND, points, seconds)


def bill(
    remaining: int | None = None,
    *,
    limit: int = 5_000,
    reset: float = HOUR,
    points: int = 1,
    seconds: float = 0.1,
    attempts: int = 1,
    resource: Resource = CORE,
    throttled: Throttled | None = None,
) -> Bill:
    quota = None if remaining is None else Quota(resource.value, limit, remaining, at(reset))
    return Bill(points, seconds, attempts, quota, throttled)


def throttled(retry_after: float | None = None, reset: float | None = None) -> Throttled:
    return Throttled(
        "slow down",
        None if retry_after is None else timedelta(seconds=retry_after),
        None if reset is None else at(reset),
    )


async def grant(budget: Budget, ask: Ask, now: float) -> Grant:
    verdict = await budget.reserve(ask, at(now))
    assert isinstance(verdict, Grant), verdict
    return verdict


async def wait(budget: Budget, ask: Ask, now: float) -> Wait:
    verdict = await budget.reserve(ask, at(now))
    assert isinstance(verdict, Wait), verdict
    assert verdict.until > at(now)
    return verdict


async def tell(
    budget: Budget, remaining: int, now: float = 0.0, *, resource: Resource = CORE, limit: int = 5_000
) -> None:
    """Let one probe tell the quota."""
    probe = await grant(budget, manual(resource), now)
    await budget.settle(probe, bill(remaining, resource=resource, limit=limit), at(now))


async def granted(budget: Budget, ask: Ask, now: float, most: int = 1_000) -> list[Grant]:
    """Reserve until the budget says wait."""
    grants: list[Grant] = []
    while len(grants) < most:
        verdict = await budget.reserve(ask, at(now))
        if isinstance(verdict, Wait):
            break
        grants.append(verdict)
    return grants
