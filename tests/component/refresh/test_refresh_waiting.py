"""Deferred and throttled sources: they return to the store without a failure."""

from __future__ import annotations

from datetime import timedelta

from fetcher.quota import RetryAt
from fetcher.simulator.changes import Push, push
from tests.component.refresh.conftest import NOW, House
from tests.component.refresh.truth import (
    COMMITS,
    CONTRIBUTORS,
    GITHUB,
    MINUTE,
    first_pass,
    is_true,
)
from tests.harness.fakes import answer


async def test_what_is_deferred_returns_with_its_due_time(house: House) -> None:
    """Nothing is sent; every source is due when the quota allows it, without a failure or a lease."""
    house.make("alpha")
    house.add("alpha")
    until = NOW + 7 * MINUTE
    house.quota.refusals.append(RetryAt(until, "quota"))
    (report,) = await house.work()
    assert house.requests() == {}
    state = house.state("alpha", GITHUB)
    assert (state.due_at, state.failures, state.outcome, state.lease) == (until, 0, None, None)
    assert (report.waiting, report.failed) == (1, ())
    house.clock.advance(7 * MINUTE)
    await house.work()
    is_true(house, "alpha")


async def test_a_history_is_deferred_alike(house: House) -> None:
    """A history that must wait returns to the store with its due time."""
    await first_pass(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="ann"))
    until = house.clock.now() + 7 * MINUTE
    house.quota.refusals.extend([None, RetryAt(until, "quota")])
    await house.work()
    state = house.state("alpha", COMMITS)
    assert (state.due_at, state.failures) == (until, 0)
    house.clock.advance(7 * MINUTE)
    await house.work()
    is_true(house, "alpha")


async def test_a_list_is_deferred_alike(house: House) -> None:
    """A list that must wait is deferred, and the history read with it is stored."""
    house.make("alpha")
    house.add("alpha")
    until = house.clock.now() + 7 * MINUTE
    house.quota.refusals.extend([None, None, None, RetryAt(until, "quota")])
    await house.work()
    state = house.state("alpha", CONTRIBUTORS)
    assert (state.due_at, state.failures, state.outcome) == (until, 0, None)
    assert house.state("alpha", COMMITS).answered_at == NOW
    house.clock.advance(7 * MINUTE)
    await house.work()
    is_true(house, "alpha")


async def test_throttling_is_no_failure_of_the_package(house: House) -> None:
    """A throttled package is deferred to the stated time, and the pause applies to all requests."""
    house.make("alpha")
    house.add("alpha")
    limit = answer({"message": "You have exceeded a secondary rate limit"}, 403, {"retry-after": "90"})
    house.transport.interfere = lambda request: limit
    await house.work()
    state = house.state("alpha", GITHUB)
    assert (state.due_at, state.failures, state.outcome) == (NOW + timedelta(seconds=90), 0, "throttled")
    assert house.quota.usages[-1].pause is not None
    assert house.store.failures() == []


async def test_a_revoked_token_fails_nobody_for_long(house: House) -> None:
    """All packages have the outcome after one query, and are requested again ten minutes later."""
    await first_pass(house, "alpha", "beta")
    house.service.state.credentials.revoked.add("simulated-token")
    house.tomorrow()
    await house.work()
    assert house.requests() == {"graphql": 1}
    assert {house.state(slug, GITHUB).outcome for slug in ("alpha", "beta")} == {"unauthorized"}
    assert house.state("alpha", GITHUB).due_at == house.clock.now() + 10 * MINUTE
    house.service.state.credentials.revoked.clear()
    house.clock.advance(10 * MINUTE)
    await house.work()
    assert house.state("alpha", GITHUB).failures == 0
