"""Repositories over GraphQL and REST: the requests of a pass and its results in the store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import Contribution, Contributors, DueReason, RepoRef
from fetcher.http.messages import Answer, Request
from fetcher.quota import RetryAt
from fetcher.simulator import changes
from fetcher.simulator.changes import Facts, Push, push
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.repository import Block, NodeIds
from fetcher.upstreams.github.change_detection import SETTLES_AFTER
from tests.component.refresh.conftest import DAY, NOW, House, records
from tests.component.refresh.truth import (
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
from tests.harness.fakes import answer


async def test_a_first_pass(house: House) -> None:
    """A pass takes one query for statistics, one for histories, and a list per package, which counts as fetched."""
    house.make("alpha", ["ann", "bob", "ann", "dependabot[bot]"])
    house.make("beta", ["cho"])
    house.add("alpha")
    house.add("beta")
    await house.work()
    assert house.requests() == {"graphql": 3, "contributors": 2}
    is_true(house, "alpha")
    is_true(house, "beta")
    package = house.get("alpha")
    assert (package.observed.repo_watchers, package.observed.participants) == (10, ("ann", "bob", "dependabot[bot]"))
    assert package.observed.last_fetched == NOW
    assert package.stats is not None
    assert package.commit_days is not None
    assert package.commit_days.total == 4
    assert {state.revision for source, state in package.states.items()} == {package.stats.head_oid}
    assert all(state.due_at and state.due_at > NOW and state.lease is None for state in package.states.values())


async def test_an_unchanged_pass(house: House) -> None:
    """On each later day one query without REST confirms all sources, and the weeks shift exactly."""
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


async def test_a_moved_head_costs_no_rest_request(house: House) -> None:
    """A push by known authors is read from the history, including a merged old branch."""
    await first_pass(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(commits=2, login="ann", age=30 * DAY))
    push(house.world, "octo/alpha", Push(commits=1, login="ann"))
    reports = await house.work()
    assert house.requests() == {"graphql": 2}
    is_true(house, "alpha")
    assert house.get("alpha").observed.last_fetched == house.clock.now()
    assert house.state("alpha", CONTRIBUTORS).full_fetch_at == NOW
    assert reports[0].moved == (house.store.package_ids(["alpha"])["alpha"],)


async def test_a_new_author_is_added_at_once_and_confirmed_a_day_later(house: House) -> None:
    """A new author is listed with the push; only the order of equal counts waits for GitHub's list."""
    house.make("alpha", ["ann", "ann", "bob"])
    house.add("alpha")
    await house.work()
    house.requests()
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="newcomer"))
    await house.work()
    assert house.requests() == {"graphql": 2}
    assert house.get("alpha").observed.participants == ("ann", "bob", "newcomer")
    assert house.get("alpha").observed.last_fetched == house.clock.now()
    assert house.state("alpha", CONTRIBUTORS).due_at == house.clock.now() + SETTLES_AFTER
    house.clock.advance(SETTLES_AFTER)
    await house.work()
    assert house.requests()["contributors"] == 1
    is_true(house, "alpha")
    house.tomorrow()
    await house.work()
    assert house.requests() == {"graphql": 1}


async def test_a_new_author_with_a_place_of_their_own_needs_no_list(house: House) -> None:
    """The order is certain if no other contributor has the same number of commits."""
    house.make("alpha", ["ann", "ann", "ann", "bob", "bob"])
    house.add("alpha")
    await house.work()
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="newcomer"))
    await house.work()
    house.requests()
    is_true(house, "alpha")
    house.tomorrow(3)
    await house.work()
    assert house.requests() == {"graphql": 1}


@pytest.mark.parametrize("vanished", [False, True])
async def test_a_forced_push_keeps_everybody_for_a_day(house: House, vanished: bool) -> None:  # noqa: FBT001
    """Weeks are exact at once; contributors with dropped commits stay until GitHub's list has caught up."""
    house.make("alpha", ["ann", "ann", "bob"])
    house.add("alpha")
    await house.work()
    house.requests()
    house.tomorrow()
    changes.force_push(house.world, "octo/alpha", dropped=1, commits=1, vanished=vanished)
    await house.work()
    assert house.requests() == {"graphql": 2}
    stored = house.get("alpha")
    assert stored.observed.participants == ("ann", "bob")
    assert stored.commit_days is not None
    assert list(rolling_weeks(stored.commit_days, house.clock.today())) == weeks(house, "alpha")
    house.clock.advance(SETTLES_AFTER)
    await house.work()
    assert house.requests()["contributors"] == 1
    is_true(house, "alpha")
    assert house.get("alpha").observed.participants == ("ann",)


@pytest.mark.parametrize("delayed_by", ["deferral", "throttling", "failure"])
async def test_a_list_that_was_delayed_still_has_to_settle(house: House, delayed_by: str) -> None:
    """A forced push leaves contributors open; a deferred or failed request does not make an older list confirm them."""
    house.make("alpha", ["ann"] * 5 + ["bob"] * 3)
    house.add("alpha")
    await house.work()
    before = [{"login": "ann", "contributions": 5}, {"login": "bob", "contributions": 3}]
    house.tomorrow()
    changes.force_push(house.world, "octo/alpha", dropped=1, commits=1)
    await house.work()
    house.clock.advance(SETTLES_AFTER - 60 * MINUTE)
    push(house.world, "octo/alpha", Push(login="ann"))
    await house.by_hand("alpha")
    house.clock.advance(60 * MINUTE)
    later = house.clock.now() + 7 * MINUTE
    match delayed_by:
        case "deferral":
            house.quota.refusals.extend([None, RetryAt(later, "quota")])
        case "throttling":
            limit = answer({"message": "You have exceeded a secondary rate limit"}, 403, {"retry-after": "420"})
            house.transport.interfere = failing("contributors", limit)
        case _:
            house.transport.interfere = failing("contributors", answer({"message": "Server Error"}, 502))
    await house.work()
    house.transport.interfere = failing("contributors", answer(before))
    house.clock.advance(8 * MINUTE)
    await house.work()
    assert house.state("alpha", CONTRIBUTORS).due_reason is DueReason.SETTLING
    house.transport.interfere = lambda request: None
    house.clock.advance(SETTLES_AFTER)
    await house.work()
    is_true(house, "alpha")


async def test_a_list_of_a_young_head_is_confirmed_a_day_later(house: House) -> None:
    """A first list of a young head removes no author found in the history, because it may be hours old."""
    made = house.make("alpha", ["ann", "ann", "bob"])
    house.add("alpha")
    push(house.world, "octo/alpha", Push(login="newcomer"))
    stale = [{"login": "ann", "contributions": 2}, {"login": "bob", "contributions": 1}]
    house.transport.interfere = failing("contributors", answer(stale))
    assert made.database_id
    await house.work()
    assert house.get("alpha").observed.participants == ("ann", "bob", "newcomer")
    house.transport.interfere = lambda request: None
    house.requests()
    house.clock.advance(SETTLES_AFTER)
    await house.work()
    assert house.requests()["contributors"] == 1
    is_true(house, "alpha")
    house.tomorrow(3)
    await house.work()
    assert house.requests() == {"graphql": 1}


async def test_a_head_that_moved_while_its_list_waited_is_counted_once(house: House) -> None:
    """The head is read together with the list, so a push in the hours between does not count twice."""
    house.make("alpha", ["ann", "ann", "ann", "bob"])
    house.add("alpha")
    await house.by_hand("alpha", sources=[GITHUB])
    house.clock.advance(6 * 60 * MINUTE)
    push(house.world, "octo/alpha", Push(commits=2, login="bob"))
    await house.work()
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="ann"))
    await house.work()
    target = house.store.target(house.store.package_ids(["alpha"])["alpha"])
    assert target is not None
    assert target.contributors == Contributors((Contribution("ann", 4), Contribution("bob", 3)))
    is_true(house, "alpha")


async def test_merges_count(house: House) -> None:
    """A merge commit counts for its author and in its week."""
    house.make("alpha", ["ann", "ann", "ann", "bob"])
    house.add("alpha")
    await house.work()
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="bob", merge=True, age=3 * DAY))
    await house.work()
    house.tomorrow()
    target = house.store.target(house.store.package_ids(["alpha"])["alpha"])
    assert target is not None
    assert target.contributors == Contributors((Contribution("ann", 3), Contribution("bob", 3)))
    assert target.commit_days is not None
    assert sum(rolling_weeks(target.commit_days, house.clock.today())) == 6


async def test_a_year_of_many_commits_is_read_page_by_page(house: House) -> None:
    """With more commits than fit a page, all pages are read in one more query, and the weeks are exact."""
    house.make("alpha", ["ann"] * 330, age=0)
    house.add("alpha")
    await house.work()
    assert house.requests() == {"graphql": 4, "contributors": 1}
    is_true(house, "alpha")


async def test_the_slow_recheck(house: House) -> None:
    """Unchanged lists are requested again within one and a half times thirty days, and then rest."""
    await first_pass(house, "alpha")
    house.tomorrow(45)
    await house.work()
    assert house.requests() == FIRST_PASS
    house.tomorrow()
    await house.work()
    assert house.requests() == {"graphql": 1}


async def test_a_push_while_the_commits_cool_down_keeps_their_pause(house: House) -> None:
    """A source that has just failed is not requested sooner because of another pass."""
    house.make("alpha")
    house.add("alpha")
    house.transport.interfere = failing("history", answer({"message": "Server Error"}, 500))
    await house.work()
    push(house.world, "octo/alpha", Push(login="ann"))
    await house.by_hand("alpha", sources=[GITHUB])
    assert house.state("alpha", COMMITS).due_at == NOW + 2 * MINUTE
    assert house.state("alpha", COMMITS).failures == 1


async def test_a_history_that_fails_again_and_again_gives_way_to_participation(house: House) -> None:
    """After three failures participation is requested instead, so that the weeks do not stay stale."""
    await first_pass(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="ann", age=9 * DAY))
    real = house.transport.interfere

    def without_pages(request: Request) -> Answer | None:
        if request.route != "history":
            return None
        node = {
            "id": "R_x",
            "databaseId": None,
            "isEmpty": False,
            "pushedAt": "2026-03-19T12:00:00Z",
            "defaultBranchRef": {
                "target": {
                    "oid": house.get("alpha").stats.head_oid,  # type: ignore[union-attr]
                    "all": {"totalCount": 4},
                    "history": {
                        "totalCount": 4,
                        "pageInfo": {"hasNextPage": False, "endCursor": None},
                        "nodes": [],
                    },
                }
            },
        }
        return answer({"data": {"nodes": [node]}})

    house.transport.interfere = without_pages
    for failures in (1, 2, 3):
        await house.work()
        assert house.state("alpha", COMMITS).failures == failures
        assert "4 were announced" in (house.state("alpha", COMMITS).message or "")
        house.clock.advance(30 * MINUTE)
    house.requests()
    await house.work()
    assert house.requests() == {"participation": 1}
    assert house.state("alpha", COMMITS).failures == 0
    assert weeks_shown(house, "alpha") == weeks(house, "alpha")
    for days in (1, 8, 8):
        house.clock.advance(days * DAY)
        for _ in range(4):
            await house.work()
            house.clock.advance(30 * MINUTE)
        assert house.state("alpha", COMMITS).due_reason is DueReason.WEEKS
        assert weeks_shown(house, "alpha") == weeks(house, "alpha")
    house.transport.interfere = real


def weeks_shown(house: House, slug: str) -> list[int]:
    days = house.get(slug).commit_days
    assert days is not None
    return list(rolling_weeks(days, house.clock.today()))


async def test_a_head_that_never_answers_gives_way_to_rest(house: House) -> None:
    """A repository whose history GitHub cannot answer at all is requested over REST, its contributors included."""
    await first_pass(house, "alpha", "beta")
    house.tomorrow()
    for name in ("alpha", "beta"):
        push(house.world, f"octo/{name}", Push(login="newcomer", age=9 * DAY))
    house.service.state.faults.add(
        Rule(
            kind=Kind.PARTIAL_ERROR,
            operation="Heads",
            package="octo/alpha",
            message="Something went wrong while executing",
        )
    )
    await house.work()
    is_true(house, "beta")
    for failures in (1, 2, 3):
        assert house.state("alpha", COMMITS).failures == failures
        house.clock.advance(30 * MINUTE)
        house.requests()
        await house.work()
    assert house.requests() == {"graphql": 1, "participation": 1, "contributors": 1}
    is_true(house, "alpha")
    assert house.get("alpha").observed.last_fetched == house.clock.now()
    assert house.state("alpha", COMMITS).due_reason is DueReason.WEEKS
    house.service.state.faults.clear()
    house.clock.advance(2 * DAY)
    await house.work()
    is_true(house, "alpha")


async def test_a_missing_repository(house: House) -> None:
    """It is requested by id, then by name; it fails with growing retry delays and keeps its values."""
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
    """A repository made private and public again recovers, and its failures are reset."""
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
    """Another repository at the known name is reported at each request, and none of its values are stored."""
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
    """The new name is stored and requested from then on; the editors' address stays."""
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
    assert house.requests() == {"graphql": 2}
    assert {name for entry in house.log.entries for name in entry.packages} <= {"other/omega"}


async def test_an_empty_repository_asks_nothing_more(house: House) -> None:
    """An empty repository has no contributors or commits, and counts as fetched with one query."""
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
    """If every branch is deleted, the lists become empty."""
    await first_pass(house, "alpha")
    changes.empty(house.world, "octo/alpha")
    house.tomorrow()
    await house.work()
    assert house.requests() == {"graphql": 1}
    assert house.get("alpha").observed.participants == ()


async def test_a_default_branch_that_is_missing_empties_nothing(house: House) -> None:
    """If the default branch temporarily names no commit, the known head stays."""
    await first_pass(house, "alpha")
    before = house.get("alpha")
    house.tomorrow()
    changes.set_facts(house.world, "octo/alpha", Facts(stars=12, default_branch_missing=True))
    await house.work()
    after = house.get("alpha")
    assert after.observed.repo_watchers == 12
    assert after.observed.participants == before.observed.participants
    assert after.observed.last_updated == before.observed.last_updated
    assert after.commit_days == before.commit_days
    assert after.stats is not None
    assert before.stats is not None
    assert after.stats.head_oid == before.stats.head_oid
    assert after.observed.last_fetched == house.clock.now()


@pytest.mark.parametrize("by", ["id", "name"])
async def test_node_ids_of_another_form_are_the_same_repository(house: House, by: str) -> None:
    """If GitHub changes the form of its ids, nothing fails, and the new ids are stored."""
    house.service.state.github.node_ids = NodeIds.LEGACY
    await first_pass(house, "alpha", "beta")
    known = house.get("alpha").stats
    assert known is not None
    house.service.state.github.node_ids = NodeIds.NEW
    house.tomorrow()
    if by == "name":
        changes.rename(house.world, "octo/alpha", "omega")
    push(house.world, "octo/alpha", Push(login="ann"))
    await house.work()
    assert house.requests() == {"graphql": 2}
    now = house.get("alpha").stats
    assert now is not None
    assert (now.database_id, now.node_id != known.node_id) == (known.database_id, True)
    assert {house.state(slug, GITHUB).outcome for slug in ("alpha", "beta")} == {"fetched"}
    is_true(house, "alpha", "omega" if by == "name" else "alpha")


async def test_a_branch_that_could_not_be_read_empties_nothing(house: House) -> None:
    """A null with an error in a repository's part is a fault of the response, not an empty repository."""
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
    """A list refused for its size counts as answered until the slow re-check requests it again."""
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
        assert house.requests() == {"graphql": 2}
        assert house.get("alpha").observed.last_fetched == house.clock.now()
        assert "too large" in (house.state("alpha", CONTRIBUTORS).message or "")
    changes.set_facts(house.world, "octo/alpha", Facts(contributors_too_large=False))
    house.tomorrow(45)
    await house.work()
    is_true(house, "alpha")


async def test_a_failed_source_blanks_no_other(house: House) -> None:
    """Without a history the statistics are stored and old values stay. The package counts as fetched only with it."""
    await first_pass(house, "alpha")
    before = house.get("alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="newcomer"))
    changes.set_facts(house.world, "octo/alpha", Facts(stars=11))
    house.transport.interfere = failing("history", answer({"message": "Server Error"}, 500))
    await house.work()
    after = house.get("alpha")
    assert after.observed.participants == before.observed.participants
    assert after.observed.repo_watchers == 11
    assert after.commit_days == before.commit_days
    assert after.observed.last_fetched == before.observed.last_fetched
    assert after.states[COMMITS].outcome == "transient"
    house.transport.interfere = lambda request: None
    house.clock.advance(3 * MINUTE)
    await house.work()
    is_true(house, "alpha")
    assert house.get("alpha").observed.last_fetched == house.clock.now()


async def test_a_list_that_fails_leaves_what_the_history_showed(house: House) -> None:
    """If the list that should confirm a new author fails, it is requested again and all contributors stay."""
    await first_pass(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="newcomer"))
    await house.work()
    house.transport.interfere = failing("contributors", answer({"message": "Server Error"}, 502))
    house.clock.advance(SETTLES_AFTER)
    await house.work()
    state = house.state("alpha", CONTRIBUTORS)
    assert (state.outcome, state.failures, state.due_at) == ("transient", 1, house.clock.now() + 2 * MINUTE)
    assert house.get("alpha").observed.participants == ("ann", "bob", "newcomer")
    house.transport.interfere = lambda request: None
    house.clock.advance(2 * MINUTE)
    await house.work()
    is_true(house, "alpha")


async def test_a_bad_repository_costs_no_neighbour(house: House) -> None:
    """A blocked repository fails alone, and the others are fetched."""
    await first_pass(house, "alpha", "beta", "gamma")
    changes.set_block(house.world, "octo/beta", Block.TERMS)
    house.tomorrow()
    await house.work()
    assert house.state("beta", GITHUB).outcome == "blocked"
    assert house.state("alpha", GITHUB).answered_at == house.state("gamma", GITHUB).answered_at == house.clock.now()


async def test_every_page_of_contributors(house: House) -> None:
    """A list of more than one page is read to its end."""
    house.make("alpha", [f"person-{number:03}" for number in range(230)])
    house.add("alpha")
    await house.work()
    assert house.requests() == {"graphql": 4, "contributors": 3}
    assert len(house.get("alpha").observed.participants or ()) == 230
    is_true(house, "alpha")


@pytest.mark.parametrize("page", [0, 1, 51, 10**6])
async def test_pages_that_never_end(house: House, page: int) -> None:
    """An invalid or excessive next page ends the reading, and nothing of the list is stored."""
    house.make("alpha")
    house.add("alpha")
    link = {"link": f'<https://api.example/x?page={page}>; rel="next"'}
    house.transport.interfere = failing("contributors", answer([{"login": "a", "contributions": 1}], headers=link))
    await house.work()
    assert house.state("alpha", CONTRIBUTORS).outcome == "malformed"
    assert house.get("alpha").observed.participants is None


async def test_a_list_cut_short_is_not_stored(house: House) -> None:
    """If the second page fails, the first is not stored as the complete list."""
    house.make("alpha", [f"person-{number:03}" for number in range(150)])
    house.add("alpha")

    def second_page(request: Request) -> Answer | None:
        return answer({"message": "Server Error"}, 502) if "page=2" in request.url else None

    house.transport.interfere = second_page
    await house.work()
    assert house.state("alpha", CONTRIBUTORS).outcome == "transient"
    assert house.get("alpha").observed.participants is None


async def test_people_twice_on_moving_pages_are_listed_once(house: House) -> None:
    """A contributor who moves to the next page while the pages are read is listed once."""
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
    """Failures are the requested sources without a good response; confirmed lists do not count."""
    await first_pass(house, "alpha", "beta")
    changes.delete(house.world, "octo/beta")
    house.tomorrow()
    reports = await house.work()
    assert sorted(str(record.outcome) for record in records(reports, GITHUB)) == ["fetched", "gone"]
    assert reports[0].waiting == 0
    assert len(reports[0].failed) == 1
