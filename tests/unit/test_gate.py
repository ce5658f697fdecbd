"""The change gate: what a moved head makes necessary to ask, and that what is derived is what asking whole would say.

The oracle is the simulator's truth: its histories, its contributors and participation, and its own comparison bodies.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fetcher.commits import rolling_weeks
from fetcher.gate import COMPARISONS, AskWhole, Compare, Derived, derive, follow_ups, is_current, question
from fetcher.github.details import Compared, read_comparison
from fetcher.model import (
    DETAIL_SOURCES,
    CommitDays,
    Contribution,
    Contributors,
    NewCommit,
    RepoRef,
    Source,
    SourceState,
    Target,
)
from fetcher.outcome import Fetched, Gone
from fetcher.simulator.changes import Push, force_push, push
from fetcher.simulator.exchange import Call, Upstream
from fetcher.simulator.github_rest import GitHubRest
from fetcher.simulator.history import Author, Commit, WrittenHistory, commit_activity, contributors, participation
from fetcher.simulator.repository import Repository
from fetcher.simulator.statistics_jobs import Statistics, StatisticsJobs
from fetcher.simulator.world import World
from fetcher.wire import Response
from tests.fakes import StoppedClock

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = "owner/repo"
KNOWN = ("ann", "bob", "cho", "dan")
BOTH = frozenset(DETAIL_SOURCES)


@dataclass
class Upstreams:
    """One repository in the simulator's world, and everything that GitHub would say of it."""

    clock: StoppedClock
    world: World

    @classmethod
    def started(cls, counts: list[int], ages: list[int]) -> Upstreams:
        """A history in which each of ``KNOWN`` has so many commits, at those ages in days."""
        clock = StoppedClock(NOW)
        authors = [login for login, count in zip(KNOWN, counts, strict=True) for _ in range(count)]
        commits: list[Commit] = []
        for number, login in enumerate(authors):
            at = NOW - ages[number % len(ages)] * DAY
            parents = (commits[-1].oid,) if commits else ()
            commits.append(Commit(f"{number:040x}", Author(login, login, login), at, at, parents))
        world = World(clock)
        world.put_repository(
            Repository(
                database_id=1,
                owner="owner",
                name="repo",
                created_at=NOW,
                pushed_at=NOW,
                history=WrittenHistory(commits),
            )
        )
        return cls(clock, world)

    @property
    def repository(self) -> Repository:
        found = self.world.repository(NAME)
        assert found is not None
        return found

    @property
    def head(self) -> str:
        tip = self.repository.history.tip
        assert tip is not None
        return tip.oid

    @property
    def today(self) -> date:
        return self.clock.today()

    def commits(self) -> tuple[Commit, ...]:
        return self.repository.history.commits()

    def people(self) -> Contributors:
        """What asking for every contributor would say."""
        accounts, _ = contributors(self.commits())
        return Contributors(tuple(Contribution(str(one.author.login), one.contributions) for one in accounts))

    def days(self) -> CommitDays:
        """What asking for commit activity would say."""
        weeks = commit_activity(self.commits(), self.today)
        return CommitDays(weeks[0].start.date(), tuple(count for week in weeks for count in week.days))

    def whole(self) -> Target:
        """The package right after asking everything whole."""
        states = {
            source: SourceState(source, answered_at=NOW, revision=self.head, whole_at=NOW, due_at=NOW + 30 * DAY)
            for source in DETAIL_SOURCES
        }
        return Target(
            package_id=1,
            slug="repo",
            lease="lease",
            claimed=BOTH,
            repo=RepoRef("github.com", "owner", "repo"),
            node_id="R_1",
            database_id=1,
            project=None,
            states=states,
            contributors=self.people(),
            commit_days=self.days(),
            head_oid=self.head,
        )

    def compared(self, base: str) -> Fetched[Compared] | Gone:
        """The REST body of ``base...head``, 100 a page, read by the real reader."""
        call = Call(
            upstream=Upstream.GITHUB,
            route="compare",
            method="GET",
            root="https://api.example",
            path=f"/repos/{NAME}/compare",
            parameters={"basehead": f"{base}...{self.head}"},
            query={"per_page": "100"},
            headers={},
            body=b"",
            address="",
            now=self.clock.now(),
        )
        answer = GitHubRest(self.world, StatisticsJobs(Statistics())).compare(call, self.repository)
        found = read_comparison(Response(answer.status, {"content-type": answer.content_type}, answer.encoded()))
        assert isinstance(found, Fetched | Gone)
        return found

    def derived(self, target: Target) -> Derived:
        answer = self.compared(target.state(Source.COMMITS).revision or "")
        return derive(answer.value, target, self.today) if isinstance(answer, Fetched) else Derived(None, None)

    def shows(self, days: CommitDays, then: date) -> list[int]:
        """What participation says on ``then`` of the commits of the days that are known."""
        return participation([one for one in self.commits() if one.authored_at.date() >= days.start], then)


counts = st.lists(st.integers(1, 12), min_size=4, max_size=4)
ages = st.lists(st.integers(0, 500), min_size=1, max_size=8)
known_pushes = st.builds(
    Push,
    commits=st.integers(1, 6),
    login=st.sampled_from(KNOWN),
    age=st.timedeltas(timedelta(0), 400 * DAY),
)
any_pushes = st.builds(
    Push,
    commits=st.integers(1, 6),
    login=st.sampled_from([*KNOWN, "eve", None]),
    anonymous=st.booleans(),
    age=st.timedeltas(timedelta(0), 400 * DAY),
    merge=st.booleans(),
)
waits = st.timedeltas(timedelta(hours=1), 20 * DAY)


@given(counts, ages, st.lists(st.tuples(waits, st.lists(any_pushes, min_size=1, max_size=4)), max_size=5))
@settings(max_examples=200)
def test_what_is_derived_is_what_asking_whole_would_say(
    starting: list[int], old: list[int], rounds: list[tuple[timedelta, list[Push]]]
) -> None:
    """Whatever was pushed, each derived list has the order and counts of the whole one, each derived day is right.

    Round upon round, on top of what was derived before; what cannot be derived is then asked whole.
    """
    upstream = Upstreams.started(starting, old)
    target = upstream.whole()
    for wait, pushes in rounds:
        upstream.clock.advance(wait)
        for pushed in pushes:
            push(upstream.world, NAME, pushed)
        derived = upstream.derived(target)
        if derived.contributors is not None:
            assert derived.contributors == upstream.people()
        assert derived.commit_days is not None
        for later in (0, 1, 8, 100, 400):
            then = upstream.today + later * DAY
            assert list(rolling_weeks(derived.commit_days, then)) == upstream.shows(derived.commit_days, then)
        target = replace(
            upstream.whole(),
            contributors=derived.contributors or upstream.people(),
            commit_days=derived.commit_days,
        )


@given(counts, ages, st.lists(known_pushes, min_size=1, max_size=4))
@settings(max_examples=200)
def test_ordinary_pushes_are_derived(starting: list[int], old: list[int], pushes: list[Push]) -> None:
    """A push by known authors that makes no tie settles both lists with the one comparison."""
    upstream = Upstreams.started(starting, old)
    target = upstream.whole()
    upstream.clock.advance(DAY)
    for pushed in pushes:
        push(upstream.world, NAME, pushed)
    pushers = {pushed.login for pushed in pushes}
    after = upstream.people().people
    ranks = Counter(person.commits for person in after)
    assume(all(ranks[person.commits] == 1 for person in after if person.login in pushers))
    assert upstream.derived(target).contributors == upstream.people()


@given(counts, ages, st.lists(any_pushes, max_size=3), st.integers(1, 3), st.booleans())
def test_after_a_forced_push_nothing_is_derived(
    starting: list[int],
    old: list[int],
    pushes: list[Push],
    dropped: int,
    vanished: bool,  # noqa: FBT001
) -> None:
    """Commits that were taken away are in no comparison: both lists are asked whole."""
    upstream = Upstreams.started(starting, old)
    target = upstream.whole()
    upstream.clock.advance(DAY)
    force_push(upstream.world, NAME, dropped=dropped, vanished=vanished)
    for pushed in pushes:
        push(upstream.world, NAME, pushed)
    assert upstream.derived(target) == Derived(None, None)


@given(counts, ages)
def test_an_unmoved_head_rolls_on(starting: list[int], old: list[int]) -> None:
    """With an unmoved head the weeks are participation's on each of the next 60 days, without a request."""
    upstream = Upstreams.started(starting, old)
    days = upstream.days()
    for _ in range(60):
        upstream.clock.advance(DAY)
        assert list(rolling_weeks(days, upstream.today)) == upstream.shows(days, upstream.today)
    assert list(rolling_weeks(days, upstream.today)) == participation(upstream.commits(), upstream.today)


def test_the_same_head_confirms_both() -> None:
    """Comparing a head with itself leaves what is stored."""
    upstream = Upstreams.started([3, 2, 1, 1], [5])
    target = upstream.whole()
    assert upstream.derived(target) == Derived(target.contributors, target.commit_days)


@pytest.mark.parametrize("login", ["eve", "ann"])
def test_more_commits_than_a_page_are_asked_whole(login: str) -> None:
    """A comparison of which only the first hundred commits are known settles nothing."""
    upstream = Upstreams.started([3, 2, 1, 1], [5])
    target = upstream.whole()
    push(upstream.world, NAME, Push(commits=100, login="ann"))
    assert upstream.derived(target).commit_days is not None
    push(upstream.world, NAME, Push(commits=1, login=login))
    assert upstream.derived(target) == Derived(None, None)


def new(login: str | None, *, merge: bool = False) -> NewCommit:
    return NewCommit("abc", login, NOW.date(), merge)


PEOPLE = Contributors((Contribution("ann", 9), Contribution("bob", 5), Contribution("cho", 5), Contribution("dan", 4)))


@pytest.mark.parametrize(
    ("commits", "order"),
    [
        ([new("ann")], "ann bob cho dan"),
        ([new(None)], "ann bob cho dan"),
        ([new("cho")], "ann cho bob dan"),
        ([new("dan")], None),
        ([new("dan"), new("dan")], "ann dan bob cho"),
        ([new("eve")], None),
        ([new("ann", merge=True)], "ann bob cho dan"),
        ([new("cho", merge=True)], None),
        ([new("dan", merge=True)], None),
        ([new("eve", merge=True)], None),
        ([new("bob"), new("bob", merge=True)], "ann bob cho dan"),
    ],
)
def test_who_stands_where(commits: list[NewCommit], order: str | None) -> None:
    """Known authors move up; a new author, a tie, or a merge that could move somebody is for GitHub to say."""
    target = replace(Upstreams.started([1, 1, 1, 1], [5]).whole(), contributors=PEOPLE)
    people = derive(Compared("ahead", len(commits), tuple(commits)), target, NOW.date()).contributors
    assert (people and " ".join(person.login for person in people.people)) == order


@pytest.mark.parametrize(
    "compared",
    [
        Compared("diverged", 1, (new("ann"),)),
        Compared("behind", 0, ()),
        Compared("ahead", 2, (new("ann"),)),
        Compared("ahead", 1, None),
        Compared("sideways", 1, (new("ann"),)),
    ],
)
def test_a_comparison_that_settles_nothing(compared: Compared) -> None:
    """Only a complete list of commits ahead is derived from."""
    target = replace(Upstreams.started([1, 1, 1, 1], [5]).whole(), contributors=PEOPLE)
    assert derive(compared, target, NOW.date()) == Derived(None, None)


def test_what_was_never_had_is_not_derived() -> None:
    """Without a stored list there is nothing to add to."""
    target = replace(Upstreams.started([1, 1, 1, 1], [5]).whole(), contributors=None, commit_days=None)
    assert derive(Compared("ahead", 1, (new("ann"),)), target, NOW.date()) == Derived(None, None)


# --- what to ask ------------------------------------------------------------------------------------------------


def state(source: Source, **fields: Any) -> SourceState:
    usual = {"answered_at": NOW - DAY, "revision": "old", "due_at": NOW - DAY, "whole_at": NOW - DAY}
    return SourceState(source, **{**usual, **fields})


def claimed(
    contributors_: dict[str, Any] | None = None, commits: dict[str, Any] | None = None, **fields: Any
) -> Target:
    """A package of which both lists were had of the head ``old``, and whose head is now ``new``."""
    states = {
        Source.CONTRIBUTORS: state(Source.CONTRIBUTORS, **(contributors_ or {})),
        Source.COMMITS: state(Source.COMMITS, **(commits or {})),
    }
    target = Upstreams.started([1, 1, 1, 1], [5]).whole()
    return replace(target, **{"states": states, "head_oid": "new", **fields})


LATER = {"due_at": NOW + DAY}
CURRENT = {"revision": "new", **LATER}
REFUSED = {"outcome": "blocked", **LATER}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (claimed(), Compare("old", DETAIL_SOURCES)),
        (claimed(CURRENT), Compare("old", (Source.COMMITS,))),
        (claimed(commits=CURRENT), Compare("old", (Source.CONTRIBUTORS,))),
        (claimed(CURRENT, CURRENT), AskWhole(())),
        (claimed({**CURRENT, "due_at": NOW}, CURRENT), AskWhole((Source.CONTRIBUTORS,))),
        (claimed(REFUSED), Compare("old", (Source.COMMITS,))),
        (claimed({**REFUSED, "due_at": NOW}), Compare("old", DETAIL_SOURCES)),
        (claimed({**REFUSED, "failures": 1}), Compare("old", DETAIL_SOURCES)),
        (claimed({"answered_at": None}), AskWhole(DETAIL_SOURCES)),
        (claimed({"revision": "older"}), AskWhole(DETAIL_SOURCES)),
        (claimed({"revision": None}, {"revision": None}), AskWhole(DETAIL_SOURCES)),
        (claimed({"failures": COMPARISONS - 1}), Compare("old", DETAIL_SOURCES)),
        (claimed({"failures": COMPARISONS}), AskWhole(DETAIL_SOURCES)),
        (claimed(contributors=None), AskWhole(DETAIL_SOURCES)),
        (claimed(contributors=Contributors((Contribution("ann", 0),))), AskWhole(DETAIL_SOURCES)),
        (claimed(commit_days=None), AskWhole(DETAIL_SOURCES)),
        (claimed(claimed=frozenset({Source.COMMITS}), contributors=None), Compare("old", (Source.COMMITS,))),
        (claimed(claimed=frozenset({Source.CONTRIBUTORS})), Compare("old", (Source.CONTRIBUTORS,))),
    ],
)
def test_what_to_ask(target: Target, expected: Compare | AskWhole) -> None:
    """One comparison for what is of one known head; whole for what was never had, failed again and again, or is due."""
    assert question(target, NOW) == expected


@pytest.mark.parametrize(
    ("fields", "head", "current"),
    [
        ({"revision": "new"}, "new", True),
        ({"revision": "old"}, "new", False),
        ({"revision": "new", "answered_at": None}, "new", False),
        ({"revision": None}, None, False),
    ],
)
def test_what_is_current(fields: dict[str, Any], head: str | None, current: bool) -> None:  # noqa: FBT001
    """Only an answer of this very head needs no asking."""
    assert is_current(state(Source.COMMITS, **fields), head) is current


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (claimed(CURRENT, CURRENT), ()),
        (claimed(CURRENT), (Source.COMMITS,)),
        (claimed(), DETAIL_SOURCES),
        (claimed(REFUSED), (Source.COMMITS,)),
        (claimed({**REFUSED, "answered_at": None}), DETAIL_SOURCES),
    ],
)
def test_what_an_answer_leaves_open(target: Target, expected: tuple[Source, ...]) -> None:
    """A moved head opens both lists, but not one that GitHub refuses to tell for its size."""
    assert follow_ups(target, "new") == expected
