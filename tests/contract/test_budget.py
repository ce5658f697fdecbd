"""What every keeper of the quota ledger does: one suite over memory and Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from fetcher.budget import Limits, MemoryBudget
from fetcher.budget.redis_keeper import RedisBudget
from fetcher.ports import Budget
from tests.unit.budget.asks import (
    CORE,
    GRAPHQL,
    HOUR,
    PYPI,
    at,
    background,
    bill,
    grant,
    granted,
    manual,
    since_start,
    tell,
    throttled,
    wait,
)
from tests.unit.budget.swarm import Swarm, Upstream


@pytest.fixture(params=["memory", "redis"])
async def budget(request: pytest.FixtureRequest) -> AsyncIterator[Budget]:
    if request.param == "memory":
        yield MemoryBudget(Limits())
        return
    async with Redis.from_url(request.getfixturevalue("redis_url")) as redis:
        yield RedisBudget(redis, Limits())


# --- the primary quota --------------------------------------------------------------------------------------------


async def test_one_probe_goes_before_the_quota_is_known(budget: Budget) -> None:
    """Nobody knows what is left at a cold start: one request finds out, the others wait for its answer."""
    probe = await grant(budget, manual(), 0)
    assert "unknown" in (await wait(budget, manual(), 0.1)).reason
    await grant(budget, manual(GRAPHQL), 0.1)
    await budget.settle(probe, bill(3), at(0.2))
    assert len(await granted(budget, manual(), 0.3)) == 3


async def test_a_silent_probe_is_given_up(budget: Budget) -> None:
    """A worker that dies with the probe does not keep the others waiting until its grant expires."""
    await grant(budget, manual(), 0)
    await wait(budget, manual(), 29)
    await grant(budget, manual(), 31)


async def test_the_background_leaves_people_their_share(budget: Budget) -> None:
    """With the pace's line reached the background waits, while a person is served to the last point."""
    await tell(budget, 40)
    refused = await wait(budget, background(), 0)
    assert refused.reason == "primary quota"
    assert len(await granted(budget, manual(), 0)) == 40
    assert since_start((await wait(budget, manual(), 0)).until) == HOUR + 2


async def test_the_background_spreads_to_the_reset(budget: Budget) -> None:
    """A tenth goes at once, then one point each 3600 / 4500 s; the moment told is exactly when the next may go."""
    await tell(budget, 4_501)
    first = await grant(budget, background(), 0)
    await budget.settle(first, bill(4_500), at(0))
    refused = await wait(budget, background(), 0)
    assert since_start(refused.until) == pytest.approx(0.8, abs=0.002)
    await wait(budget, background(), 0.79)
    await grant(budget, background(), since_start(refused.until))


async def test_answers_out_of_order_do_not_raise_what_is_left(budget: Budget) -> None:
    """Of two figures of one window the lower is right, however the resets jitter; a later window's counts anew."""
    await tell(budget, 100)
    late, early = await grant(budget, manual(), 1), await grant(budget, manual(), 1)
    await budget.settle(late, bill(7, reset=HOUR + 1), at(2))
    await budget.settle(early, bill(99, reset=HOUR), at(2))
    assert (await budget.standings(at(2)))[0].remaining == 7
    following = await grant(budget, manual(), 3)
    await budget.settle(following, bill(4_999, reset=HOUR + 1800), at(3))
    assert (await budget.standings(at(3)))[0].remaining == 4_999


async def test_the_window_starts_anew_after_its_reset(budget: Budget) -> None:
    """Past the reset (and the grace for the upstream's clock) the quota is whole, and a late answer changes nothing."""
    await tell(budget, 1)
    last = await grant(budget, manual(), HOUR - 1)
    await wait(budget, manual(), HOUR + 1)
    await grant(budget, background(), HOUR + 2)
    await budget.settle(last, bill(0), at(HOUR + 2.5))
    assert (await budget.standings(at(HOUR + 3)))[0].remaining == 5_000


async def test_an_answer_without_headers_is_counted_by_us(budget: Budget) -> None:
    """Where no header tells what is left, what the bill says is taken off."""
    await tell(budget, 10)
    await budget.settle(await grant(budget, manual(), 1), bill(points=3), at(1))
    assert (await budget.standings(at(1)))[0].remaining == 7


async def test_without_a_credential(budget: Budget) -> None:
    """An anonymous identity has 60 requests an hour and no GraphQL at all."""
    nobody = background(identity="anonymous@10.0.0.1")
    probe = await grant(budget, nobody, 0)
    await budget.settle(probe, bill(59, limit=60), at(0))
    assert len(await granted(budget, nobody, 0)) == 5
    refused = await wait(budget, manual(GRAPHQL, identity="anonymous@10.0.0.1"), 0)
    assert refused.reason == "GraphQL needs a credential"


# --- the secondary limits -----------------------------------------------------------------------------------------


async def test_points_a_minute_slide(budget: Budget) -> None:
    """900 requests straddling a minute's boundary are as many as within it: the window slides, it does not tick."""
    await tell(budget, 5_000)
    sent = 1
    for second in range(50, 70):
        for each in await granted(budget, manual(seconds=0), second, most=50):
            sent += 1
            await budget.settle(each, bill(5_000 - sent, seconds=0), at(second))
    assert sent == 855 + 1
    refused = await wait(budget, manual(), 70)
    assert refused.reason == "points a minute"
    assert since_start(refused.until) == pytest.approx(110.5)


async def test_a_304_is_a_request_all_the_same(budget: Budget) -> None:
    """A 304 costs no primary point but counts in the minute, and so does each repeat inside the transport."""
    await tell(budget, 5_000)
    for _ in range(85):
        each = await grant(budget, manual(seconds=0), 1)
        await budget.settle(each, bill(5_000, points=0, seconds=0, attempts=10), at(1))
    assert (await budget.standings(at(1)))[0].remaining == 5_000
    assert len(await granted(budget, manual(seconds=0), 1)) == 855 - 850 - 1


async def test_in_flight_counts_both_resources(budget: Budget) -> None:
    """REST and GraphQL share 100 places, of which the background leaves some to people and all leave some free."""
    await tell(budget, 5_000)
    await tell(budget, 5_000, resource=GRAPHQL)
    assert len(await granted(budget, background(seconds=0), 1, most=50)) == 50
    assert len(await granted(budget, background(GRAPHQL, seconds=0), 1)) == 40
    assert len(await granted(budget, manual(seconds=0), 1)) == 5


async def test_response_seconds_bound_graphql_and_all(budget: Budget) -> None:
    """60 seconds of GraphQL answers fill its minute, 90 both; the seconds leave a minute after the answer."""
    await tell(budget, 5_000)
    await tell(budget, 5_000, resource=GRAPHQL)
    for second in (1, 2, 3, 4, 5):
        each = await grant(budget, manual(GRAPHQL, seconds=11.5), second)
        await budget.settle(each, bill(4_900, seconds=11.5, resource=GRAPHQL), at(second))
    refused = await wait(budget, manual(GRAPHQL, seconds=11.5), 6)
    assert refused.reason == "response seconds a minute of this resource"
    assert since_start(refused.until) == pytest.approx(61.5)
    assert len(await granted(budget, manual(seconds=10.0), 6)) == 3
    assert (await wait(budget, manual(seconds=10.0), 6)).reason == "response seconds a minute"


async def test_the_background_does_not_take_a_minute_at_once(budget: Budget) -> None:
    """Of the minute's response seconds a third goes in ten seconds, so that a person finds time at any moment."""
    await tell(budget, 5_000)
    assert len(await granted(budget, background(seconds=2.0), 0)) == 14
    assert (await wait(budget, background(seconds=2.0), 0)).reason == "response seconds at once"


async def test_a_waiting_person_goes_before_the_background(budget: Budget) -> None:
    """A place that comes free is the person's who was refused one, not that of the first to ask."""
    await tell(budget, 5_000)
    crowd = await granted(budget, manual(seconds=0), 1)
    assert len(crowd) == 95
    await wait(budget, manual(seconds=0), 1)
    for each in crowd[:20]:
        await budget.settle(each, bill(4_900, seconds=0), at(1.1))
    assert (await wait(budget, background(seconds=0), 1.1)).reason == "a person's request goes first"
    await grant(budget, manual(seconds=0), 1.1)
    await grant(budget, background(seconds=0), 1.1)


async def test_pypi_is_asked_with_courtesy(budget: Budget) -> None:
    """Ten requests at once and twenty a second at most, without any quota to learn first."""
    crowd = await granted(budget, manual(PYPI), 0)
    assert len(crowd) == 10
    for each in crowd:
        await budget.settle(each, bill(), at(0.1))
    crowd = await granted(budget, manual(PYPI), 0.2)
    for each in crowd:
        await budget.settle(each, bill(), at(0.3))
    assert (await wait(budget, manual(PYPI), 0.3)).reason == "points a minute"
    await grant(budget, manual(PYPI), 1.4)


# --- pauses -------------------------------------------------------------------------------------------------------


async def test_retry_after_holds_the_identity(budget: Budget) -> None:
    """Told to wait 90 s, neither REST nor GraphQL of the identity is asked; PyPI and other identities are."""
    await tell(budget, 5_000)
    each = await grant(budget, manual(), 1)
    await budget.settle(each, bill(4_999, throttled=throttled(retry_after=90)), at(1))
    for resource in (CORE, GRAPHQL):
        refused = await wait(budget, manual(resource), 80)
        assert (since_start(refused.until), refused.reason) == (93, "slow down")
    await grant(budget, manual(PYPI), 2)
    await grant(budget, manual(identity="other"), 2)
    await grant(budget, manual(), 93)


async def test_an_exhausted_quota_holds_its_resource(budget: Budget) -> None:
    """A primary limit stops its own resource until the reset, and the other goes on."""
    await tell(budget, 5_000)
    each = await grant(budget, manual(), 1)
    await budget.settle(each, bill(0, throttled=throttled(reset=HOUR)), at(1))
    assert since_start((await wait(budget, manual(), 2)).until) == HOUR + 2
    await grant(budget, manual(GRAPHQL), 2)
    await grant(budget, manual(), HOUR + 2)


async def test_a_limit_with_points_left_holds_its_resource(budget: Budget) -> None:
    """Wait for the named reset though four points are left, also after a later response of the same window."""
    await tell(budget, 5_000)
    await tell(budget, 5_000, resource=GRAPHQL)
    first, second = [await grant(budget, manual(GRAPHQL), 1) for _ in range(2)]
    await budget.settle(first, bill(4, resource=GRAPHQL, throttled=throttled(reset=HOUR)), at(1))
    await budget.settle(second, bill(4, resource=GRAPHQL), at(2))
    for ask in (manual(GRAPHQL), background(GRAPHQL)):
        refused = await wait(budget, ask, 3)
        assert (since_start(refused.until), refused.reason) == (HOUR + 2, "slow down")
    await grant(budget, manual(), 3)
    await grant(budget, background(), 3)
    await grant(budget, manual(GRAPHQL), HOUR + 2)


async def test_the_back_off_grows_to_an_hour_and_ends_with_a_success(budget: Budget) -> None:
    """Without a word how long: a minute, doubled each time, an hour at most; a good answer starts from a minute."""
    await tell(budget, 5_000)
    now, pauses = 1.0, []
    for _ in range(8):
        each = await grant(budget, manual(), now)
        await budget.settle(each, bill(4_000, reset=9 * HOUR, throttled=throttled()), at(now))
        until = since_start((await wait(budget, manual(), now)).until)
        pauses.append(until - now)
        now = until
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    await budget.settle(await grant(budget, manual(), now), bill(4_000, reset=now + HOUR), at(now))
    await budget.settle(await grant(budget, manual(), now), bill(throttled=throttled(), points=0), at(now))
    assert since_start((await wait(budget, manual(), now)).until) == now + 60


async def test_requests_told_off_together_are_one_lesson(budget: Budget) -> None:
    """Ten requests in flight that are all refused make one pause of a minute, not one of an hour."""
    await tell(budget, 5_000)
    for each in await granted(budget, manual(), 1, most=10):
        await budget.settle(each, bill(4_000, throttled=throttled()), at(2))
    assert since_start((await wait(budget, manual(), 3)).until) == 62


# --- grants, clocks and estimates ---------------------------------------------------------------------------------


async def test_a_grant_never_settled_expires_as_spent(budget: Budget) -> None:
    """A killed worker's points are lost, and its place in flight comes back after 150 s."""
    await tell(budget, 100)
    await grant(budget, manual(points=60), 1)
    await wait(budget, manual(points=60), 100)
    assert (await budget.standings(at(150)))[0].in_flight == 1
    later = (await budget.standings(at(152)))[0]
    assert (later.in_flight, later.remaining) == (0, 40)


async def test_workers_clocks_may_differ_a_little(budget: Budget) -> None:
    """A worker whose clock lags by 4 s neither shortens nor reopens a window."""
    await tell(budget, 5_000, now=100)
    for each in await granted(budget, manual(seconds=0), 100, most=95):
        await budget.settle(each, bill(4_900, seconds=0), at(100))
    lagging = await grant(budget, manual(), 96)
    assert lagging.at == at(100)


async def test_a_clock_set_back_does_not_freeze_the_ledger(budget: Budget) -> None:
    """After a step back of an hour a pause lasts no longer than it was told, and windows keep what they saw."""
    await tell(budget, 5_000, now=0)
    each = await grant(budget, manual(), 0)
    await budget.settle(each, bill(4_999, throttled=throttled(retry_after=30)), at(0))
    assert since_start((await wait(budget, manual(), -HOUR)).until) == pytest.approx(32 - HOUR)
    await grant(budget, manual(), 33 - HOUR)
    assert len(await granted(budget, manual(seconds=0), 33 - HOUR)) == 94


async def test_an_upstream_with_another_clock_is_believed_in_its_figures(budget: Budget) -> None:
    """Told a reset that is long past (our clock runs an hour ahead), the ledger keeps the figure and goes on."""
    probe = await grant(budget, manual(), 2 * HOUR)
    await budget.settle(probe, bill(2, reset=HOUR), at(2 * HOUR))
    assert len(await granted(budget, manual(), 2 * HOUR)) == 2
    await grant(budget, manual(), 3 * HOUR + 3)


async def test_capacity_never_blocks_progress(budget: Budget) -> None:
    """At least one, whatever is spent, unless a pause outlasts the horizon; more with a longer horizon."""
    minute = timedelta(minutes=1)
    assert await budget.capacity(background(), minute, at(0)) >= 1
    await tell(budget, 4_500)
    assert await budget.capacity(background(), minute, at(0)) == pytest.approx(75, abs=2)
    assert await budget.capacity(background(), 10 * minute, at(0)) == pytest.approx(750, abs=2)
    assert await budget.capacity(background(points=10), 10 * minute, at(0)) == pytest.approx(75, abs=1)
    each = await grant(budget, manual(), 1)
    await budget.settle(each, bill(0, throttled=throttled(retry_after=300)), at(1))
    assert await budget.capacity(background(), minute, at(1)) == 0
    assert await budget.capacity(background(), 6 * minute, at(1)) == 1
    assert await budget.capacity(manual(GRAPHQL, identity="anonymous"), minute, at(1)) == 0


async def test_an_index_that_hung_once_is_soon_planned_for_again(budget: Budget) -> None:
    """One silence of 30 s leaves a tenth of what is planned; thirty quick answers later a third is back, and more."""
    ask, minute = background(PYPI, identity="index"), timedelta(minutes=1)
    usual = await budget.capacity(ask, minute, at(0))
    await budget.settle(await grant(budget, ask, 0), bill(seconds=30), at(30))
    assert await budget.capacity(ask, minute, at(32)) < usual / 10
    for number in range(30):
        await budget.settle(await grant(budget, ask, 33 + number), bill(seconds=0.1), at(33 + number))
    assert await budget.capacity(ask, minute, at(65)) > usual / 3


async def test_standings_show_what_is_known(budget: Budget) -> None:
    """For each identity and resource: the quota as told, what is in flight, and why nothing goes."""
    await tell(budget, 4_321)
    each = await grant(budget, manual(), 1)
    await grant(budget, manual(PYPI), 1)
    await budget.settle(each, bill(4_000, throttled=throttled(retry_after=60)), at(2))
    await grant(budget, manual(PYPI), 2)
    core, pypi = await budget.standings(at(3))
    assert (core.identity, core.resource, core.limit, core.remaining) == ("octo", CORE, 5_000, 4_000)
    assert (core.reset_at, core.paused_until, core.pause_reason) == (at(HOUR), at(64), "slow down")
    assert (pypi.resource, pypi.limit, pypi.remaining, pypi.in_flight) == (PYPI, None, None, 2)
    assert pypi.paused_until is None


async def test_who_is_known_by_another_name_is_left_out(budget: Budget) -> None:
    """A token asks whose it is and is then its account: people see one quota, until the token itself is used again."""
    each = await grant(budget, manual(GRAPHQL, identity="token:1"), 0)
    await grant(budget, manual(PYPI, identity="index:host"), 0)
    await budget.settle(each, bill(4_999), at(1))
    await budget.forget("token:1")
    await budget.forget("never seen")
    assert [standing.identity for standing in await budget.standings(at(2))] == ["index:host"]
    await grant(budget, manual(GRAPHQL, identity="token:1"), 3)
    assert {standing.identity for standing in await budget.standings(at(4))} == {"index:host", "token:1"}


async def test_a_swarm_trips_nothing(budget: Budget) -> None:
    """Thirty workers with wild latencies before a brute-force upstream: no limit is tripped for four minutes."""
    swarm = Swarm(
        budget,
        Upstream(),
        (CORE, GRAPHQL),
        seconds=lambda rng: min(10.0, rng.lognormvariate(-2, 1)),
        slots=30,
        manual_every=10.0,
        skew=1.0,
    )
    await swarm.run(240.0)
    assert swarm.upstream.trips == []
    assert swarm.grants > 500
