"""Quota policies of forges: documented limits, careful defaults, and an operator's pace."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from fetcher.domain.model import Purpose
from fetcher.forge_settings import ForgeSetting
from fetcher.quota import MemoryQuota, QuotaPolicy, QuotaRequest, Reservation, Usage
from fetcher.upstreams.hosted.hosts import Hosts
from fetcher.upstreams.hosted.policies import MOST_IN_FLIGHT, Resource, git_resource, policy_of
from tests.harness.clock import NOW

HALF_HOUR = timedelta(minutes=30)
SPANS = (timedelta(seconds=45), HALF_HOUR)


async def sent(policy: QuotaPolicy, span: timedelta, resource: str = Resource.API, identity: str = "token:1") -> int:
    """Return the number of background requests of 50 ms that a ledger admits one after the other within ``span``."""
    return len(await moments(policy, span, resource, identity))


async def moments(
    policy: QuotaPolicy, span: timedelta, resource: str = Resource.API, identity: str = "token:1"
) -> list[datetime]:
    """Return the moments at which a ledger admits background requests of 50 ms, one after the other."""
    quota, now = MemoryQuota({"a": policy}), NOW
    admitted: list[datetime] = []
    request = QuotaRequest(identity, "a", resource, Purpose.BACKGROUND, seconds=0.05)
    while now < NOW + span:
        found = await quota.reserve(request, now)
        if isinstance(found, Reservation):
            admitted.append(now)
            now += timedelta(milliseconds=50)
            await quota.settle(found, Usage(1, 0.05), now)
        else:
            now = max(found.until, now + timedelta(milliseconds=1))
    return admitted


async def test_an_unknown_host() -> None:
    """One request in flight and one a second, git included."""
    host = Hosts().forge("git.example.org")
    policy = policy_of(host)
    assert git_resource(host) == Resource.API
    quota = MemoryQuota({"a": policy})
    request = QuotaRequest("anonymous", "a", Resource.API, Purpose.BACKGROUND)
    assert isinstance(await quota.reserve(request, NOW), Reservation)
    assert not isinstance(await quota.reserve(request, NOW + timedelta(seconds=20)), Reservation)
    assert 55 <= await sent(policy, timedelta(minutes=1)) <= 60


async def test_codeberg_stays_under_a_quarter() -> None:
    """Of 4,000 requests in any 30 minutes, at most 1,000 are sent, and at most one a second."""
    policy = policy_of(Hosts().forge("codeberg.org"))
    assert git_resource(Hosts().forge("codeberg.org")) == Resource.API
    admitted = await moments(policy, 4 * HALF_HOUR)
    most = {span: max(sum(first <= one < first + span for one in admitted) for first in admitted) for span in SPANS}
    assert 700 <= most[HALF_HOUR] <= 1_000
    assert most[SPANS[0]] <= SPANS[0].total_seconds()


async def test_gitlab_com() -> None:
    """The background uses a quarter of the documented limit, more with a token; git is counted apart."""
    anonymous = Hosts().forge("gitlab.com")
    known = Hosts({"gitlab.com": ForgeSetting.model_validate({"token": "t"})}).forge("gitlab.com")
    minute = timedelta(minutes=1)
    assert await sent(policy_of(anonymous), minute) <= 125
    assert 125 < await sent(policy_of(known), minute) <= 500
    assert git_resource(anonymous) == Resource.GIT


async def test_bitbucket_without_an_account() -> None:
    """At most 60 API requests an hour; git is not limited by them."""
    host = Hosts().forge("bitbucket.org")
    policy = policy_of(host)
    assert await sent(policy, timedelta(hours=1), identity="anonymous") <= 60
    assert await sent(policy, timedelta(minutes=10), Resource.GIT, identity="anonymous") > 60
    assert git_resource(host) == Resource.GIT


@pytest.mark.parametrize(("identity", "limit"), [("anonymous", 60), ("token:1", 1_000)])
async def test_bitbucket_counts_a_rolling_hour(identity: str, limit: int) -> None:
    """Wherever an hour begins, it holds nine tenths of the limit; a tenth is left to manual requests."""
    settings = {} if identity == "anonymous" else {"bitbucket.org": ForgeSetting.model_validate({"token": "t"})}
    policy = policy_of(Hosts(settings).forge("bitbucket.org"))
    admitted = await moments(policy, timedelta(hours=4), identity=identity)
    hour = timedelta(hours=1)
    most = max(sum(first <= one < first + hour for one in admitted) for first in admitted)

    assert limit * 0.8 < most <= limit * 0.9


@pytest.mark.parametrize(("per_second", "fewest", "most"), [(0.2, 110, 128), (3, 1_500, 1_800), (50, 6_000, 12_000)])
async def test_an_operators_pace(per_second: float, fewest: int, most: int) -> None:
    """The setting replaces the default pace; one request after the other takes 50 ms here.

    Below one a second, eight may follow each other.
    """
    host = replace(Hosts().forge("git.example.org"), per_second=per_second)
    assert fewest <= await sent(policy_of(host), timedelta(minutes=10)) <= most
    assert policy_of(host).in_flight == min(MOST_IN_FLIGHT, max(1, int(per_second)))


async def test_an_operators_pace_keeps_the_limit_of_the_hour() -> None:
    """More requests a second do not lift Bitbucket's hourly limit."""
    host = replace(Hosts().forge("bitbucket.org"), per_second=20.0)
    assert await sent(policy_of(host), timedelta(hours=1), identity="anonymous") <= 60


async def test_two_hosts_do_not_share_an_account() -> None:
    """A host whose account is exhausted delays no other host, even with the same identity."""
    policy = policy_of(Hosts().forge("git.example.org"))
    quota = MemoryQuota({"a": policy, "b": policy})

    async def reserve(upstream: str, now: datetime) -> bool:
        request = QuotaRequest("anonymous", upstream, Resource.API, Purpose.BACKGROUND)
        return isinstance(await quota.reserve(request, now), Reservation)

    assert [await reserve("a", NOW), await reserve("a", NOW), await reserve("b", NOW)] == [True, False, True]
