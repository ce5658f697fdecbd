"""Change detection: the requests that a moved head makes necessary, and the values that follow from its history.

The oracle is the simulator's world: its commits in the order of ``git log``, counted by login.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fetcher.domain import model
from fetcher.domain.commit_weeks import commit_days, history_start
from fetcher.domain.model import (
    DETAIL_SOURCES,
    Contribution,
    Contributors,
    DueReason,
    OutcomeKind,
    RepoRef,
    Source,
    SourceState,
    Target,
)
from fetcher.simulator import changes
from fetcher.simulator.changes import Push
from fetcher.simulator.git_log import git_log, limited, total
from fetcher.simulator.history import Author, Commit, WrittenHistory
from fetcher.simulator.repository import Repository
from fetcher.simulator.world import World
from fetcher.upstreams.github.change_detection import LIST_LAG, Derived, History, derive, needs_list, settle
from fetcher.upstreams.heads import follow_ups, is_current, is_list_refused, to_request
from tests.harness.clock import NOW, StoppedClock
from tests.harness.examples import examples

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAME = "owner/repo"
KNOWN = ("ann", "bob", "cho", "dan")
NEW = ("eve", "fay")
BOTH = frozenset(DETAIL_SOURCES)


@dataclass(frozen=True, slots=True)
class Forced:
    """A push that takes the newest ``dropped`` commits away and brings others; one of each is an amendment."""

    dropped: int
    commits: int


Step: TypeAlias = Push | Forced


def author(login: str | None) -> Author:
    """Return the author of a login, and an anonymous one for ``None``."""
    return Author(login, str(login), f"{login}@example.invalid")


def counted(commits: Sequence[Commit]) -> Contributors:
    """Return the truth: each login's commits of any kind, equal counts in the order of the first commit."""
    counts = Counter(commit.author.login for commit in commits if commit.author.login)
    return Contributors(tuple(Contribution(login, number) for login, number in counts.most_common()))


def logins(contributors: Contributors) -> list[str]:
    """Return the logins in their order."""
    return [person.login for person in contributors.people]


def people(text: str) -> Contributors:
    """Return contributors written as ``ann:3 bob:2``."""
    pairs = (entry.split(":") for entry in text.split())
    return Contributors(tuple(Contribution(login, int(number)) for login, number in pairs))


@dataclass
class Upstream:
    """One repository in the simulator's world, its history as GraphQL states it, and the lists that it had."""

    clock: StoppedClock
    world: World
    lists: list[tuple[datetime, Contributors]] = field(default_factory=list)
    """What the list of contributors was from each moment on."""

    @classmethod
    def started(cls, counts: Sequence[int], ages: Sequence[int] = (5,)) -> Upstream:
        """Start with a line of commits: so many of each of ``KNOWN``, the newest a day old, ``ages`` days apart."""
        clock = StoppedClock(NOW)
        names = [login for login, count in zip(KNOWN, counts, strict=False) for _ in range(count)]
        moment, commits = NOW - DAY, list[Commit]()
        moments = []
        for number in range(len(names)):
            moments.append(moment)
            moment -= ages[number % len(ages)] * DAY + timedelta(minutes=1)
        for number, (login, at) in enumerate(zip(names, reversed(moments), strict=True)):
            parents = (commits[-1].oid,) if commits else ()
            commits.append(Commit(f"{number:040x}", author(login), at, at, parents))
        world = World(clock)
        history = WrittenHistory(commits)
        world.put_repository(
            Repository(database_id=1, owner="owner", name="repo", created_at=NOW, pushed_at=NOW - DAY, history=history)
        )
        upstream = cls(clock, world)
        upstream.lists.append((NOW - DAY, upstream.truth))
        return upstream

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
    def truth(self) -> Contributors:
        return counted(self.repository.history.commits())

    def list_of(self, age: timedelta) -> Contributors:
        """Return the list of contributors as it was this long ago."""
        then = self.clock.now() - age
        return next(listed for at, listed in reversed(self.lists) if at <= then)

    def history(self) -> History:
        """Return the history of the head as it is read: the total, and the commits of a year in git's order."""
        repository, oid = self.repository, self.head
        log = limited(git_log(repository.history, oid), history_start(self.clock.today()), None)
        commits = [model.Commit(one.oid, one.author.login, one.authored_at.date(), len(one.parents) > 1) for one in log]
        return History(oid, total(repository.history, oid), tuple(commits), repository.pushed_at)

    def target(self, stored: Derived | None = None) -> Target:
        """Return the package with the days of the present head stored, and contributors: the true ones or these."""
        history, now = self.history(), self.clock.now()
        states = {
            source: SourceState(source, answered_at=now, revision=history.oid, due_at=now + 30 * DAY)
            for source in DETAIL_SOURCES
        }
        if stored is not None:
            states[Source.CONTRIBUTORS] = replace(states[Source.CONTRIBUTORS], due_reason=stored.open)
        return Target(
            package_id=1,
            slug="repo",
            lease="lease",
            claimed=BOTH,
            repo=RepoRef("github.com", "owner/repo"),
            handle="R_1",
            repository_id="1",
            project=None,
            states=states,
            contributors=stored.contributors if stored else self.truth,
            commit_days=commit_days(history.commits, now.date(), history.total, merges=True),
            head_oid=history.oid,
        )

    def take(self, steps: Sequence[tuple[Step, timedelta]]) -> None:
        """Let each step happen, and so much time pass after it."""
        for step, pause in steps:
            match step:
                case Push():
                    changes.push(self.world, NAME, step)
                case Forced():
                    changes.force_push(self.world, NAME, dropped=step.dropped, commits=step.commits)
            self.lists.append((self.clock.now(), self.truth))
            self.clock.advance(pause)


counts = st.lists(st.integers(1, 12), min_size=4, max_size=4)
ages = st.lists(st.integers(0, 60), min_size=1, max_size=8)
someone = st.sampled_from([*KNOWN, *NEW])
pushes = st.builds(
    Push,
    commits=st.integers(1, 5),
    login=someone,
    anonymous=st.integers(0, 4).map(lambda one: one == 0),
    age=st.timedeltas(timedelta(0), 400 * DAY),
    merge=st.booleans(),
)
branches = st.builds(
    Push,
    commits=st.integers(1, 4),
    login=someone,
    anonymous=st.integers(0, 4).map(lambda one: one == 0),
    committed_age=st.timedeltas(timedelta(0), 500 * DAY),
    merge=st.just(True),
)
forced_pushes = st.builds(Forced, dropped=st.integers(1, 9), commits=st.integers(1, 4))
amendments = st.just(Forced(1, 1))
lags = st.timedeltas(timedelta(0), LIST_LAG - timedelta(seconds=1))
pauses = st.timedeltas(timedelta(minutes=1), 3 * DAY) | st.just(timedelta(minutes=1))


def some(*kinds: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[list[tuple[Step, timedelta]]]:
    """Return a strategy for steps of these kinds, each with the time that passes after it."""
    return st.lists(st.tuples(st.one_of(kinds), pauses), min_size=least, max_size=5)


# --- contributors from the history --------------------------------------------------------------------------------


def is_as_open_as_declared(derived: Derived, truth: Contributors) -> None:
    """Check that contributors are the true ones except the open part: their order, or everything."""
    match derived.open:
        case None:
            assert derived.contributors == truth
        case DueReason.ORDER:
            assert set(derived.contributors.people) == set(truth.people)
        case _:
            assert derived.open is DueReason.SETTLING


def keeps_all_contributors(derived: Derived, known: Contributors, history: History) -> None:
    """Assert that no known login and no login of the history is missing or repeated, and that counts fall."""
    found = logins(derived.contributors)
    assert set(found) >= {*logins(known), *(commit.login for commit in history.commits if commit.login)}
    assert len(found) == len(set(found))
    numbers = [person.commits for person in derived.contributors.people]
    assert numbers == sorted(numbers, reverse=True)


@given(counts, ages, some(pushes, branches, forced_pushes, amendments))
@examples(3)
def test_values_that_are_not_open_are_true(
    starting: list[int], old: list[int], steps: list[tuple[Step, timedelta]]
) -> None:
    """After any pushes the derived contributors are the true ones, or open and complete."""
    upstream = Upstream.started(starting, old)
    target = upstream.target()
    upstream.take(steps)
    history = upstream.history()
    derived = derive(target, history)
    assert derived is not None
    is_as_open_as_declared(derived, upstream.truth)
    assert target.contributors is not None
    keeps_all_contributors(derived, target.contributors if derived.open else upstream.truth, history)


@given(counts, some(pushes, least=2))
def test_plain_pushes_leave_nothing_open(starting: list[int], steps: list[tuple[Step, timedelta]]) -> None:
    """Pushes on top of the head leave nothing open, except equal counts that were not equal before."""
    upstream = Upstream.started(starting)
    target = upstream.target()
    upstream.take(steps)
    numbers = [person.commits for person in upstream.truth.people]
    assume(len(numbers) == len(set(numbers)))
    assert derive(target, upstream.history()) == Derived(upstream.truth, None)


@given(counts, some(pushes, branches, forced_pushes), some(pushes, branches))
def test_derived_contributors_are_a_start(
    starting: list[int], first: list[tuple[Step, timedelta]], second: list[tuple[Step, timedelta]]
) -> None:
    """Derived contributors are a start for the next head, and their open part stays open."""
    upstream = Upstream.started(starting)
    target = upstream.target()
    upstream.take(first)
    derived = derive(target, upstream.history())
    assert derived is not None
    target = upstream.target(derived)
    upstream.take(second)
    again = derive(target, upstream.history())
    assert again is not None
    is_as_open_as_declared(again, upstream.truth)


@given(counts, some(pushes, least=0), st.one_of(forced_pushes, amendments), some(pushes, least=0))
def test_a_forced_push_leaves_all_open(
    starting: list[int], before: list[tuple[Step, timedelta]], forced: Forced, after: list[tuple[Step, timedelta]]
) -> None:
    """Removed commits cannot be subtracted, so all contributors are kept until GitHub's list is requested."""
    upstream = Upstream.started(starting)
    upstream.take(before)
    target = upstream.target()
    upstream.take([(forced, DAY), *after])
    history = upstream.history()
    derived = derive(target, history)
    assert derived is not None
    assert derived.open is DueReason.SETTLING
    assert target.contributors is not None
    keeps_all_contributors(derived, target.contributors, history)


def test_an_old_branch_leaves_all_open() -> None:
    """A merged branch with commits older than the former head leaves open which commits are new."""
    upstream = Upstream.started([5, 3])
    target = upstream.target()
    upstream.take([(Push(login="eve", commits=2, committed_age=3 * DAY), HOUR)])
    derived = derive(target, upstream.history())
    assert derived == Derived(people("ann:5 bob:3 eve:3"), DueReason.SETTLING)


def test_a_young_branch_leaves_nothing_open() -> None:
    """A merged branch whose commits are all younger than the former head is counted, and so is the merge."""
    upstream = Upstream.started([5, 3])
    target = upstream.target()
    upstream.clock.advance(DAY)
    upstream.take([(Push(login="eve", commits=1, committed_age=DAY / 2), HOUR)])
    assert derive(target, upstream.history()) == Derived(people("ann:5 bob:3 eve:2"), None)


@pytest.mark.parametrize(
    ("pushed", "expected", "certain"),
    [
        ("ann", "ann:10 bob:5 cho:5 dan:4", True),
        ("", "ann:9 bob:5 cho:5 dan:4", True),
        ("cho", "ann:9 cho:6 bob:5 dan:4", True),
        ("bob cho", "ann:9 bob:6 cho:6 dan:4", True),
        ("dan", "ann:9 bob:5 cho:5 dan:5", False),
        ("dan dan", "ann:9 dan:6 bob:5 cho:5", True),
        ("eve", "ann:9 bob:5 cho:5 dan:4 eve:1", True),
        ("eve fay", "ann:9 bob:5 cho:5 dan:4 eve:1 fay:1", False),
        ("eve eve fay", "ann:9 bob:5 cho:5 dan:4 eve:2 fay:1", True),
        ("eve eve eve eve", "ann:9 bob:5 cho:5 dan:4 eve:4", False),
        ("bob bob bob bob", "ann:9 bob:9 cho:5 dan:4", False),
        ("bob bob cho", "ann:9 bob:7 cho:6 dan:4", True),
        ("dan dan bob", "ann:9 bob:6 dan:6 cho:5", False),
    ],
)
def test_the_order_of_equal_counts(pushed: str, expected: str, certain: bool) -> None:  # noqa: FBT001
    """Two with equal counts keep their order if their counts were equal before. Otherwise it is open."""
    upstream = Upstream.started([9, 5, 5, 4])
    target = upstream.target()
    upstream.clock.advance(DAY)
    upstream.take([(Push(login=login), HOUR) for login in reversed(pushed.split())] or [(Push(anonymous=True), HOUR)])
    derived = derive(target, upstream.history())
    assert derived is not None
    assert derived.open is (None if certain else DueReason.ORDER)
    expected_people = people(expected)
    if certain:
        assert derived.contributors == expected_people
    assert set(derived.contributors.people) == set(expected_people.people)


@pytest.mark.parametrize("still_open", [None, DueReason.ORDER, DueReason.SETTLING])
def test_the_same_head_changes_nothing(still_open: DueReason | None) -> None:
    """With an unmoved head the stored contributors stay, whatever the history's rest contains."""
    upstream = Upstream.started([3, 2, 1, 1])
    stored = Derived(people("ann:3 bob:2"), still_open)
    assert derive(upstream.target(stored), upstream.history()) == stored


@pytest.mark.parametrize("reason", [DueReason.RECHECK, DueReason.SLOT, DueReason.WEEKS])
def test_only_an_open_question_stays_open(reason: DueReason) -> None:
    """Contributors that are due for any other reason have nothing open."""
    upstream = Upstream.started([3, 2])
    target = upstream.target(Derived(upstream.truth, reason))
    upstream.take([(Push(login="ann"), HOUR)])
    assert derive(target, upstream.history()) == Derived(people("ann:4 bob:2"), None)


@pytest.mark.parametrize(
    "unknown",
    [
        {"contributors": None},
        {"contributors": people("ann:0 bob:0")},
        {"contributors": people("ann:3 bob:0")},
        {"states": {}},
    ],
)
def test_nothing_is_derived_without_a_list(unknown: dict[str, Any]) -> None:
    """Logins of an imported document have no counts to add to; without any answer there is nothing at all."""
    upstream = Upstream.started([3, 2])
    target = replace(upstream.target(), **unknown)
    upstream.take([(Push(login="ann"), HOUR)])
    assert derive(target, upstream.history()) is None


def test_an_empty_repository_is_a_start() -> None:
    """Contributors of the first push into an empty repository are found in its history."""
    upstream = Upstream.started([2, 1])
    state = SourceState(Source.CONTRIBUTORS, answered_at=NOW, revision="empty")
    target = replace(upstream.target(), contributors=Contributors(()), states={Source.CONTRIBUTORS: state})
    derived = derive(target, upstream.history())
    assert derived is not None
    assert derived.contributors == people("ann:2 bob:1")


@pytest.mark.parametrize("lost", ["days", "total", "revision", "other head", "one more", "one less"])
def test_new_commits_are_certain_only_from_the_same_head(lost: str) -> None:
    """If the stored total and list may describe different heads, only unknown contributors are added."""
    upstream = Upstream.started([5, 3])
    target = upstream.target()
    days = target.commit_days
    assert days is not None
    assert days.total == 8
    states = dict(target.states)
    match lost:
        case "days":
            target = replace(target, commit_days=None)
        case "total":
            target = replace(target, commit_days=replace(days, total=None))
        case "one more":
            target = replace(target, commit_days=replace(days, total=9))
        case "one less":
            target = replace(target, commit_days=replace(days, total=7))
        case "revision":
            states[Source.CONTRIBUTORS] = replace(states[Source.CONTRIBUTORS], revision=None)
        case "other head":
            states[Source.COMMITS] = replace(states[Source.COMMITS], revision="0" * 40)
    upstream.take([(Push(login="ann"), HOUR), (Push(login="eve"), HOUR)])
    derived = derive(replace(target, states=states), upstream.history())
    assert derived == Derived(people("ann:5 bob:3 eve:1"), DueReason.SETTLING)


def test_a_page_that_ends_before_the_former_head_leaves_all_open() -> None:
    """Of more new commits than were read, the authors of those that were read are added."""
    upstream = Upstream.started([5, 3])
    target = upstream.target()
    upstream.take([(Push(commits=3, login="ann"), HOUR), (Push(commits=2, login="eve"), HOUR)])
    history = upstream.history()
    for shown in (2, 5):
        cut = replace(history, commits=history.commits[:shown])
        assert derive(target, cut) == Derived(people("ann:5 bob:3 eve:2"), DueReason.SETTLING)
    cut = replace(history, commits=history.commits[:6])
    assert derive(target, cut) == Derived(people("ann:8 bob:3 eve:2"), None)


# --- GitHub's list and the history --------------------------------------------------------------------------------


@given(
    counts,
    ages,
    some(pushes, branches, forced_pushes, amendments, least=0),
    lags,
    st.timedeltas(timedelta(0), 12 * HOUR),
)
@examples(3)
def test_a_list_hours_old(
    starting: list[int], old: list[int], steps: list[tuple[Step, timedelta]], age: timedelta, later: timedelta
) -> None:
    """A list of any state of the last hours gives true counts or leaves all open, and never costs a person."""
    upstream = Upstream.started(starting, old)
    target = upstream.target()
    upstream.take(steps)
    upstream.clock.advance(later)
    history, listed = upstream.history(), upstream.list_of(age)
    derived = derive(target, history)
    assert derived is not None
    found = settle(listed, derived, history, upstream.clock.now())
    is_as_open_as_declared(found, upstream.truth)
    if history.is_young(upstream.clock.now()):
        keeps_all_contributors(found, listed, history)


@given(counts, st.lists(st.tuples(some(pushes, branches, forced_pushes), st.none() | lags), min_size=2, max_size=4))
@examples(2)
def test_lists_hours_old_of_several_heads(
    starting: list[int], rounds: list[tuple[list[tuple[Step, timedelta]], timedelta | None]]
) -> None:
    """Head after head, with GitHub's list or without it, nothing that is wrong passes for confirmed."""
    upstream = Upstream.started(starting)
    target = upstream.target()
    for steps, age in rounds:
        upstream.take(steps)
        history = upstream.history()
        found = derive(target, history)
        assert found is not None
        if age is not None:
            found = settle(upstream.list_of(age), found, history, upstream.clock.now())
        is_as_open_as_declared(found, upstream.truth)
        assert len(logins(found.contributors)) == len(set(logins(found.contributors)))
        target = upstream.target(found)


@given(counts, ages, some(pushes, branches, forced_pushes), st.timedeltas(timedelta(0), 12 * HOUR))
def test_a_first_list_hours_old(
    starting: list[int], old: list[int], steps: list[tuple[Step, timedelta]], age: timedelta
) -> None:
    """Without a stored list nothing confirms a list of a young head, and no login of its history is lost."""
    upstream = Upstream.started(starting, old)
    upstream.take(steps)
    upstream.clock.advance(-steps[-1][1])
    history, listed = upstream.history(), upstream.list_of(age)
    found = settle(listed, None, history, upstream.clock.now())
    assert found.open is DueReason.SETTLING
    keeps_all_contributors(found, listed, history)
    known = {person.login: person.commits for person in listed.people}
    assert {p.login: p.commits for p in found.contributors.people if p.login in known} == known


def settled(upstream: Upstream, target: Target, listed: Contributors) -> Derived:
    """Settle ``listed`` against the contributors derived from the present history."""
    history = upstream.history()
    return settle(listed, derive(target, history), history, upstream.clock.now())


@pytest.mark.parametrize("behind", [0, 1, 2, 3])
def test_a_list_some_commits_behind_a_young_head(behind: int) -> None:
    """A list of the head, or of a commit since the stored one, confirms the counts from the history."""
    upstream = Upstream.started([5, 3, 2])
    target = upstream.target()
    lists = [upstream.truth]
    for login in ("cho", "eve", "bob"):
        upstream.take([(Push(login=login), timedelta(minutes=5))])
        lists.append(upstream.truth)
    found = settled(upstream, target, lists[-1 - behind])
    assert found == Derived(people("ann:5 bob:4 cho:3 eve:1"), None)


@pytest.mark.parametrize(
    "listed",
    [
        "ann:5 bob:4 cho:2 eve:1 dan:1",
        "ann:5 bob:4 cho:3 eve:1",
        "ann:5 bob:2 cho:3 eve:1 dan:1",
        "ann:3 bob:4 cho:3 eve:1 dan:1",
        "ann:6 bob:4 cho:3 eve:1 dan:1",
        "ann:5 bob:4 cho:3 eve:1 dan:1 fay:1",
        "bob:4 cho:3 eve:1 dan:1",
    ],
)
def test_a_list_of_no_commit_of_the_history(listed: str) -> None:
    """Counts that the history had at none of its commits are kept, and leave all open."""
    upstream = Upstream.started([5, 3, 2, 1])
    target = upstream.target()
    upstream.take([(Push(login=login), timedelta(minutes=5)) for login in ("cho", "eve", "bob")])
    found = settled(upstream, target, people(listed))
    assert found.open is DueReason.SETTLING
    assert set(found.contributors.people) >= set(people(listed).people)


@pytest.mark.parametrize("step", [Forced(1, 1), Push(login="bob", committed_age=3 * DAY)])
def test_a_list_from_before_the_push_confirms_nothing(step: Step) -> None:
    """After a forced push or the merge of an old branch, an earlier list does not count as that of the head."""
    upstream = Upstream.started([5, 3])
    target, before = upstream.target(), upstream.truth
    upstream.take([(step, HOUR)])
    assert upstream.truth != before
    found = settled(upstream, target, before)
    assert found == Derived(before, DueReason.SETTLING)


@pytest.mark.parametrize(
    ("age", "pushed", "trusted"),
    [
        (LIST_LAG, True, True),
        (LIST_LAG - timedelta(microseconds=1), True, False),
        (timedelta(0), True, False),
        (100 * DAY, False, False),
    ],
)
def test_a_list_of_an_old_head_is_taken_as_it_is(age: timedelta, pushed: bool, trusted: bool) -> None:  # noqa: FBT001
    """Hours after a push the list is stored as it is, including omissions."""
    upstream = Upstream.started([5, 3])
    target = upstream.target()
    upstream.take([(Push(login="eve"), age)])
    history, listed = upstream.history(), people("ann:9 fay:2")
    history = history if pushed else replace(history, pushed_at=None)
    for derived in (derive(target, history), None):
        found = settle(listed, derived, history, upstream.clock.now())
        assert (found == Derived(listed, None)) is trusted


def test_a_list_that_lacks_a_newcomer() -> None:
    """A newcomer of the last hours stays; all contributors in the list have the list's counts."""
    upstream = Upstream.started([5, 3])
    target = upstream.target()
    upstream.take([(Push(login="eve"), HOUR)])
    assert settled(upstream, target, people("ann:5 bob:3")) == Derived(people("ann:5 bob:3 eve:1"), None)
    found = settled(upstream, target, people("ann:7 bob:3"))
    assert found == Derived(people("ann:7 bob:3 eve:1"), DueReason.SETTLING)


def test_a_list_ahead_of_the_history() -> None:
    """A list with commits that came after the head was read is kept, and leaves all open."""
    upstream = Upstream.started([5, 3])
    target = upstream.target()
    upstream.take([(Push(login="bob"), HOUR)])
    found = settled(upstream, target, people("ann:5 bob:5 eve:1"))
    assert found == Derived(people("ann:5 bob:5 eve:1"), DueReason.SETTLING)


def test_the_list_decides_the_order_of_equal_counts() -> None:
    """Counts that are equal in the list as well have the list's order. Otherwise their order is open."""
    upstream = Upstream.started([5, 3])
    target = upstream.target()
    upstream.take([(Push(commits=2, login="bob"), HOUR)])
    for listed in ("bob:5 ann:5", "ann:5 bob:5"):
        assert settled(upstream, target, people(listed)) == Derived(people(listed), None)
    assert settled(upstream, target, people("ann:5 bob:4")).open is DueReason.ORDER


def test_a_list_confirms_nothing_while_all_is_open() -> None:
    """Open contributors, and those whose list was delayed, wait for a list of an older head. An open order does not."""
    upstream = Upstream.started([5, 3])
    targets = {reason: upstream.target(Derived(upstream.truth, reason)) for reason in DueReason}
    upstream.take([(Push(login="ann"), HOUR)])
    found = {reason: settled(upstream, target, upstream.truth).open for reason, target in targets.items()}
    delayed = {DueReason.SETTLING, DueReason.COOLING, DueReason.QUOTA}
    assert found == {reason: DueReason.SETTLING if reason in delayed else None for reason in DueReason}


def test_a_contributor_in_neither_list_nor_history_is_dropped() -> None:
    """After a forced push that took a person's only commit away, a list without that person counts."""
    upstream = Upstream.started([5, 3])
    upstream.take([(Push(login="eve"), DAY)])
    target = upstream.target()
    upstream.take([(Forced(1, 1), timedelta(0)), (Push(login="fay"), HOUR)])
    found = settled(upstream, target, people("ann:6 bob:3"))
    assert found == Derived(people("ann:6 bob:3 fay:1"), DueReason.SETTLING)


# --- what to request ----------------------------------------------------------------------------------------------


def claimed(list_: dict[str, Any] | None = None, days: dict[str, Any] | None = None, **fields: Any) -> Target:
    """Return a package with both sources fetched at the head ``old`` and due later, whose head is now ``new``."""
    usual: dict[str, Any] = {"answered_at": NOW - DAY, "revision": "old", "due_at": NOW + DAY}
    states = {
        Source.CONTRIBUTORS: SourceState(Source.CONTRIBUTORS, **{**usual, **(list_ or {})}),
        Source.COMMITS: SourceState(Source.COMMITS, **{**usual, **(days or {})}),
    }
    target = Upstream.started([2, 1]).target()
    return replace(target, **{"states": states, "head_oid": "new", **fields})


CURRENT = {"revision": "new"}
REFUSED = {"outcome": OutcomeKind.BLOCKED}
NEVER = {"answered_at": None, "revision": None, "due_at": None}


@pytest.mark.parametrize(
    ("fields", "head", "current"),
    [
        ({"revision": "new"}, "new", True),
        ({"revision": "old"}, "new", False),
        ({"revision": "new", "answered_at": None}, "new", False),
        ({"revision": None}, None, False),
    ],
)
def test_current_values(fields: dict[str, Any], head: str | None, current: bool) -> None:  # noqa: FBT001
    """Only values that were fetched at this head are current."""
    state = SourceState(Source.COMMITS, **{"answered_at": NOW, **fields})
    assert is_current(state, head) is current


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        (REFUSED, True),
        ({"outcome": "fetched"}, False),
        ({**REFUSED, "failures": 1}, False),
        ({**REFUSED, "answered_at": None}, False),
    ],
)
def test_a_list_that_is_refused_for_its_size(fields: dict[str, Any], refused: bool) -> None:  # noqa: FBT001
    """A refusal that counts as an answer holds; one that counts as a failure is requested again."""
    assert is_list_refused(SourceState(Source.CONTRIBUTORS, **{"answered_at": NOW, **fields})) is refused


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (claimed(CURRENT, CURRENT), ()),
        (claimed(CURRENT), (Source.COMMITS,)),
        (claimed(None, CURRENT), (Source.CONTRIBUTORS,)),
        (claimed(), DETAIL_SOURCES),
        (claimed(REFUSED), (Source.COMMITS,)),
        (claimed({**REFUSED, "answered_at": None}), DETAIL_SOURCES),
    ],
)
def test_sources_that_a_head_leaves_open(target: Target, expected: tuple[Source, ...]) -> None:
    """A moved head leaves both sources open, but not a list that GitHub refuses for its size."""
    assert follow_ups(target, "new") == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"due_at": NOW - HOUR}, True),
        (NEVER, True),
        (CURRENT, False),
        ({**CURRENT, "due_at": NOW}, True),
        ({**CURRENT, "due_at": NOW + timedelta(seconds=1)}, False),
        ({**CURRENT, "due_at": None}, False),
        (REFUSED, False),
        ({**REFUSED, "due_at": NOW}, True),
        ({**REFUSED, "due_at": None}, False),
        ({**REFUSED, "failures": 1}, True),
    ],
)
def test_requests_for_a_claimed_source(fields: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """A source of the present head, or one that is refused, is requested only when it is due."""
    assert to_request(claimed(fields), Source.CONTRIBUTORS, NOW) is expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (claimed(), False),
        (claimed(CURRENT), False),
        (claimed({"due_at": NOW}), True),
        (claimed({**CURRENT, "due_at": NOW}), True),
        (claimed({"due_at": None}), False),
        (claimed(NEVER), True),
        (claimed(contributors=None), True),
        (claimed(contributors=people("ann:2 bob:0")), True),
        (claimed(contributors=Contributors(())), False),
        (claimed(REFUSED), False),
        (claimed(REFUSED, contributors=None), False),
        (claimed({**REFUSED, "due_at": NOW}), True),
    ],
)
def test_when_the_list_is_requested(target: Target, expected: bool) -> None:  # noqa: FBT001
    """GitHub's list is requested where it is due, was never answered, or is not known with its counts."""
    assert needs_list(target, NOW) is expected
