"""The check whether participation counts merges, and its effect on counting weeks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import Purpose
from fetcher.simulator.changes import Push, push
from fetcher.simulator.upstreams.github.statistics_jobs import Participation, Statistics
from fetcher.upstreams.github.merges import MERGES, Merges
from fetcher.upstreams.github.verify import CHECK_EVERY, RETRY_AFTER
from tests.component.refresh.conftest import Build, Harness
from tests.component.refresh.truth import COMMITS, failing
from tests.harness.clock import DAY
from tests.harness.fakes import answer

PATIENCE = timedelta(seconds=30)
WORLDS = {
    Participation.WITH_MERGES: Merges.WITH,
    Participation.WITHOUT_MERGES: Merges.WITHOUT,
    Participation.WRONG: Merges.UNDECIDED,
}


async def active(harness: Harness, *slugs: str) -> list[int]:
    """Create and refresh repositories with 30 commits of last month, two of them merges."""
    for slug in slugs:
        harness.make(slug, ["ann"] * 28, age=5)
        push(harness.world, f"octo/{slug}", Push(merge=True, login="bob", age=9 * DAY))
        harness.add(slug)
    harness.clock.advance(3 * DAY)
    await harness.work()
    harness.requests()
    return list(harness.store.packages.ids(slugs).values())


def weeks_of(harness: Harness, slug: str) -> int:
    days = harness.get(slug).commit_days
    assert days is not None
    return sum(rolling_weeks(days, harness.clock.today()))


@pytest.mark.parametrize(("world", "finding"), WORLDS.items())
async def test_the_commits_that_participation_counts(build: Build, world: Participation, finding: Merges) -> None:
    """The finding matches the simulated world, is stored with its packages, and is in force."""
    harness = await build(statistics=Statistics(participation=world))
    ids = await active(harness, "alpha", "beta")
    check = await harness.merges.check(ids, Purpose.MANUAL, PATIENCE)
    assert check.finding is finding
    assert [(one.with_merges, one.without_merges) for one in check.comparisons] == [(30, 29), (30, 29)]
    assert harness.requests() == {"graphql": 1, "participation": 2}
    checkpoint = harness.store.checkpoints.get(MERGES)
    assert (checkpoint.outcome, checkpoint.observed_at) == (finding.value, harness.clock.now())
    assert "alpha" in (checkpoint.message or "")
    assert "beta" in (checkpoint.message or "")


async def test_a_world_without_merges_is_counted_so(build: Build) -> None:
    """The finding makes all commits due; the weeks then equal participation's."""
    harness = await build(statistics=Statistics(participation=Participation.WITHOUT_MERGES))
    ids = await active(harness, "alpha")
    assert weeks_of(harness, "alpha") == 30
    await harness.merges.check(ids, Purpose.MANUAL, PATIENCE)
    await harness.work()
    assert weeks_of(harness, "alpha") == 29
    push(harness.world, "octo/alpha", Push(merge=True, login="bob", age=2 * DAY))
    harness.tomorrow()
    await harness.work()
    assert weeks_of(harness, "alpha") == 30


async def test_a_check_that_decides_nothing_changes_nothing(build: Build) -> None:
    """Sums that fit neither way leave the earlier decision in force."""
    harness = await build(statistics=Statistics(participation=Participation.WITHOUT_MERGES))
    ids = await active(harness, "alpha")
    await harness.merges.check(ids, Purpose.MANUAL, PATIENCE)
    jobs = harness.service.upstream("github").jobs
    jobs.settings = replace(jobs.settings, participation=Participation.WRONG)
    check = await harness.merges.check(ids, Purpose.MANUAL, PATIENCE)
    assert (check.finding, check.in_force) == (Merges.UNDECIDED, Merges.WITHOUT)
    assert harness.store.checkpoints.get(MERGES).outcome == "without"


async def test_figures_that_are_still_computed_are_waited_for(build: Build) -> None:
    """A 202 is requested again within ``patience``, and no longer."""
    harness = await build(statistics=Statistics(cold=True, ready_after=timedelta(seconds=5)))
    ids = await active(harness, "alpha")
    check = await harness.merges.check(ids, Purpose.MANUAL, timedelta(seconds=1))
    assert (check.comparisons, [slug for slug, _ in check.unanswered]) == ((), ["alpha"])
    assert "computing" in check.unanswered[0][1]
    check = await harness.merges.check(ids, Purpose.MANUAL, PATIENCE)
    assert check.finding is Merges.WITH


async def test_a_package_that_cannot_be_compared_has_a_reason(harness: Harness) -> None:
    """An empty repository and a failing request are listed with their reason; the others are compared."""
    ids = await active(harness, "alpha")
    harness.make("empty", [])
    harness.add("empty")
    await harness.work()
    ids += harness.store.packages.ids(["empty"]).values()
    harness.transport.interfere = failing("participation", answer({"message": "Server Error"}, 500))
    check = await harness.merges.check(ids, Purpose.MANUAL, PATIENCE)
    assert dict(check.unanswered)["empty"] == "it has no commits"
    assert "500" in dict(check.unanswered)["alpha"]


async def test_a_worker_checks_after_the_first_pass_and_each_month(harness: Harness) -> None:
    """The check runs after a first pass, with the five packages with most merges, and again after thirty days."""
    assert await harness.merges.check_if_due(DAY) is None
    await active(harness, *(f"package-{number}" for number in range(7)))
    harness.make("quiet", ["ann"], age=100)
    harness.add("quiet")
    assert await harness.merges.check_if_due(DAY) is None
    await harness.work()
    harness.requests()
    check = await harness.merges.check_if_due(DAY)
    assert check is not None
    assert (check.finding, len(check.comparisons)) == (Merges.WITH, 5)
    assert harness.requests() == {"graphql": 1, "participation": 5}
    assert await harness.merges.check_if_due(DAY) is None
    harness.clock.advance(CHECK_EVERY)
    await harness.work()
    assert await harness.merges.check_if_due(DAY) is not None
    checkpoint = harness.store.checkpoints.get(MERGES)
    harness.store.checkpoints.save(replace(checkpoint, due_at=harness.clock.now() + 400 * DAY))
    assert await harness.merges.check_if_due(DAY) is not None  # a clock that was ahead set the time


async def test_a_catalogue_without_active_packages_is_looked_at_again(harness: Harness) -> None:
    """If no package can be compared, nothing is decided and the next check comes sooner."""
    harness.make("quiet", ["ann"], age=100)
    harness.add("quiet")
    await harness.work()
    check = await harness.merges.check_if_due(DAY)
    assert check is not None
    assert check.finding is Merges.UNDECIDED
    assert harness.store.checkpoints.get(MERGES).due_at == harness.clock.now() + RETRY_AFTER
    assert harness.state("quiet", COMMITS).due_at != harness.clock.now()
