"""Manual refreshes, and lost leases."""

from __future__ import annotations

from fetcher.domain.model import DueReason, GivenBack, Purpose
from fetcher.refresh.report import Report
from fetcher.simulator.changes import Push, delete, push
from tests.component.refresh.conftest import Harness, answered
from tests.component.refresh.truth import (
    COMMITS,
    CONTRIBUTORS,
    MINUTE,
    REPOSITORY,
    first_pass,
    is_true,
)
from tests.harness.clock import DAY, HOUR, NOW


async def test_a_first_refresh_by_hand(harness: Harness) -> None:
    """Three requests fetch all values: the statistics, the history and the list of contributors."""
    harness.make("alpha", ["ann"] * 40, age=340)
    harness.add("alpha")
    report = await harness.by_hand("alpha")
    assert harness.requests() == {"graphql": 2, "contributors": 1}
    is_true(harness, "alpha")
    assert answered(report) == [REPOSITORY, COMMITS, CONTRIBUTORS]


async def test_a_moved_head_by_hand(harness: Harness) -> None:
    """A push is stored with two queries, including new contributors."""
    await first_pass(harness, "alpha")
    push(harness.world, "octo/alpha", Push(login="newcomer"))
    report = await harness.by_hand("alpha")
    assert harness.requests() == {"graphql": 2}
    assert harness.get("alpha").observed.participants == ("ann", "bob", "newcomer")
    assert set(answered(report)) == {REPOSITORY, CONTRIBUTORS, COMMITS}


async def test_a_persons_refresh_of_an_unmoved_head(harness: Harness) -> None:
    """An unmoved head takes one query, because nothing more can have changed. The details are written once an hour."""
    await first_pass(harness, "alpha")
    for later, recorded in ((HOUR / 2, {REPOSITORY}), (HOUR, {REPOSITORY, CONTRIBUTORS, COMMITS})):
        harness.clock.advance(later)
        report = await harness.by_hand("alpha")
        assert harness.requests() == {"graphql": 1}
        assert report.moved == ()
        assert set(answered(report)) == recorded
        assert harness.get("alpha").observed.last_fetched == harness.clock.now()


async def test_a_refresh_after_the_clock_was_far_ahead(harness: Harness) -> None:
    """A response that a clock recorded a year ahead does not hide the responses after the clock was set."""
    await first_pass(harness, "alpha")
    for later in (400 * DAY, -399 * DAY, 30 * DAY):
        harness.clock.advance(later)
        push(harness.world, "octo/alpha", Push(login="newcomer"))
        await harness.by_hand("alpha")
        is_true(harness, "alpha")
        assert harness.get("alpha").observed.last_fetched == harness.clock.now()


async def test_only_the_details_by_hand(harness: Harness) -> None:
    """Details requested alone use the known head; those of this head that are not due stay unchanged."""
    await first_pass(harness, "alpha")
    report = await harness.by_hand("alpha", sources=[CONTRIBUTORS])
    assert harness.requests() == {}
    assert [record.source for record in report.records] == [CONTRIBUTORS]
    state = harness.state("alpha", CONTRIBUTORS)
    assert state.lease is None
    assert state.due_at is not None
    assert state.due_at > NOW + 10 * DAY


async def test_a_refresh_of_nothing(harness: Harness) -> None:
    """No packages, no sources or unknown ids give an empty report and no request."""
    await first_pass(harness, "alpha")
    for ids, sources in (([], [REPOSITORY]), ([1], []), ([4_000], [REPOSITORY])):
        report = await harness.refresh_service.refresh_packages(ids, sources, Purpose.BACKGROUND)
        assert report == Report()
    assert harness.requests() == {}


async def test_a_lease_that_was_lost_is_not_worked_on(harness: Harness) -> None:
    """A claim taken over by another worker causes no request and no record, and is reported."""
    harness.make("alpha")
    package_id = harness.add("alpha")
    (claim,) = await harness.dispatcher.claims()
    harness.store.claims.claim_packages([package_id], [REPOSITORY], NOW, MINUTE)
    report = await harness.refresh_service.refresh(claim, Purpose.BACKGROUND)
    assert report == Report(lost=1)
    assert harness.requests() == {}


async def test_a_claim_run_twice_has_the_effect_of_one_run(harness: Harness) -> None:
    """The second run finds no lease and sends no request."""
    harness.make("alpha")
    harness.add("alpha")
    (claim,) = await harness.dispatcher.claims()
    await harness.refresh_service.refresh(claim, Purpose.BACKGROUND)
    first = harness.get("alpha")
    report = await harness.refresh_service.refresh(claim, Purpose.BACKGROUND)
    assert (report.lost, report.records) == (1, ())
    assert harness.get("alpha") == first
    assert harness.requests() == {"graphql": 1}


async def test_details_before_the_repository_is_known(harness: Harness) -> None:
    """Details claimed before the repository is known are given back, because there is no head yet."""
    harness.make("alpha")
    harness.add("alpha")
    report = await harness.by_hand("alpha", sources=[CONTRIBUTORS, COMMITS])
    assert harness.requests() == {}
    assert [type(record) for record in report.records] == [GivenBack, GivenBack]
    assert harness.state("alpha", COMMITS).lease is None


async def test_a_missing_repository_fails_once(harness: Harness) -> None:
    """While a repository is missing, its commits and contributors are not requested."""
    harness.make("alpha")
    await first_pass(harness, "alpha")
    push(harness.world, "octo/alpha", Push(login="ann"))
    harness.tomorrow()
    (claim,) = await harness.dispatcher.claims()
    await harness.refresh_service.refresh(claim, Purpose.BACKGROUND)
    assert harness.state("alpha", COMMITS).due_reason is DueReason.MOVED
    delete(harness.world, "octo/alpha")
    await harness.by_hand("alpha", sources=[REPOSITORY])
    harness.requests()
    await harness.work()
    assert harness.requests() == {}
    state = harness.state("alpha", COMMITS)
    assert (state.failures, state.lease, state.due_reason) == (0, None, DueReason.MISSING)
    assert [row.state.source for row in harness.store.packages.failures()] == [REPOSITORY]
