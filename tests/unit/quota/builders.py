"""Short builders and steps for the tests of the quota ledger. Times are seconds since ``START``."""

from __future__ import annotations

from datetime import datetime, timedelta

from fetcher.domain.model import Purpose, ReportedQuota
from fetcher.quota import Pause, PauseCause, Quota, QuotaRequest, Reservation, RetryAt, Usage
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.pypi.limits import PYPI
from tests.unit.quota.swarm import START

CORE, GRAPHQL = Resource.CORE, Resource.GRAPHQL
HOUR = 3600.0


def at(seconds: float) -> datetime:
    """Return the moment ``seconds`` after ``START``."""
    return START + timedelta(seconds=seconds)


def since_start(moment: datetime) -> float:
    """Return the seconds from ``START`` to ``moment``."""
    return (moment - START).total_seconds()


def manual(resource: str = CORE, points: int = 1, seconds: float = 0.1, identity: str = "octo") -> QuotaRequest:
    """Build a manual request."""
    return QuotaRequest(identity, PYPI if resource == PYPI else GITHUB, resource, Purpose.MANUAL, points, seconds)


def background(resource: str = CORE, points: int = 1, seconds: float = 0.1, identity: str = "octo") -> QuotaRequest:
    """Build a background request."""
    return QuotaRequest(identity, PYPI if resource == PYPI else GITHUB, resource, Purpose.BACKGROUND, points, seconds)


def usage(
    remaining: int | None = None,
    *,
    limit: int = 5_000,
    reset: float = HOUR,
    points: int = 1,
    seconds: float = 0.1,
    attempts: int = 1,
    resource: str = CORE,
    pause: Pause | None = None,
) -> Usage:
    """Build a usage; its response reported the quota if ``remaining`` is given."""
    quota = None if remaining is None else ReportedQuota(str(resource), limit, remaining, at(reset))
    return Usage(points, seconds, attempts, quota, pause)


def pause(
    retry_after: float | None = None,
    reset: float | None = None,
    cause: PauseCause | None = None,
    reason: str = "slow down",
) -> Pause:
    """Build a pause; its cause is the quota if only a reset is given."""
    usual = PauseCause.LIMIT if reset is None else PauseCause.QUOTA
    return Pause(
        cause or usual,
        reason,
        None if retry_after is None else timedelta(seconds=retry_after),
        None if reset is None else at(reset),
    )


async def reserve(quota: Quota, request: QuotaRequest, now: float) -> Reservation:
    """Reserve one request, which must succeed."""
    found = await quota.reserve(request, at(now))
    assert isinstance(found, Reservation), found
    return found


async def refusal(quota: Quota, request: QuotaRequest, now: float) -> RetryAt:
    """Reserve one request, which must be refused."""
    found = await quota.reserve(request, at(now))
    assert isinstance(found, RetryAt), found
    assert found.until > at(now)
    return found


async def report_quota(
    quota: Quota, remaining: int, now: float = 0.0, *, resource: str = CORE, limit: int = 5_000
) -> None:
    """Settle one probe whose response reports the quota."""
    probe = await reserve(quota, manual(resource), now)
    await quota.settle(probe, usage(remaining, resource=resource, limit=limit), at(now))


async def reserve_all(quota: Quota, request: QuotaRequest, now: float, most: int = 1_000) -> list[Reservation]:
    """Reserve until the ledger refuses, at most ``most`` times."""
    found: list[Reservation] = []
    while len(found) < most:
        each = await quota.reserve(request, at(now))
        if isinstance(each, RetryAt):
            break
        found.append(each)
    return found
