"""Deferred and throttled sources: they return to the store without a failure."""

from __future__ import annotations

from datetime import timedelta

from fetcher.quota import RetryAt
from fetcher.simulator.changes import Push, push
from tests.component.refresh.conftest import Harness
from tests.component.refresh.truth import (
    COMMITS,
    CONTRIBUTORS,
    MINUTE,
    REPOSITORY,
    first_pass,
    is_true,
)
from tests.harness.clock import NOW
from tests.harness.fakes import answer


async def test_a_deferred_source_returns_with_its_due_time(harness: Harness) -> None:
    """Nothing is sent; every source is due when the quota allows it, without a failure or a lease."""
    harness.make("alpha")
    harness.add("alpha")
    until = NOW + 7 * MINUTE
    harness.quota.refusals.append(RetryAt(until, "quota"))
    (report,) = await harness.work()
    assert harness.requests() == {}
    state = harness.state("alpha", REPOSITORY)
    assert (state.due_at, state.failures, state.outcome, state.lease) == (until, 0, None, None)
    assert (report.waiting, report.failed) == (1, ())
    harness.clock.advance(7 * MINUTE)
    await harness.work()
    is_true(harness, "alpha")


async def test_a_history_is_deferred_alike(harness: Harness) -> None:
    """A history that must wait returns to the store with its due time."""
    await first_pass(harness, "alpha")
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="ann"))
    until = harness.clock.now() + 7 * MINUTE
    harness.quota.refusals.extend([None, RetryAt(until, "quota")])
    await harness.work()
    state = harness.state("alpha", COMMITS)
    assert (state.due_at, state.failures) == (until, 0)
    harness.clock.advance(7 * MINUTE)
    await harness.work()
    is_true(harness, "alpha")


async def test_a_list_is_deferred_alike(harness: Harness) -> None:
    """A list that must wait is deferred, and the history read with it is stored."""
    harness.make("alpha")
    harness.add("alpha")
    until = harness.clock.now() + 7 * MINUTE
    harness.quota.refusals.extend([None, None, None, RetryAt(until, "quota")])
    await harness.work()
    state = harness.state("alpha", CONTRIBUTORS)
    assert (state.due_at, state.failures, state.outcome) == (until, 0, None)
    assert harness.state("alpha", COMMITS).answered_at == NOW
    harness.clock.advance(7 * MINUTE)
    await harness.work()
    is_true(harness, "alpha")


async def test_throttling_is_no_failure_of_the_package(harness: Harness) -> None:
    """A throttled package is deferred to the stated time, and the pause applies to all requests."""
    harness.make("alpha")
    harness.add("alpha")
    limit = answer({"message": "You have exceeded a secondary rate limit"}, 403, {"retry-after": "90"})
    harness.transport.interfere = lambda request: limit
    await harness.work()
    state = harness.state("alpha", REPOSITORY)
    assert (state.due_at, state.failures, state.outcome) == (NOW + timedelta(seconds=90), 0, "throttled")
    assert harness.quota.usages[-1].pause is not None
    assert harness.store.packages.failures() == []


async def test_a_revoked_token_fails_no_package_for_long(harness: Harness) -> None:
    """All packages have the outcome after one query, and are requested again ten minutes later."""
    await first_pass(harness, "alpha", "beta")
    harness.service.upstream("github").credentials.revoked.add("simulated-token")
    harness.tomorrow()
    await harness.work()
    assert harness.requests() == {"graphql": 1}
    assert {harness.state(slug, REPOSITORY).outcome for slug in ("alpha", "beta")} == {"unauthorized"}
    assert harness.state("alpha", REPOSITORY).due_at == harness.clock.now() + 10 * MINUTE
    harness.service.upstream("github").credentials.revoked.clear()
    harness.clock.advance(10 * MINUTE)
    await harness.work()
    assert harness.state("alpha", REPOSITORY).failures == 0
