"""Repositories over GraphQL and REST: what a pass asks, and what it leaves in the store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.commits import rolling_weeks
from fetcher.model import Contribution, Contributors, Purpose, RepoRef
from fetcher.simulator import changes
from fetcher.simulator.changes import Facts, Push, push
from fetcher.simulator.repository import Block
from fetcher.simulator.statistics_jobs import Statistics
from fetcher.wire import Answer, Fault, NoAnswer, Request
from tests.fakes import answer
from tests.unit.refresh.conftest import DAY, NOW, Build, House, records
from tests.unit.refresh.truth import (
    COMMITS,
    CONTRIBUTORS,
    FIRST_PASS,
    GITHUB,
    MINUTE,
    failing,
    first_pass,
    is_true,
    weeks,
)


async def test_a_first_pass(house: House) -> None:
    """One query for all, then two requests a package; everything is stored and the package counts as fetched."""
    house.make("alpha", ["ann", "bob", "ann", "dependabot[bot]"])
    house.make("beta", ["cho"])
    house.add("alpha")
    house.add("beta")
    await house.work()
    assert house.requests() == {"graphql": 1, "contributors": 2, "commit_activity": 2}
    is_true(house, "alpha")
    is_true(house, "beta")
    package = house.get("alpha")
    assert (package.observed.repo_watchers, package.observed.participants) == (10, ("ann", "bob", "dependabot[bot]"))
    assert package.observed.last_fetched == NOW
    assert package.stats is not None
    assert {state.revision for source, state in package.states.items()} == {package.stats.head_oid}
    assert all(state.due_at and state.due_at > NOW and state.lease is None for state in package.states.values())


async def test_an_unchanged_pass(house: House) -> None:
    """On each later day one query confirms everything, without a REST request, and the weeks roll on exactly."""
    await first_pass(house, "alpha", "beta")
    for _ in range(10):
        house.tomorrow()
        reports = await house.work()
        assert house.requests() == {"graphql": 1}
        is_true(house, "alpha")
        now = house.clock.now()
        assert house.get("alpha").observed.last_fetched == now
        assert {state.answered_at for state in house.get("beta").states.values()} == {now}
        assert [report.moved for report in reports] == [()]


async def test_a_moved_head_costs_one_comparison(house: House) -> None:
    """A push by known authors is told by one request, also with an old branch merged."""
    await first_pass(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(commits=2, login="ann", age=30 * DAY))
    push(house.world, "octo/alpha", Push(commits=1, login="ann"))
    reports = await house.work()
    assert house.requests() == {"graphql": 1, "compare": 1}
    is_true(house, "alpha")
    assert house.get("alpha").observed.last_fetched == house.clock.now()
    assert house.state("alpha", CONTRIBUTORS).whole_at == NOW
    assert reports[0].moved == (house.store.package_ids(["alpha"])["alpha"],)


async def test_a_new_author_is_asked_whole(house: House) -> None:
    """The comparison settles the days; the contributors are then asked for, since only GitHub knows their order."""
    await first_pass(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="newcomer"))
    await house.work()
    assert house.requests() == {"graphql": 1, "compare": 1, "contributors": 1}
    is_true(house, "alpha")
    assert house.state("alpha", CONTRIBUTORS).whole_at == house.clock.now()
    assert house.state("alpha", COMMITS).whole_at == NOW


@pytest.mark.parametrize("vanished", [False, True])
async def test_a_forced_push_is_asked_whole(house: House, vanished: bool) -> None:  # noqa: FBT001
    """Whether GitHub still finds the old head or not, both lists come anew."""
    await first_pass(house, "alpha")
    house.tomorrow()
    changes.force_push(house.world, "octo/alpha", dropped=2, vanished=vanished)
    await house.work()
    assert house.requests() == {"graphql": 1, "compare": 1, "contributors": 1, "commit_activity": 1}
    is_true(house, "alpha")


@pytest.mark.parametrize("dropped", [29, 30])
async def test_days_of_a_line_that_was_left_are_forgotten(house: House, dropped: int) -> None:
    """After a forced push the days that only the old line knew are not kept: its commits are no more."""
    house.make("alpha", ["ann"] * 30, age=335)
    house.add("alpha")
    await house.by_hand("alpha")
    is_true(house, "alpha")
    house.clock.advance(MINUTE)
    changes.force_push(house.world, "octo/alpha", dropped=dropped)
    await house.conductor.refresh_packages(house.store.due_ids(None, None), [GITHUB], Purpose.BACKGROUND)
    await house.work()
    days, truth = house.get("alpha").commit_days, weeks(house, "alpha")
    assert days is not None
    assert sum(rolling_weeks(days, house.clock.today())) <= sum(truth) == 30 - dropped


async def test_the_slow_recheck(house: House) -> None:
    """Though nothing moves, the lists are asked whole within one and a half times thirty days, and then rest again."""
    await first_pass(house, "alpha")
    house.tomorrow(45)
    await house.work()
    assert house.requests() == FIRST_PASS
    house.tomorrow()
    await house.work()
    assert house.requests() == {"graphql": 1}


async def test_a_202_keeps_what_is_stored(build: Build) -> None:
    """While GitHub computes, the stored days stay and roll; the pause grows, and no task waits for it."""
    house = await build(statistics=Statistics(cold=True, ready_after=10 * MINUTE, asks=2))
    await first_pass(house, "alpha")
    assert house.get("alpha").commit_days is None
    assert house.state("alpha", COMMITS).due_at == NOW + MINUTE
    assert house.get("alpha").observed.last_fetched is None
    for pause in (1, 2):
        house.clock.advance(pause * MINUTE)
        await house.work()
        assert house.requests() == {"commit_activity": 1}
    assert house.state("alpha", COMMITS).failures == 3
    assert house.state("alpha", COMMITS).outcome == "not_ready"
    house.clock.advance(10 * MINUTE)
    await house.work()
    is_true(house, "alpha")
    stored = house.get("alpha").commit_days
    house.tomorrow()
    changes.force_push(house.world, "octo/alpha")
    await house.work()
    assert house.state("alpha", COMMITS).outcome == "not_ready"
    assert house.get("alpha").commit_days == stored


async def test_a_push_while_a_list_cools_down_keeps_its_pause(build: Build) -> None:
    """What GitHub is still computing is not asked for sooner because of another pass."""
    house = await build(statistics=Statistics(cold=True, ready_after=10 * MINUTE))
    await first_pass(house, "alpha")
    push(house.world, "octo/alpha", Push(login="ann"))
    await house.by_hand("alpha", sources=[GITHUB])
    assert house.state("alpha", COMMITS).due_at == NOW + MINUTE
    assert house.state("alpha", CONTRIBUTORS).due_at == NOW


async def test_one_current_list_is_not_added_to_again(house: House) -> None:
    """With contributors of the new head and days of the old one, a person's refresh counts no commit twice."""
    await first_pass(house, "alpha")
    package_id = house.store.package_ids(["alpha"])["alpha"]
    house.tomorrow()
    push(house.world, "octo/alpha", Push(commits=3, login="ann"))
    push(house.world, "octo/alpha", Push(commits=1, login="newcomer"))
    held = {
        "compare": answer({"status": "ahead", "total_commits": 999, "commits": []}),
        "commit_activity": answer(b"", 202),
    }
    house.transport.interfere = lambda request: held.get(request.route)
    await house.work()
    assert house.state("alpha", CONTRIBUTORS).revision != house.state("alpha", COMMITS).revision
    house.transport.interfere = lambda request: None
    house.requests()
    await house.by_hand("alpha", sources=[GITHUB, CONTRIBUTORS, COMMITS])
    assert house.requests() == {"graphql": 1, "compare": 1}
    claim = house.store.claim_packages([package_id], [COMMITS], house.clock.now(), MINUTE)
    assert claim is not None
    (target,) = house.store.load(claim, details=True)
    assert target.contributors == Contributors(
        (Contribution("ann", 5), Contribution("bob", 1), Contribution("newcomer", 1))
    )
    is_true(house, "alpha")


async def test_a_comparison_that_fails_again_and_again_is_given_up(house: House) -> None:
    """After three failures both lists are asked whole instead, so that nothing stays stale for ever."""
    await first_pass(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="ann"))
    house.transport.interfere = failing("compare", answer({"message": "taking too long"}, 500))
    for failures in (1, 2, 3):
        await house.work()
        assert house.state("alpha", COMMITS).failures == failures
        house.clock.advance(30 * MINUTE)
    house.requests()
    await house.work()
    assert house.requests() == {"contributors": 1, "commit_activity": 1}
    is_true(house, "alpha")
    assert house.state("alpha", COMMITS).failures == 0


@pytest.mark.parametrize(
    "told",
    [
        answer({"message": "Not Found"}, 404),
        answer({"message": "This diff is too large."}, 403),
        answer({"unexpected": True}),
        NoAnswer(Fault.TOO_LARGE, "the answer is larger than 1 bytes"),
    ],
)
async def test_a_comparison_that_cannot_be_had_is_asked_whole_at_once(house: House, told: Answer) -> None:
    """A vanished head, a refusal for its size, another shape: the lists tell what it would have."""
    await first_pass(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="ann"))
    house.transport.interfere = failing("compare", told)
    await house.work()
    assert house.requests() == FIRST_PASS
    is_true(house, "alpha")


async def test_a_missing_repository(house: House) -> None:
    """It is asked for by id, then by name; it fails and is asked again with growing pauses, and nothing is blanked."""
    await first_pass(house, "alpha")
    before = house.get("alpha")
    changes.delete(house.world, "octo/alpha")
    house.tomorrow()
    reports = await house.work()
    assert house.requests() == {"graphql": 2}
    after = house.get("alpha")
    assert after.observed == before.observed
    state = after.states[GITHUB]
    assert (state.outcome, state.failures) == ("gone", 1)
    assert state.due_at == house.clock.now() + timedelta(hours=6)
    assert [record.outcome for report in reports for record in report.failed] == ["gone"]


async def test_a_missing_repository_comes_back(house: House) -> None:
    """Made private and public again, it revives by itself and its failures are forgotten."""
    await first_pass(house, "alpha")
    changes.set_facts(house.world, "octo/alpha", Facts(private=True))
    house.tomorrow()
    await house.work()
    changes.set_facts(house.world, "octo/alpha", Facts(private=False, stars=99))
    house.tomorrow()
    await house.work()
    state = house.state("alpha", GITHUB)
    assert (state.outcome, state.failures, state.first_failed_at) == ("fetched", 0, None)
    assert house.get("alpha").observed.repo_watchers == 99


async def test_a_replaced_repository_is_quarantined(house: House) -> None:
    """Another repository under the known name is reported and nothing of it taken over, however often it is asked."""
    await first_pass(house, "alpha")
    before = house.get("alpha")
    changes.delete(house.world, "octo/alpha")
    changes.recreate(house.world, "octo/alpha")
    changes.set_facts(house.world, "octo/alpha", Facts(stars=666))
    for failures in (1, 2):
        house.tomorrow()
        await house.work()
        after = house.get("alpha")
        assert (after.observed, after.stats, after.commit_days) == (before.observed, before.stats, before.commit_days)
        assert (after.states[GITHUB].outcome, after.states[GITHUB].failures) == ("replaced", failures)
    assert "octo/alpha is now another repository" in (house.state("alpha", GITHUB).message or "")
    assert house.requests() == {"graphql": 4}


async def test_a_renamed_repository_is_noticed(house: House) -> None:
    """Its new name is stored and asked for from then on; the editors' address stays."""
    await first_pass(house, "alpha")
    changes.rename(house.world, "octo/alpha", "omega", "other")
    house.tomorrow()
    push(house.world, "other/omega", Push(login="newcomer"))
    await house.work()
    package = house.get("alpha")
    assert package.stats is not None
    assert package.stats.full_name == "other/omega"
    assert package.entry.repo_url == "https://github.com/octo/alpha"
    assert package.repo == RepoRef("github.com", "octo", "alpha")
    assert house.requests() == {"graphql": 1, "compare": 1, "contributors": 1}
    assert {name for entry in house.log.entries for name in entry.packages} <= {"other/omega"}


async def test_an_empty_repository_asks_nothing_more(house: House) -> None:
    """It has neither contributors nor commits, and counts as fetched with the one query."""
    house.make("alpha", [])
    house.add("alpha")
    await house.work()
    assert house.requests() == {"graphql": 1}
    package = house.get("alpha")
    assert (package.observed.participants, package.observed.last_updated) == ((), None)
    assert package.commit_days is not None
    assert sum(rolling_weeks(package.commit_days, house.clock.today())) == 0
    assert package.observed.last_fetched == NOW
    push(house.world, "octo/alpha", Push(commits=2, login="ann"))
    house.tomorrow()
    await house.work()
    is_true(house, "alpha")
    assert house.get("alpha").observed.last_fetched == house.clock.now()


async def test_a_repository_that_was_emptied(house: House) -> None:
    """When every branch is deleted the lists are known to be empty."""
    await first_pass(house, "alpha")
    changes.empty(house.world, "octo/alpha")
    house.tomorrow()
    await house.work()
    assert house.requests() == {"graphql": 1}
    assert house.get("alpha").observed.participants == ()


async def test_a_branch_that_could_not_be_read_empties_nothing(house: House) -> None:
    """A null with an error inside a repository's answer is a fault of that answer, not an empty repository."""
    await first_pass(house, "alpha")
    before = house.get("alpha")
    node = {
        "id": before.stats.node_id if before.stats else "",
        "databaseId": 1,
        "nameWithOwner": "octo/alpha",
        "stargazerCount": 0,
        "forkCount": 0,
        "watchers": {"totalCount": 0},
        "description": None,
        "isArchived": False,
        "isDisabled": False,
        "isEmpty": False,
        "pushedAt": None,
        "defaultBranchRef": None,
    }
    errors = [{"path": ["nodes", 0, "defaultBranchRef"], "message": "Something went wrong"}]
    house.transport.interfere = failing("statistics", answer({"data": {"nodes": [node]}, "errors": errors}))
    house.tomorrow()
    await house.work()
    assert house.get("alpha").observed == before.observed
    assert house.state("alpha", GITHUB).outcome == "transient"


async def test_a_list_too_large_is_not_asked_for_each_push(house: House) -> None:
    """GitHub refuses it for its size: that counts as answered, until the slow re-check asks again."""
    house.make("alpha")
    house.add("alpha")
    changes.set_facts(house.world, "octo/alpha", Facts(contributors_too_large=True))
    await house.work()
    assert house.requests() == FIRST_PASS
    state = house.state("alpha", CONTRIBUTORS)
    assert (state.outcome, state.failures, state.answered_at) == ("blocked", 0, NOW)
    assert house.get("alpha").observed.last_fetched == NOW
    for _ in range(3):
        house.tomorrow()
        push(house.world, "octo/alpha", Push(login="newcomer"))
        await house.work()
        assert house.requests() == {"graphql": 1, "compare": 1}
        assert house.get("alpha").observed.last_fetched == house.clock.now()
        assert "too large" in (house.state("alpha", CONTRIBUTORS).message or "")
    changes.set_facts(house.world, "octo/alpha", Facts(contributors_too_large=False))
    house.tomorrow(45)
    await house.work()
    is_true(house, "alpha")


async def test_a_failed_source_blanks_no_other(house: House) -> None:
    """Without contributors the days and statistics are taken over, the stored list stays, and the package is not
    fetched until that source has answered, too.
    """
    await first_pass(house, "alpha")
    before = house.get("alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="newcomer"))
    changes.set_facts(house.world, "octo/alpha", Facts(stars=11))
    house.transport.interfere = failing("contributors", answer({"message": "Server Error"}, 502))
    await house.work()
    after = house.get("alpha")
    assert after.observed.participants == before.observed.participants
    assert after.observed.repo_watchers == 11
    assert after.commit_days != before.commit_days
    assert after.observed.last_fetched == before.observed.last_fetched
    assert (after.states[CONTRIBUTORS].outcome, after.states[COMMITS].outcome) == ("transient", "fetched")
    house.transport.interfere = lambda request: None
    house.clock.advance(3 * MINUTE)
    await house.work()
    is_true(house, "alpha")
    assert house.get("alpha").observed.last_fetched == house.clock.now()


async def test_a_bad_repository_costs_no_neighbour(house: House) -> None:
    """A blocked one fails by itself, the others are fetched."""
    await first_pass(house, "alpha", "beta", "gamma")
    changes.set_block(house.world, "octo/beta", Block.TERMS)
    house.tomorrow()
    await house.work()
    assert house.state("beta", GITHUB).outcome == "blocked"
    assert house.state("alpha", GITHUB).answered_at == house.state("gamma", GITHUB).answered_at == house.clock.now()


async def test_every_page_of_contributors(house: House) -> None:
    """Nobody is dropped: a list of more than a page is read to its end."""
    house.make("alpha", [f"person-{number:03}" for number in range(230)])
    house.add("alpha")
    await house.work()
    assert house.requests() == {"graphql": 1, "contributors": 3, "commit_activity": 1}
    assert len(house.get("alpha").observed.participants or ()) == 230
    is_true(house, "alpha")


@pytest.mark.parametrize("page", [0, 1, 51, 10**6])
async def test_pages_that_never_end(house: House, page: int) -> None:
    """A next page that does not lead on, or beyond all bounds, ends the question; nothing is stored of it."""
    house.make("alpha")
    house.add("alpha")
    link = {"link": f'<https://api.example/x?page={page}>; rel="next"'}
    house.transport.interfere = failing("contributors", answer([{"login": "a", "contributions": 1}], headers=link))
    await house.work()
    assert house.state("alpha", CONTRIBUTORS).outcome == "malformed"
    assert house.get("alpha").observed.participants is None


async def test_a_list_cut_short_is_not_stored(house: House) -> None:
    """When the second page fails, the first is not taken for the whole list."""
    house.make("alpha", [f"person-{number:03}" for number in range(150)])
    house.add("alpha")

    def second_page(request: Request) -> Answer | None:
        return answer({"message": "Server Error"}, 502) if "page=2" in request.url else None

    house.transport.interfere = second_page
    await house.work()
    assert house.state("alpha", CONTRIBUTORS).outcome == "transient"
    assert house.get("alpha").observed.participants is None


async def test_people_twice_on_moving_pages_are_listed_once(house: House) -> None:
    """Somebody who slides to the next page while the pages are read is no second contributor."""
    house.make("alpha")
    house.add("alpha")

    def pages(request: Request) -> Answer | None:
        if request.route != "contributors":
            return None
        if "page=2" in request.url:
            return answer([{"login": "ann", "contributions": 3}, {"login": "bob", "contributions": 1}])
        link = {"link": '<https://api.example/x?page=2>; rel="next"'}
        return answer([{"login": "ann", "contributions": 3}], headers=link)

    house.transport.interfere = pages
    await house.work()
    assert house.get("alpha").observed.participants == ("ann", "bob")


async def test_a_report_tells_what_happened(house: House) -> None:
    """Failures are the sources that were asked and did not answer; confirmed lists are no news."""
    await first_pass(house, "alpha", "beta")
    changes.delete(house.world, "octo/beta")
    house.tomorrow()
    reports = await house.work()
    assert sorted(str(record.outcome) for record in records(reports, GITHUB)) == ["fetched", "gone"]
    assert reports[0].waiting is None
    assert len(reports[0].failed) == 1
