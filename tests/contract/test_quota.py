"""The contract of every quota ledger: one suite over memory and Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from fetcher.domain.model import Purpose
from fetcher.quota import MemoryQuota, Pause, PauseCause, Quota, QuotaPolicy, QuotaRequest, ResourceLimits
from fetcher.quota.redis import RedisQuota
from fetcher.upstreams.github.limits import Resource
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.policies import POLICIES
from tests.unit.quota.builders import (
    CORE,
    GRAPHQL,
    HOUR,
    at,
    background,
    manual,
    pause,
    refusal,
    report_quota,
    reserve,
    reserve_all,
    since_start,
    usage,
)
from tests.unit.quota.swarm import Swarm, Upstream

ROLLING = QuotaPolicy((ResourceLimits("api", points=100, rolling=5),))
"""An upstream whose hour rolls."""


@pytest.fixture(params=["memory", "redis"])
async def quota(request: pytest.FixtureRequest) -> AsyncIterator[Quota]:
    policies = {**POLICIES, "rolling": ROLLING}
    if request.param == "memory":
        yield MemoryQuota(policies)
        return
    async with Redis.from_url(request.getfixturevalue("redis_url")) as redis:
        yield RedisQuota(redis, policies)


# --- the primary quota --------------------------------------------------------------------------------------------


async def test_one_probe_goes_before_the_quota_is_known(quota: Quota) -> None:
    """Send one probe at a cold start and let the other requests wait for its response."""
    probe = await reserve(quota, manual(), 0)
    assert "unknown" in (await refusal(quota, manual(), 0.1)).reason
    await reserve(quota, manual(GRAPHQL), 0.1)
    await quota.settle(probe, usage(3), at(0.2))
    assert len(await reserve_all(quota, manual(), 0.3)) == 3


async def test_an_overdue_probe_is_replaced(quota: Quota) -> None:
    """Send a second probe when the first is overdue, before its reservation expires."""
    await reserve(quota, manual(), 0)
    await refusal(quota, manual(), 29)
    await reserve(quota, manual(), 31)


async def test_the_background_leaves_the_manual_share(quota: Quota) -> None:
    """Refuse background requests below the pace, and grant manual requests until the last point."""
    await report_quota(quota, 40)
    refused = await refusal(quota, background(), 0)
    assert refused.reason == "primary quota"
    assert len(await reserve_all(quota, manual(), 0)) == 40
    assert since_start((await refusal(quota, manual(), 0)).until) == HOUR + 2


async def test_the_background_spreads_to_the_reset(quota: Quota) -> None:
    """Grant a tenth at once, then one point each 3600 / 4500 s, exactly at the moment that a refusal names."""
    await report_quota(quota, 4_501)
    first = await reserve(quota, background(), 0)
    await quota.settle(first, usage(4_500), at(0))
    refused = await refusal(quota, background(), 0)
    assert since_start(refused.until) == pytest.approx(0.8, abs=0.002)
    await refusal(quota, background(), 0.79)
    await reserve(quota, background(), since_start(refused.until))


async def test_responses_out_of_order_do_not_raise_the_rest(quota: Quota) -> None:
    """Keep the lower of two figures of one window, however the resets jitter; a later window replaces both."""
    await report_quota(quota, 100)
    late, early = await reserve(quota, manual(), 1), await reserve(quota, manual(), 1)
    await quota.settle(late, usage(7, reset=HOUR + 1), at(2))
    await quota.settle(early, usage(99, reset=HOUR), at(2))
    assert (await quota.quota_status(at(2)))[0].remaining == 7
    following = await reserve(quota, manual(), 3)
    await quota.settle(following, usage(4_999, reset=HOUR + 1800), at(3))
    assert (await quota.quota_status(at(3)))[0].remaining == 4_999


async def test_the_window_is_renewed_after_its_reset(quota: Quota) -> None:
    """Renew the quota after the reset and the grace period; a late response of the old window changes nothing."""
    await report_quota(quota, 1)
    last = await reserve(quota, manual(), HOUR - 1)
    await refusal(quota, manual(), HOUR + 1)
    await reserve(quota, background(), HOUR + 2)
    await quota.settle(last, usage(0), at(HOUR + 2.5))
    assert (await quota.quota_status(at(HOUR + 3)))[0].remaining == 5_000


async def test_a_response_without_headers_is_counted(quota: Quota) -> None:
    """Subtract the usage where no header reports the remaining quota."""
    await report_quota(quota, 10)
    await quota.settle(await reserve(quota, manual(), 1), usage(points=3), at(1))
    assert (await quota.quota_status(at(1)))[0].remaining == 7


async def test_without_a_credential(quota: Quota) -> None:
    """Grant an anonymous identity 60 requests an hour and no GraphQL."""
    anonymous = background(identity="anonymous@10.0.0.1")
    probe = await reserve(quota, anonymous, 0)
    await quota.settle(probe, usage(59, limit=60), at(0))
    assert len(await reserve_all(quota, anonymous, 0)) == 5
    refused = await refusal(quota, manual(GRAPHQL, identity="anonymous@10.0.0.1"), 0)
    assert refused.reason == "the upstream requires a credential for it"


async def test_a_rolling_hour_is_counted(quota: Quota) -> None:
    """Count requests for an hour after their settlement; without a reset, as much becomes free as was spent then."""
    request = QuotaRequest("octo", "rolling", "api", Purpose.MANUAL)
    early = await reserve(quota, request, 0)
    await quota.settle(early, usage(), at(1))
    late = await reserve_all(quota, request, HOUR - 10)
    for each in late:
        await quota.settle(each, usage(), at(HOUR - 9))
    refused = await refusal(quota, request, HOUR)

    assert (len(late), refused.reason, refused.contention) == (4, "primary quota", False)
    assert HOUR + 1 <= since_start(refused.until) <= HOUR + 60
    assert len(await reserve_all(quota, request, since_start(refused.until))) == 1


# --- the secondary limits -----------------------------------------------------------------------------------------


async def test_points_a_minute_slide(quota: Quota) -> None:
    """Limit 900 requests in any 60 s, also across the boundary of two minutes."""
    await report_quota(quota, 5_000)
    sent = 1
    for second in range(50, 70):
        for each in await reserve_all(quota, manual(seconds=0), second, most=50):
            sent += 1
            await quota.settle(each, usage(5_000 - sent, seconds=0), at(second))
    assert sent == 855 + 1
    refused = await refusal(quota, manual(), 70)
    assert refused.reason == "points a minute"
    assert since_start(refused.until) == pytest.approx(110.5)


async def test_a_304_counts_as_a_request(quota: Quota) -> None:
    """Count a 304 and each repeat by the transport in the minute; neither costs a primary point."""
    await report_quota(quota, 5_000)
    for _ in range(85):
        each = await reserve(quota, manual(seconds=0), 1)
        await quota.settle(each, usage(5_000, points=0, seconds=0, attempts=10), at(1))
    assert (await quota.quota_status(at(1)))[0].remaining == 5_000
    assert len(await reserve_all(quota, manual(seconds=0), 1)) == 855 - 850 - 1


async def test_in_flight_counts_both_resources(quota: Quota) -> None:
    """Share 100 slots between REST and GraphQL; some are kept for manual requests, and some stay free."""
    await report_quota(quota, 5_000)
    await report_quota(quota, 5_000, resource=GRAPHQL)
    assert len(await reserve_all(quota, background(seconds=0), 1, most=50)) == 50
    assert len(await reserve_all(quota, background(GRAPHQL, seconds=0), 1)) == 40
    assert len(await reserve_all(quota, manual(seconds=0), 1)) == 5


async def test_response_seconds_bound_graphql_and_all(quota: Quota) -> None:
    """Limit response seconds to 60 a minute of GraphQL and 90 in all, counted for a minute after the response."""
    await report_quota(quota, 5_000)
    await report_quota(quota, 5_000, resource=GRAPHQL)
    for second in (1, 2, 3, 4, 5):
        each = await reserve(quota, manual(GRAPHQL, seconds=11.5), second)
        await quota.settle(each, usage(4_900, seconds=11.5, resource=GRAPHQL), at(second))
    refused = await refusal(quota, manual(GRAPHQL, seconds=11.5), 6)
    assert refused.reason == "response seconds a minute of this resource"
    assert since_start(refused.until) == pytest.approx(61.5)
    assert len(await reserve_all(quota, manual(seconds=10.0), 6)) == 3
    assert (await refusal(quota, manual(seconds=10.0), 6)).reason == "response seconds a minute"


async def test_the_background_does_not_take_a_minute_at_once(quota: Quota) -> None:
    """Limit background requests to a third of a minute's response seconds in ten seconds."""
    await report_quota(quota, 5_000)
    assert len(await reserve_all(quota, background(seconds=2.0), 0)) == 14
    assert (await refusal(quota, background(seconds=2.0), 0)).reason == "response seconds at once"


async def test_a_refused_manual_request_has_precedence(quota: Quota) -> None:
    """Give a free slot to the refused manual request, not to the background request that comes first."""
    await report_quota(quota, 5_000)
    reservations = await reserve_all(quota, manual(seconds=0), 1)
    assert len(reservations) == 95
    await refusal(quota, manual(seconds=0), 1)
    for each in reservations[:20]:
        await quota.settle(each, usage(4_900, seconds=0), at(1.1))
    assert (await refusal(quota, background(seconds=0), 1.1)).reason == "a manual request has precedence"
    await reserve(quota, manual(seconds=0), 1.1)
    await reserve(quota, background(seconds=0), 1.1)


async def test_pypi_has_our_own_limits(quota: Quota) -> None:
    """Grant ten requests at once and twenty a second to the index, without a quota to probe for."""
    reservations = await reserve_all(quota, manual(PYPI), 0)
    assert len(reservations) == 10
    for each in reservations:
        await quota.settle(each, usage(), at(0.1))
    reservations = await reserve_all(quota, manual(PYPI), 0.2)
    for each in reservations:
        await quota.settle(each, usage(), at(0.3))
    assert (await refusal(quota, manual(PYPI), 0.3)).reason == "points a minute"
    await reserve(quota, manual(PYPI), 1.4)


# --- pauses -------------------------------------------------------------------------------------------------------


async def test_retry_after_holds_the_identity(quota: Quota) -> None:
    """Pause REST and GraphQL of the identity for 90 s; PyPI and other identities are not affected."""
    await report_quota(quota, 5_000)
    each = await reserve(quota, manual(), 1)
    await quota.settle(each, usage(4_999, pause=pause(retry_after=90)), at(1))
    for resource in (CORE, GRAPHQL):
        refused = await refusal(quota, manual(resource), 80)
        assert (since_start(refused.until), refused.reason) == (93, "slow down")
    await reserve(quota, manual(PYPI), 2)
    await reserve(quota, manual(identity="other"), 2)
    await reserve(quota, manual(), 93)


async def test_an_exhausted_quota_holds_its_resource(quota: Quota) -> None:
    """Pause the exhausted resource until its reset; the other resource continues."""
    await report_quota(quota, 5_000)
    each = await reserve(quota, manual(), 1)
    await quota.settle(each, usage(0, pause=pause(reset=HOUR)), at(1))
    assert since_start((await refusal(quota, manual(), 2)).until) == HOUR + 2
    await reserve(quota, manual(GRAPHQL), 2)
    await reserve(quota, manual(), HOUR + 2)


async def test_a_limit_with_points_left_holds_its_resource(quota: Quota) -> None:
    """Wait for the named reset though four points are left, also after a later response of the same window."""
    await report_quota(quota, 5_000)
    await report_quota(quota, 5_000, resource=GRAPHQL)
    first, second = [await reserve(quota, manual(GRAPHQL), 1) for _ in range(2)]
    await quota.settle(first, usage(4, resource=GRAPHQL, pause=pause(reset=HOUR)), at(1))
    await quota.settle(second, usage(4, resource=GRAPHQL), at(2))
    for request in (manual(GRAPHQL), background(GRAPHQL)):
        refused = await refusal(quota, request, 3)
        assert (since_start(refused.until), refused.reason) == (HOUR + 2, "slow down")
    await reserve(quota, manual(), 3)
    await reserve(quota, background(), 3)
    await reserve(quota, manual(GRAPHQL), HOUR + 2)


async def test_the_back_off_grows_to_an_hour_and_ends_with_a_success(quota: Quota) -> None:
    """Double an unspecified pause from a minute to an hour; a good response resets it to a minute."""
    await report_quota(quota, 5_000)
    now, pauses = 1.0, []
    for _ in range(8):
        each = await reserve(quota, manual(), now)
        await quota.settle(each, usage(4_000, reset=9 * HOUR, pause=pause()), at(now))
        until = since_start((await refusal(quota, manual(), now)).until)
        pauses.append(until - now)
        now = until
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    await quota.settle(await reserve(quota, manual(), now), usage(4_000, reset=now + HOUR), at(now))
    await quota.settle(await reserve(quota, manual(), now), usage(pause=pause(), points=0), at(now))
    assert since_start((await refusal(quota, manual(), now)).until) == now + 60


async def test_requests_throttled_together_are_one_failure(quota: Quota) -> None:
    """Pause for a minute, not for an hour, when ten requests in flight are throttled together."""
    await report_quota(quota, 5_000)
    for each in await reserve_all(quota, manual(), 1, most=10):
        await quota.settle(each, usage(4_000, pause=pause()), at(2))
    assert since_start((await refusal(quota, manual(), 3)).until) == 62


# --- reservations, clocks and estimates ---------------------------------------------------------------------------


async def test_an_unsettled_reservation_expires_as_spent(quota: Quota) -> None:
    """Count an expired reservation as spent and free its slot after 150 s."""
    await report_quota(quota, 100)
    await reserve(quota, manual(points=60), 1)
    await refusal(quota, manual(points=60), 100)
    assert (await quota.quota_status(at(150)))[0].in_flight == 1
    later = (await quota.quota_status(at(152)))[0]
    assert (later.in_flight, later.remaining) == (0, 40)


async def test_workers_clocks_may_differ_a_little(quota: Quota) -> None:
    """Keep every window when a worker whose clock lags by 4 s makes a reservation."""
    await report_quota(quota, 5_000, now=100)
    for each in await reserve_all(quota, manual(seconds=0), 100, most=95):
        await quota.settle(each, usage(4_900, seconds=0), at(100))
    lagging = await reserve(quota, manual(), 96)
    assert lagging.at == at(100)


async def test_a_clock_set_back_does_not_freeze_the_ledger(quota: Quota) -> None:
    """Keep the length of a pause and the usage of the windows when the clock is set back by an hour."""
    await report_quota(quota, 5_000, now=0)
    each = await reserve(quota, manual(), 0)
    await quota.settle(each, usage(4_999, pause=pause(retry_after=30)), at(0))
    assert since_start((await refusal(quota, manual(), -HOUR)).until) == pytest.approx(32 - HOUR)
    await reserve(quota, manual(), 33 - HOUR)
    assert len(await reserve_all(quota, manual(seconds=0), 33 - HOUR)) == 94


async def test_an_upstream_with_another_clock_is_believed_in_its_figures(quota: Quota) -> None:
    """Keep the reported figure when the reset is long past, because our clock runs an hour ahead."""
    probe = await reserve(quota, manual(), 2 * HOUR)
    await quota.settle(probe, usage(2, reset=HOUR), at(2 * HOUR))
    assert len(await reserve_all(quota, manual(), 2 * HOUR)) == 2
    await reserve(quota, manual(), 3 * HOUR + 3)


async def test_capacity_never_blocks_progress(quota: Quota) -> None:
    """Estimate at least one request unless a pause outlasts the horizon, and more for a longer horizon."""
    minute = timedelta(minutes=1)
    assert await quota.capacity(background(), minute, at(0)) >= 1
    await report_quota(quota, 4_500)
    assert await quota.capacity(background(), minute, at(0)) == pytest.approx(75, abs=2)
    assert await quota.capacity(background(), 10 * minute, at(0)) == pytest.approx(750, abs=2)
    assert await quota.capacity(background(points=10), 10 * minute, at(0)) == pytest.approx(75, abs=1)
    each = await reserve(quota, manual(), 1)
    await quota.settle(each, usage(0, pause=pause(retry_after=300)), at(1))
    assert await quota.capacity(background(), minute, at(1)) == 0
    assert await quota.capacity(background(), 6 * minute, at(1)) == 1
    assert await quota.capacity(manual(GRAPHQL, identity="anonymous"), minute, at(1)) == 0


async def test_the_capacity_recovers_after_a_timeout(quota: Quota) -> None:
    """Reduce the capacity to a tenth after a timeout of 30 s; a third is back after thirty quick responses."""
    request, minute = background(PYPI, identity="index"), timedelta(minutes=1)
    usual = await quota.capacity(request, minute, at(0))
    await quota.settle(await reserve(quota, request, 0), usage(seconds=30), at(30))
    assert await quota.capacity(request, minute, at(32)) < usual / 10
    for number in range(30):
        await quota.settle(await reserve(quota, request, 33 + number), usage(seconds=0.1), at(33 + number))
    assert await quota.capacity(request, minute, at(65)) > usual / 3


async def test_the_status_shows_the_known_quota(quota: Quota) -> None:
    """Report the quota, the requests in flight and the pause of each identity's resources."""
    await report_quota(quota, 4_321)
    each = await reserve(quota, manual(), 1)
    await reserve(quota, manual(PYPI), 1)
    await quota.settle(each, usage(4_000, pause=pause(retry_after=60)), at(2))
    await reserve(quota, manual(PYPI), 2)
    core, pypi = await quota.quota_status(at(3))
    assert (core.identity, core.resource, core.limit, core.remaining) == ("octo", CORE, 5_000, 4_000)
    assert (core.reset_at, core.paused_until, core.pause_reason) == (at(HOUR), at(64), "slow down")
    assert core.pause_cause is PauseCause.LIMIT
    assert (pypi.resource, pypi.limit, pypi.remaining, pypi.in_flight) == (PYPI, None, None, 2)
    assert (pypi.paused_until, pypi.pause_cause) == (None, None)


@pytest.mark.parametrize(
    ("demanded", "cause"),
    [
        (pause(retry_after=30), PauseCause.LIMIT),
        (pause(), PauseCause.LIMIT),
        (pause(reset=HOUR), PauseCause.QUOTA),
        (pause(retry_after=600, cause=PauseCause.REJECTED), PauseCause.REJECTED),
    ],
)
async def test_a_pause_has_its_cause(quota: Quota, demanded: Pause, cause: PauseCause) -> None:
    """Report the cause of a pause as long as it lasts."""
    await report_quota(quota, 5_000)
    await quota.settle(await reserve(quota, manual(), 1), usage(0, pause=demanded), at(1))
    assert [status.pause_cause for status in await quota.quota_status(at(2))] == [cause]
    assert [status.pause_cause for status in await quota.quota_status(at(HOUR + 3))] == [None]


async def test_the_longer_pause_has_its_cause(quota: Quota) -> None:
    """Report the later of an account's and a resource's pause."""
    first, second = await reserve(quota, manual(GRAPHQL), 1), await reserve(quota, manual(), 1)
    await quota.settle(first, usage(0, resource=GRAPHQL, pause=pause(reset=HOUR)), at(1))
    await quota.settle(second, usage(pause=pause(retry_after=600, cause=PauseCause.REJECTED)), at(1))
    core, graphql = await quota.quota_status(at(2))
    assert (core.pause_cause, graphql.pause_cause) == (PauseCause.REJECTED, PauseCause.QUOTA)


# --- a resource that is counted apart -----------------------------------------------------------------------------


async def test_git_has_its_own_requests_in_flight(quota: Quota) -> None:
    """Two background requests over git are in flight at once, and the API's requests do not count among them."""
    await report_quota(quota, 4_999)
    await reserve(quota, manual(), 0)
    for _ in range(2):
        await reserve(quota, background(Resource.GIT), 0)
    assert (await refusal(quota, background(Resource.GIT), 0)).reason == "requests in flight"
    await reserve(quota, background(), 0)


async def test_git_spends_no_response_seconds_of_the_api(quota: Quota) -> None:
    """Slow responses over git do not delay the API, nor do the API's delay git."""
    await report_quota(quota, 4_999)
    for number in range(5):
        slow = await reserve(quota, background(Resource.GIT), number)
        await quota.settle(slow, usage(seconds=60.0), at(number + 0.5))
    await reserve(quota, background(), 6)
    for number in range(2):
        slow = await reserve(quota, manual(), 7 + number)
        await quota.settle(slow, usage(4_990, seconds=60.0), at(7.5 + number))
    assert "response seconds" in (await refusal(quota, background(), 10)).reason
    await reserve(quota, background(Resource.GIT), 10)


async def test_git_pauses_alone(quota: Quota) -> None:
    """A throttled request over git pauses git, and a throttled request of the API does not."""
    await report_quota(quota, 4_999)
    throttled = await reserve(quota, background(Resource.GIT), 0)
    await quota.settle(throttled, usage(pause=pause()), at(1))
    assert since_start((await refusal(quota, background(Resource.GIT), 2)).until) == 61
    api = await reserve(quota, background(), 2)
    await quota.settle(api, usage(pause=pause(retry_after=600)), at(3))
    await refusal(quota, background(), 100)
    await reserve(quota, background(Resource.GIT), 100)
    paused = {status.resource: status.paused_until for status in await quota.quota_status(at(100))}
    assert paused[Resource.GIT] is None
    assert paused[CORE] is not None


async def test_a_forgotten_identity_is_not_listed(quota: Quota) -> None:
    """List a token's account instead of the token, until the token itself is used again."""
    each = await reserve(quota, manual(GRAPHQL, identity="token:1"), 0)
    await reserve(quota, manual(PYPI, identity="index:host"), 0)
    await quota.settle(each, usage(4_999), at(1))
    await quota.forget("token:1")
    await quota.forget("never seen")
    assert [status.identity for status in await quota.quota_status(at(2))] == ["index:host"]
    await reserve(quota, manual(GRAPHQL, identity="token:1"), 3)
    assert {status.identity for status in await quota.quota_status(at(4))} == {"index:host", "token:1"}


async def test_a_swarm_trips_nothing(quota: Quota) -> None:
    """Trip no limit in four minutes of thirty workers with random latencies and a brute-force upstream."""
    swarm = Swarm(
        quota,
        Upstream(),
        (CORE, GRAPHQL),
        seconds=lambda rng: min(10.0, rng.lognormvariate(-2, 1)),
        slots=30,
        manual_every=10.0,
        skew=1.0,
    )
    await swarm.run(240.0)
    assert swarm.upstream.trips == []
    assert swarm.reservations > 500
