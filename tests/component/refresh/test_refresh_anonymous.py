"""Refresh without a token: REST only, with validators instead of heads."""

from __future__ import annotations

import pytest

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import Upstream
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Request
from fetcher.simulator import changes
from fetcher.simulator.changes import Push, push
from tests.component.refresh.conftest import DAY, NOW, Build
from tests.component.refresh.truth import (
    COMMITS,
    CONTRIBUTORS,
    GITHUB,
    failing,
    first_pass,
    is_true,
    weeks,
)
from tests.harness.fakes import answer


async def test_without_a_token_a_first_pass(build: Build) -> None:
    """A first pass requests the repository, its newest commit and its lists over REST."""
    house = await build(token=None)
    house.make("alpha")
    house.add("alpha")
    await house.work()
    assert house.requests() == {"repository": 1, "commits": 1, "contributors": 1, "participation": 1}
    is_true(house, "alpha")
    package = house.get("alpha")
    assert package.observed.last_updated is not None
    assert package.observed.last_fetched == NOW
    assert house.state("alpha", GITHUB).validators.credential == "anonymous"


async def test_without_a_token_an_unchanged_pass(build: Build) -> None:
    """One conditional request without cost confirms all sources."""
    house = await build(token=None)
    await first_pass(house, "alpha")
    house.tomorrow()
    await house.work()
    assert house.log.count("repository", 304) == 1
    assert house.requests() == {"repository": 1}
    assert house.quota.usages[-1].points == 0
    assert house.get("alpha").observed.participants == ("ann", "bob")
    assert house.get("alpha").observed.last_fetched == house.clock.now()


async def test_without_a_token_a_moved_head(build: Build) -> None:
    """Both lists are requested again, and the day's commits count after the day has ended."""
    house = await build(token=None)
    await first_pass(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="ann"))
    await house.work()
    assert house.requests() == {"repository": 1, "commits": 1, "contributors": 1, "participation": 1}
    is_true(house, "alpha")
    due = house.state("alpha", COMMITS).due_at
    assert due is not None
    house.clock.advance(due - house.clock.now())
    assert house.clock.now().hour == 0
    await house.work()
    assert house.requests()["participation"] == 1
    is_true(house, "alpha")
    assert weeks(house, "alpha")[-1] == 1
    due = house.state("alpha", CONTRIBUTORS).due_at
    assert due is not None
    house.clock.advance(due - house.clock.now())
    await house.work()
    assert house.requests()["contributors"] == 1


async def test_without_a_token_weeks_are_exact_again_after_seven_days(build: Build) -> None:
    """Participation has weekly sums, which are shown unchanged and requested again when a week is over."""
    house = await build(token=None)
    house.make("alpha", ["ann"] * 200, age=20)
    house.add("alpha")
    await house.work()
    answered = weeks(house, "alpha")
    house.requests()
    for _ in range(6):
        house.clock.advance(DAY)
        days = house.get("alpha").commit_days
        assert days is not None
        assert list(rolling_weeks(days, house.clock.today())) == answered
    house.clock.advance(DAY)
    is_true(house, "alpha")
    await house.work()
    assert house.requests()["participation"] == 1
    is_true(house, "alpha")


async def test_validators_of_another_credential_are_not_used(build: Build) -> None:
    """Validators of another credential are not sent, because entity tags differ per credential."""
    house = await build(token=None)
    await first_pass(house, "alpha")
    another = dict.fromkeys(Upstream, "anonymous:other")
    house.conductor.statistics.gateway = Gateway(house.transport, house.quota, house.clock, another)
    seen: list[Request] = []
    house.transport.interfere = seen.append
    house.tomorrow()
    await house.work()
    assert "if-none-match" not in seen[0].headers


async def test_without_a_token_a_renamed_and_a_replaced_repository(build: Build) -> None:
    """A redirect is followed and the new name stored; another id under the known name is quarantined."""
    house = await build(token=None)
    await first_pass(house, "alpha", "beta")
    changes.rename(house.world, "octo/alpha", "omega")
    changes.delete(house.world, "octo/beta")
    changes.recreate(house.world, "octo/beta")
    house.tomorrow()
    await house.work()
    alpha = house.get("alpha").stats
    assert alpha is not None
    assert alpha.full_name == "octo/omega"
    assert house.state("beta", GITHUB).outcome == "replaced"
    assert house.get("beta").observed.participants == ("ann", "bob")


async def test_without_a_token_an_empty_and_a_missing_repository(build: Build) -> None:
    """Status 409 means an empty repository, 404 a missing one."""
    house = await build(token=None)
    house.make("alpha", [])
    house.add("alpha")
    house.add("beta")
    await house.work()
    package = house.get("alpha")
    assert package.stats is not None
    assert package.stats.empty
    assert package.observed.participants == ()
    assert house.state("beta", GITHUB).outcome == "gone"
    house.tomorrow()
    await house.work()
    assert house.state("alpha", GITHUB).outcome == "not_modified"


@pytest.mark.parametrize("route", ["repository", "newest_commit"])
@pytest.mark.parametrize(
    ("told", "outcome"),
    [(answer(b"", 202), "transient"), (answer({"message": "x"}, 502), "transient"), (answer([1]), "malformed")],
)
async def test_without_a_token_a_failed_question(build: Build, route: str, told: Answer, outcome: str) -> None:
    """A failure of either request fails the source and keeps the stored values."""
    house = await build(token=None)
    await first_pass(house, "alpha")
    before = house.get("alpha").observed
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="ann"))
    house.transport.interfere = failing(route, told)
    await house.work()
    assert house.state("alpha", GITHUB).outcome == outcome
    assert house.get("alpha").observed == before
