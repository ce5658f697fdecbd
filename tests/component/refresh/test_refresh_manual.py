"""Manual refreshes, and lost leases."""

from __future__ import annotations

from fetcher.domain.model import GivenBack, Purpose
from fetcher.refresh.report import Report
from fetcher.simulator.changes import Push, push
from tests.component.refresh.conftest import DAY, NOW, House, answered
from tests.component.refresh.truth import (
    COMMITS,
    CONTRIBUTORS,
    GITHUB,
    MINUTE,
    first_pass,
    is_true,
)


async def test_a_first_refresh_by_hand(house: House) -> None:
    """Three requests fetch all values: the statistics, the history and the list of contributors."""
    house.make("alpha", ["ann"] * 40, age=340)
    house.add("alpha")
    report = await house.by_hand("alpha")
    assert house.requests() == {"graphql": 2, "contributors": 1}
    is_true(house, "alpha")
    assert answered(report) == [GITHUB, COMMITS, CONTRIBUTORS]


async def test_a_moved_head_by_hand(house: House) -> None:
    """A push is stored with two queries, including new contributors."""
    await first_pass(house, "alpha")
    push(house.world, "octo/alpha", Push(login="newcomer"))
    report = await house.by_hand("alpha")
    assert house.requests() == {"graphql": 2}
    assert house.get("alpha").observed.participants == ("ann", "bob", "newcomer")
    assert set(answered(report)) == {GITHUB, CONTRIBUTORS, COMMITS}


async def test_a_persons_refresh_of_an_unmoved_head(house: House) -> None:
    """An unmoved head takes one query, because nothing more can have changed."""
    await first_pass(house, "alpha")
    report = await house.by_hand("alpha")
    assert house.requests() == {"graphql": 1}
    assert report.moved == ()
    assert set(answered(report)) == {GITHUB, CONTRIBUTORS, COMMITS}


async def test_only_the_details_by_hand(house: House) -> None:
    """Details requested alone use the known head; those of this head that are not due stay unchanged."""
    await first_pass(house, "alpha")
    report = await house.by_hand("alpha", sources=[CONTRIBUTORS])
    assert house.requests() == {}
    assert [record.source for record in report.records] == [CONTRIBUTORS]
    state = house.state("alpha", CONTRIBUTORS)
    assert state.lease is None
    assert state.due_at is not None
    assert state.due_at > NOW + 10 * DAY


async def test_a_refresh_of_nothing(house: House) -> None:
    """No packages, no sources or unknown ids give an empty report and no request."""
    await first_pass(house, "alpha")
    for ids, sources in (([], [GITHUB]), ([1], []), ([4_000], [GITHUB])):
        report = await house.conductor.refresh_packages(ids, sources, Purpose.BACKGROUND)
        assert report == Report()
    assert house.requests() == {}


async def test_a_lease_that_was_lost_is_not_worked_on(house: House) -> None:
    """A claim taken over by another worker causes no request and no record, and is reported."""
    house.make("alpha")
    package_id = house.add("alpha")
    (claim,) = await house.planner.claims()
    house.store.claim_packages([package_id], [GITHUB], NOW, MINUTE)
    report = await house.conductor.refresh(claim, Purpose.BACKGROUND)
    assert report == Report(lost=1)
    assert house.requests() == {}


async def test_a_claim_run_twice_leaves_what_once_leaves(house: House) -> None:
    """The second run finds no lease and sends no request."""
    house.make("alpha")
    house.add("alpha")
    (claim,) = await house.planner.claims()
    await house.conductor.refresh(claim, Purpose.BACKGROUND)
    first = house.get("alpha")
    report = await house.conductor.refresh(claim, Purpose.BACKGROUND)
    assert (report.lost, report.records) == (1, ())
    assert house.get("alpha") == first
    assert house.requests() == {"graphql": 1}


async def test_details_before_the_repository_is_known(house: House) -> None:
    """Details claimed before the repository is known are given back, because there is no head yet."""
    house.make("alpha")
    house.add("alpha")
    report = await house.by_hand("alpha", sources=[CONTRIBUTORS, COMMITS])
    assert house.requests() == {}
    assert [type(record) for record in report.records] == [GivenBack, GivenBack]
    assert house.state("alpha", COMMITS).lease is None
