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
from fetcher.simulator.repository import Block
from fetcher.simulator.upstreams.github.node_ids import NodeIds
from fetcher.upstreams.github.change_detection import SETTLES_AFTER
from tests.component.refresh.conftest import Harness, records
from tests.component.refresh.truth import (
    COMMITS,
    CONTRIBUTORS,
    FIRST_PASS,
    MINUTE,
    REPOSITORY,
    failing,
    first_pass,
    is_true,
    weeks,
)
from tests.harness.clock import DAY, NOW
from tests.harness.fakes import answer


async def test_a_first_pass(harness: Harness) -> None:
    """A pass takes one query for statistics, one for histories, and a list per package, which counts as fetched."""
    harness.make("alpha", ["ann", "bob", "ann", "dependabot[bot]"])
    harness.make("beta", ["cho"])
    harness.add("alpha")
    harness.add("beta")
    await harness.work()
    assert harness.requests() == {"graphql": 3, "contributors": 2}
    is_true(harness, "alpha")
    is_true(harness, "beta")
    package = harness.get("alpha")
    assert (package.observed.repo_watchers, package.observed.participants) == (10, ("ann", "bob", "dependabot[bot]"))
    assert package.observed.last_fetched == NOW
    assert package.stats is not None
    assert package.commit_days is not None
    assert package.commit_days.total == 4
    assert {state.revision for source, state in package.states.items()} == {package.stats.head_oid}
    assert all(state.due_at and state.due_at > NOW and state.lease is None for state in package.states.values())


async def test_an_unchanged_pass(harness: Harness) -> None:
    """On each later day one query without REST confirms all sources, and the weeks shift exactly."""
    await first_pass(harness, "alpha", "beta")
    for _ in range(10):
        harness.tomorrow()
        reports = await harness.work()
        assert harness.requests() == {"graphql": 1}
        is_true(harness, "alpha")
        now = harness.clock.now()
        assert harness.get("alpha").observed.last_fetched == now
        assert {state.answered_at for state in harness.get("beta").states.values()} == {now}
        assert [report.moved for report in reports] == [()]


async def test_a_moved_head_costs_no_rest_request(harness: Harness) -> None:
    """A push by known authors is read from the history, including a merged old branch."""
    await first_pass(harness, "alpha")
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(commits=2, login="ann", age=30 * DAY))
    push(harness.world, "octo/alpha", Push(commits=1, login="ann"))
    reports = await harness.work()
    assert harness.requests() == {"graphql": 2}
    is_true(harness, "alpha")
    assert harness.get("alpha").observed.last_fetched == harness.clock.now()
    assert harness.state("alpha", CONTRIBUTORS).full_fetch_at == NOW
    assert reports[0].moved == (harness.store.packages.ids(["alpha"])["alpha"],)


async def test_a_new_author_is_added_at_once_and_confirmed_a_day_later(harness: Harness) -> None:
    """A new author is listed with the push; only the order of equal counts waits for GitHub's list."""
    harness.make("alpha", ["ann", "ann", "bob"])
    harness.add("alpha")
    await harness.work()
    harness.requests()
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="newcomer"))
    await harness.work()
    assert harness.requests() == {"graphql": 2}
    assert harness.get("alpha").observed.participants == ("ann", "bob", "newcomer")
    assert harness.get("alpha").observed.last_fetched == harness.clock.now()
    assert harness.state("alpha", CONTRIBUTORS).due_at == harness.clock.now() + SETTLES_AFTER
    harness.clock.advance(SETTLES_AFTER)
    await harness.work()
    assert harness.requests()["contributors"] == 1
    is_true(harness, "alpha")
    harness.tomorrow()
    await harness.work()
    assert harness.requests() == {"graphql": 1}


async def test_a_new_author_with_a_place_of_their_own_needs_no_list(harness: Harness) -> None:
    """The order is certain if no other contributor has the same number of commits."""
    harness.make("alpha", ["ann", "ann", "ann", "bob", "bob"])
    harness.add("alpha")
    await harness.work()
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="newcomer"))
    await harness.work()
    harness.requests()
    is_true(harness, "alpha")
    harness.tomorrow(3)
    await harness.work()
    assert harness.requests() == {"graphql": 1}


@pytest.mark.parametrize("vanished", [False, True])
async def test_a_forced_push_keeps_all_contributors_for_a_day(harness: Harness, vanished: bool) -> None:  # noqa: FBT001
    """Weeks are exact at once; contributors with dropped commits stay until GitHub's list has caught up."""
    harness.make("alpha", ["ann", "ann", "bob"])
    harness.add("alpha")
    await harness.work()
    harness.requests()
    harness.tomorrow()
    changes.force_push(harness.world, "octo/alpha", dropped=1, commits=1, vanished=vanished)
    await harness.work()
    assert harness.requests() == {"graphql": 2}
    stored = harness.get("alpha")
    assert stored.observed.participants == ("ann", "bob")
    assert stored.commit_days is not None
    assert list(rolling_weeks(stored.commit_days, harness.clock.today())) == weeks(harness, "alpha")
    harness.clock.advance(SETTLES_AFTER)
    await harness.work()
    assert harness.requests()["contributors"] == 1
    is_true(harness, "alpha")
    assert harness.get("alpha").observed.participants == ("ann",)


@pytest.mark.parametrize("delayed_by", ["deferral", "throttling", "failure"])
async def test_a_list_that_was_delayed_still_has_to_settle(harness: Harness, delayed_by: str) -> None:
    """A forced push leaves contributors open; a deferred or failed request does not make an older list confirm them."""
    harness.make("alpha", ["ann"] * 5 + ["bob"] * 3)
    harness.add("alpha")
    await harness.work()
    before = [{"login": "ann", "contributions": 5}, {"login": "bob", "contributions": 3}]
    harness.tomorrow()
    changes.force_push(harness.world, "octo/alpha", dropped=1, commits=1)
    await harness.work()
    harness.clock.advance(SETTLES_AFTER - 60 * MINUTE)
    push(harness.world, "octo/alpha", Push(login="ann"))
    await harness.by_hand("alpha")
    harness.clock.advance(60 * MINUTE)
    later = harness.clock.now() + 7 * MINUTE
    match delayed_by:
        case "deferral":
            harness.quota.refusals.extend([None, RetryAt(later, "quota")])
        case "throttling":
            limit = answer({"message": "You have exceeded a secondary rate limit"}, 403, {"retry-after": "420"})
            harness.transport.interfere = failing("contributors", limit)
        case _:
            harness.transport.interfere = failing("contributors", answer({"message": "Server Error"}, 502))
    await harness.work()
    harness.transport.interfere = failing("contributors", answer(before))
    harness.clock.advance(8 * MINUTE)
    await harness.work()
    assert harness.state("alpha", CONTRIBUTORS).due_reason is DueReason.SETTLING
    harness.transport.interfere = lambda request: None
    harness.clock.advance(SETTLES_AFTER)
    await harness.work()
    is_true(harness, "alpha")


async def test_a_list_of_a_young_head_is_confirmed_a_day_later(harness: Harness) -> None:
    """A first list of a young head removes no author found in the history, because it may be hours old."""
    made = harness.make("alpha", ["ann", "ann", "bob"])
    harness.add("alpha")
    push(harness.world, "octo/alpha", Push(login="newcomer"))
    stale = [{"login": "ann", "contributions": 2}, {"login": "bob", "contributions": 1}]
    harness.transport.interfere = failing("contributors", answer(stale))
    assert made.database_id
    await harness.work()
    assert harness.get("alpha").observed.participants == ("ann", "bob", "newcomer")
    harness.transport.interfere = lambda request: None
    harness.requests()
    harness.clock.advance(SETTLES_AFTER)
    await harness.work()
    assert harness.requests()["contributors"] == 1
    is_true(harness, "alpha")
    harness.tomorrow(3)
    await harness.work()
    assert harness.requests() == {"graphql": 1}


async def test_a_head_that_moved_while_its_list_waited_is_counted_once(harness: Harness) -> None:
    """The head is read together with the list, so a push in the hours between does not count twice."""
    harness.make("alpha", ["ann", "ann", "ann", "bob"])
    harness.add("alpha")
    await harness.by_hand("alpha", sources=[REPOSITORY])
    harness.clock.advance(6 * 60 * MINUTE)
    push(harness.world, "octo/alpha", Push(commits=2, login="bob"))
    await harness.work()
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="ann"))
    await harness.work()
    target = harness.store.claims.target(harness.store.packages.ids(["alpha"])["alpha"])
    assert target is not None
    assert target.contributors == Contributors((Contribution("ann", 4), Contribution("bob", 3)))
    is_true(harness, "alpha")


async def test_merges_count(harness: Harness) -> None:
    """A merge commit counts for its author and in its week."""
    harness.make("alpha", ["ann", "ann", "ann", "bob"])
    harness.add("alpha")
    await harness.work()
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="bob", merge=True, age=3 * DAY))
    await harness.work()
    harness.tomorrow()
    target = harness.store.claims.target(harness.store.packages.ids(["alpha"])["alpha"])
    assert target is not None
    assert target.contributors == Contributors((Contribution("ann", 3), Contribution("bob", 3)))
    assert target.commit_days is not None
    assert sum(rolling_weeks(target.commit_days, harness.clock.today())) == 6


async def test_a_year_of_many_commits_is_read_page_by_page(harness: Harness) -> None:
    """With more commits than fit a page, all pages are read in one more query, and the weeks are exact."""
    harness.make("alpha", ["ann"] * 330, age=0)
    harness.add("alpha")
    await harness.work()
    assert harness.requests() == {"graphql": 4, "contributors": 1}
    is_true(harness, "alpha")


async def test_the_slow_recheck(harness: Harness) -> None:
    """Unchanged lists are requested again within one and a half times thirty days, and then rest."""
    await first_pass(harness, "alpha")
    harness.tomorrow(45)
    await harness.work()
    assert harness.requests() == FIRST_PASS
    harness.tomorrow()
    await harness.work()
    assert harness.requests() == {"graphql": 1}


async def test_a_push_while_the_commits_cool_down_keeps_their_pause(harness: Harness) -> None:
    """A source that has just failed is not requested sooner because of another pass."""
    harness.make("alpha")
    harness.add("alpha")
    harness.transport.interfere = failing("history", answer({"message": "Server Error"}, 500))
    await harness.work()
    push(harness.world, "octo/alpha", Push(login="ann"))
    await harness.by_hand("alpha", sources=[REPOSITORY])
    assert harness.state("alpha", COMMITS).due_at == NOW + 2 * MINUTE
    assert harness.state("alpha", COMMITS).failures == 1


async def test_a_history_that_fails_again_and_again_gives_way_to_participation(harness: Harness) -> None:
    """After three failures participation is requested instead, so that the weeks do not stay stale."""
    await first_pass(harness, "alpha")
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="ann", age=9 * DAY))
    real = harness.transport.interfere

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
                    "oid": harness.get("alpha").stats.head_oid,  # type: ignore[union-attr]
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

    harness.transport.interfere = without_pages
    for failures in (1, 2, 3):
        await harness.work()
        assert harness.state("alpha", COMMITS).failures == failures
        assert "4 were announced" in (harness.state("alpha", COMMITS).message or "")
        harness.clock.advance(30 * MINUTE)
    harness.requests()
    await harness.work()
    assert harness.requests() == {"participation": 1}
    assert harness.state("alpha", COMMITS).failures == 0
    assert weeks_shown(harness, "alpha") == weeks(harness, "alpha")
    for days in (1, 8, 8):
        harness.clock.advance(days * DAY)
        for _ in range(4):
            await harness.work()
            harness.clock.advance(30 * MINUTE)
        assert harness.state("alpha", COMMITS).due_reason is DueReason.WEEKS
        assert weeks_shown(harness, "alpha") == weeks(harness, "alpha")
    harness.transport.interfere = real


def weeks_shown(harness: Harness, slug: str) -> list[int]:
    days = harness.get(slug).commit_days
    assert days is not None
    return list(rolling_weeks(days, harness.clock.today()))


async def test_a_head_that_never_answers_gives_way_to_rest(harness: Harness) -> None:
    """A repository whose history GitHub cannot answer at all is requested over REST, its contributors included."""
    await first_pass(harness, "alpha", "beta")
    harness.tomorrow()
    for name in ("alpha", "beta"):
        push(harness.world, f"octo/{name}", Push(login="newcomer", age=9 * DAY))
    harness.service.state.faults.add(
        Rule(
            kind=Kind.PARTIAL_ERROR,
            operation="Heads",
            package="octo/alpha",
            message="Something went wrong while executing",
        )
    )
    await harness.work()
    is_true(harness, "beta")
    for failures in (1, 2, 3):
        assert harness.state("alpha", COMMITS).failures == failures
        harness.clock.advance(30 * MINUTE)
        harness.requests()
        await harness.work()
    assert harness.requests() == {"graphql": 1, "participation": 1, "contributors": 1}
    is_true(harness, "alpha")
    assert harness.get("alpha").observed.last_fetched == harness.clock.now()
    assert harness.state("alpha", COMMITS).due_reason is DueReason.WEEKS
    harness.service.state.faults.clear()
    harness.clock.advance(2 * DAY)
    await harness.work()
    is_true(harness, "alpha")


async def test_a_missing_repository(harness: Harness) -> None:
    """It is requested by id, then by name; it fails with growing retry delays and keeps its values."""
    await first_pass(harness, "alpha")
    before = harness.get("alpha")
    changes.delete(harness.world, "octo/alpha")
    harness.tomorrow()
    reports = await harness.work()
    assert harness.requests() == {"graphql": 2}
    after = harness.get("alpha")
    assert after.observed == before.observed
    state = after.states[REPOSITORY]
    assert (state.outcome, state.failures) == ("gone", 1)
    assert state.due_at == harness.clock.now() + timedelta(hours=6)
    assert [record.outcome for report in reports for record in report.failed] == ["gone"]


async def test_a_missing_repository_comes_back(harness: Harness) -> None:
    """A repository made private and public again recovers, and its failures are reset."""
    await first_pass(harness, "alpha")
    changes.set_facts(harness.world, "octo/alpha", Facts(private=True))
    harness.tomorrow()
    await harness.work()
    changes.set_facts(harness.world, "octo/alpha", Facts(private=False, stars=99))
    harness.tomorrow()
    await harness.work()
    state = harness.state("alpha", REPOSITORY)
    assert (state.outcome, state.failures, state.first_failed_at) == ("fetched", 0, None)
    assert harness.get("alpha").observed.repo_watchers == 99


async def test_a_replaced_repository_is_quarantined(harness: Harness) -> None:
    """Another repository at the known name is reported at each request, and none of its values are stored."""
    await first_pass(harness, "alpha")
    before = harness.get("alpha")
    changes.delete(harness.world, "octo/alpha")
    changes.recreate(harness.world, "octo/alpha")
    changes.set_facts(harness.world, "octo/alpha", Facts(stars=666))
    for failures in (1, 2):
        harness.tomorrow()
        await harness.work()
        after = harness.get("alpha")
        assert (after.observed, after.stats, after.commit_days) == (before.observed, before.stats, before.commit_days)
        assert (after.states[REPOSITORY].outcome, after.states[REPOSITORY].failures) == ("replaced", failures)
    assert "octo/alpha is now another repository" in (harness.state("alpha", REPOSITORY).message or "")
    assert harness.requests() == {"graphql": 4}


async def test_a_renamed_repository_is_noticed(harness: Harness) -> None:
    """The new name is stored and requested from then on; the editors' address stays."""
    await first_pass(harness, "alpha")
    changes.rename(harness.world, "octo/alpha", "omega", "other")
    harness.tomorrow()
    push(harness.world, "other/omega", Push(login="newcomer"))
    await harness.work()
    package = harness.get("alpha")
    assert package.stats is not None
    assert package.stats.full_name == "other/omega"
    assert package.entry.repo_url == "https://github.com/octo/alpha"
    assert package.repo == RepoRef("github.com", "octo/alpha")
    assert harness.requests() == {"graphql": 2}
    assert {name for entry in harness.log.entries for name in entry.packages} <= {"other/omega"}


async def test_an_empty_repository_needs_no_further_request(harness: Harness) -> None:
    """An empty repository has no contributors or commits, and counts as fetched with one query."""
    harness.make("alpha", [])
    harness.add("alpha")
    await harness.work()
    assert harness.requests() == {"graphql": 1}
    package = harness.get("alpha")
    assert (package.observed.participants, package.observed.last_updated) == ((), None)
    assert package.commit_days is not None
    assert sum(rolling_weeks(package.commit_days, harness.clock.today())) == 0
    assert package.observed.last_fetched == NOW
    push(harness.world, "octo/alpha", Push(commits=2, login="ann"))
    harness.tomorrow()
    await harness.work()
    is_true(harness, "alpha")
    assert harness.get("alpha").observed.last_fetched == harness.clock.now()


async def test_a_repository_that_was_emptied(harness: Harness) -> None:
    """If every branch is deleted, the lists become empty."""
    await first_pass(harness, "alpha")
    changes.empty(harness.world, "octo/alpha")
    harness.tomorrow()
    await harness.work()
    assert harness.requests() == {"graphql": 1}
    assert harness.get("alpha").observed.participants == ()


async def test_a_default_branch_that_is_missing_empties_nothing(harness: Harness) -> None:
    """If the default branch temporarily names no commit, the known head stays."""
    await first_pass(harness, "alpha")
    before = harness.get("alpha")
    harness.tomorrow()
    changes.set_facts(harness.world, "octo/alpha", Facts(stars=12, default_branch_missing=True))
    await harness.work()
    after = harness.get("alpha")
    assert after.observed.repo_watchers == 12
    assert after.observed.participants == before.observed.participants
    assert after.observed.last_updated == before.observed.last_updated
    assert after.commit_days == before.commit_days
    assert after.stats is not None
    assert before.stats is not None
    assert after.stats.head_oid == before.stats.head_oid
    assert after.observed.last_fetched == harness.clock.now()


@pytest.mark.parametrize("by", ["id", "name"])
async def test_node_ids_of_another_form_are_the_same_repository(harness: Harness, by: str) -> None:
    """If GitHub changes the form of its ids, nothing fails, and the new ids are stored."""
    harness.service.upstream("github").options.node_ids = NodeIds.LEGACY
    await first_pass(harness, "alpha", "beta")
    known = harness.get("alpha").stats
    assert known is not None
    harness.service.upstream("github").options.node_ids = NodeIds.NEW
    harness.tomorrow()
    if by == "name":
        changes.rename(harness.world, "octo/alpha", "omega")
    push(harness.world, "octo/alpha", Push(login="ann"))
    await harness.work()
    assert harness.requests() == {"graphql": 2}
    now = harness.get("alpha").stats
    assert now is not None
    assert (now.repository_id, now.handle != known.handle) == (known.repository_id, True)
    assert {harness.state(slug, REPOSITORY).outcome for slug in ("alpha", "beta")} == {"fetched"}
    is_true(harness, "alpha", "omega" if by == "name" else "alpha")


async def test_a_branch_that_could_not_be_read_empties_nothing(harness: Harness) -> None:
    """A null with an error in a repository's part is a fault of the response, not an empty repository."""
    await first_pass(harness, "alpha")
    before = harness.get("alpha")
    node = {
        "id": before.stats.handle if before.stats else "",
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
    harness.transport.interfere = failing("statistics", answer({"data": {"nodes": [node]}, "errors": errors}))
    harness.tomorrow()
    await harness.work()
    assert harness.get("alpha").observed == before.observed
    assert harness.state("alpha", REPOSITORY).outcome == "transient"


async def test_a_list_too_large_is_not_requested_for_each_push(harness: Harness) -> None:
    """A list refused for its size counts as answered until the slow re-check requests it again."""
    harness.make("alpha")
    harness.add("alpha")
    changes.set_facts(harness.world, "octo/alpha", Facts(contributors_too_large=True))
    await harness.work()
    assert harness.requests() == FIRST_PASS
    state = harness.state("alpha", CONTRIBUTORS)
    assert (state.outcome, state.failures, state.answered_at) == ("blocked", 0, NOW)
    assert harness.get("alpha").observed.last_fetched == NOW
    for _ in range(3):
        harness.tomorrow()
        push(harness.world, "octo/alpha", Push(login="newcomer"))
        await harness.work()
        assert harness.requests() == {"graphql": 2}
        assert harness.get("alpha").observed.last_fetched == harness.clock.now()
        assert "too large" in (harness.state("alpha", CONTRIBUTORS).message or "")
    changes.set_facts(harness.world, "octo/alpha", Facts(contributors_too_large=False))
    harness.tomorrow(45)
    await harness.work()
    is_true(harness, "alpha")


async def test_a_failed_source_blanks_no_other(harness: Harness) -> None:
    """Without a history the statistics are stored and old values stay. The package counts as fetched only with it."""
    await first_pass(harness, "alpha")
    before = harness.get("alpha")
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="newcomer"))
    changes.set_facts(harness.world, "octo/alpha", Facts(stars=11))
    harness.transport.interfere = failing("history", answer({"message": "Server Error"}, 500))
    await harness.work()
    after = harness.get("alpha")
    assert after.observed.participants == before.observed.participants
    assert after.observed.repo_watchers == 11
    assert after.commit_days == before.commit_days
    assert after.observed.last_fetched == before.observed.last_fetched
    assert after.states[COMMITS].outcome == "transient"
    harness.transport.interfere = lambda request: None
    harness.clock.advance(3 * MINUTE)
    await harness.work()
    is_true(harness, "alpha")
    assert harness.get("alpha").observed.last_fetched == harness.clock.now()


async def test_a_list_that_fails_keeps_the_result_of_the_history(harness: Harness) -> None:
    """If the list that should confirm a new author fails, it is requested again and all contributors stay."""
    await first_pass(harness, "alpha")
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="newcomer"))
    await harness.work()
    harness.transport.interfere = failing("contributors", answer({"message": "Server Error"}, 502))
    harness.clock.advance(SETTLES_AFTER)
    await harness.work()
    state = harness.state("alpha", CONTRIBUTORS)
    assert (state.outcome, state.failures, state.due_at) == ("transient", 1, harness.clock.now() + 2 * MINUTE)
    assert harness.get("alpha").observed.participants == ("ann", "bob", "newcomer")
    harness.transport.interfere = lambda request: None
    harness.clock.advance(2 * MINUTE)
    await harness.work()
    is_true(harness, "alpha")


async def test_a_bad_repository_costs_no_neighbour(harness: Harness) -> None:
    """A blocked repository fails alone, and the others are fetched."""
    await first_pass(harness, "alpha", "beta", "gamma")
    changes.set_block(harness.world, "octo/beta", Block.TERMS)
    harness.tomorrow()
    await harness.work()
    assert harness.state("beta", REPOSITORY).outcome == "blocked"
    assert (
        harness.state("alpha", REPOSITORY).answered_at
        == harness.state("gamma", REPOSITORY).answered_at
        == harness.clock.now()
    )


async def test_every_page_of_contributors(harness: Harness) -> None:
    """A list of more than one page is read to its end."""
    harness.make("alpha", [f"person-{number:03}" for number in range(230)])
    harness.add("alpha")
    await harness.work()
    assert harness.requests() == {"graphql": 4, "contributors": 3}
    assert len(harness.get("alpha").observed.participants or ()) == 230
    is_true(harness, "alpha")


@pytest.mark.parametrize("page", [0, 1, 51, 10**6])
async def test_pages_that_never_end(harness: Harness, page: int) -> None:
    """An invalid or excessive next page ends the reading, and nothing of the list is stored."""
    harness.make("alpha")
    harness.add("alpha")
    link = {"link": f'<https://api.example/x?page={page}>; rel="next"'}
    harness.transport.interfere = failing("contributors", answer([{"login": "a", "contributions": 1}], headers=link))
    await harness.work()
    assert harness.state("alpha", CONTRIBUTORS).outcome == "malformed"
    assert harness.get("alpha").observed.participants is None


async def test_a_list_cut_short_is_not_stored(harness: Harness) -> None:
    """If the second page fails, the first is not stored as the complete list."""
    harness.make("alpha", [f"person-{number:03}" for number in range(150)])
    harness.add("alpha")

    def second_page(request: Request) -> Answer | None:
        return answer({"message": "Server Error"}, 502) if "page=2" in request.url else None

    harness.transport.interfere = second_page
    await harness.work()
    assert harness.state("alpha", CONTRIBUTORS).outcome == "transient"
    assert harness.get("alpha").observed.participants is None


async def test_people_twice_on_moving_pages_are_listed_once(harness: Harness) -> None:
    """A contributor who moves to the next page while the pages are read is listed once."""
    harness.make("alpha")
    harness.add("alpha")

    def pages(request: Request) -> Answer | None:
        if request.route != "contributors":
            return None
        if "page=2" in request.url:
            return answer([{"login": "ann", "contributions": 3}, {"login": "bob", "contributions": 1}])
        link = {"link": '<https://api.example/x?page=2>; rel="next"'}
        return answer([{"login": "ann", "contributions": 3}], headers=link)

    harness.transport.interfere = pages
    await harness.work()
    assert harness.get("alpha").observed.participants == ("ann", "bob")


async def test_a_report_has_every_result(harness: Harness) -> None:
    """Failures are the requested sources without a good response; confirmed lists do not count."""
    await first_pass(harness, "alpha", "beta")
    changes.delete(harness.world, "octo/beta")
    harness.tomorrow()
    reports = await harness.work()
    assert sorted(str(record.outcome) for record in records(reports, REPOSITORY)) == ["fetched", "gone"]
    assert reports[0].waiting == 0
    assert len(reports[0].failed) == 1
