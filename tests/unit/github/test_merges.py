"""The check whether participation counts merges: compared by package, concluded for all."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.model import Commit
from fetcher.ports import Checkpoint
from fetcher.simulator import history
from fetcher.simulator.history import participation
from fetcher.upstreams.github.merges import (
    MERGES,
    Comparison,
    Merges,
    compare,
    conclude,
    counts_merges,
    describe,
    in_force,
)

TODAY = date(2026, 3, 18)
DAY = timedelta(days=1)
AUTHOR = history.Author("ann", "Ann", "ann@example.invalid")
WITH, WITHOUT, UNDECIDED = Merges.WITH, Merges.WITHOUT, Merges.UNDECIDED


def written(*commits: tuple[int, bool]) -> list[history.Commit]:
    """Return the simulator's commits: so many days before today, at noon, a merge or not."""
    noon = datetime.combine(TODAY, time(12), UTC)
    return [
        history.Commit(str(n), AUTHOR, noon - age * DAY, noon, ("1", "2") if merge else ("1",))
        for n, (age, merge) in enumerate(commits)
    ]


def read(commits: list[history.Commit]) -> list[Commit]:
    """Return the same commits as they are read from GraphQL."""
    return [Commit(one.oid, None, one.authored_at.date(), one.is_merge) for one in commits]


def found(outcome: Merges, slug: str = "one", reason: str = "") -> Comparison:
    """Return a comparison with this outcome."""
    return Comparison(slug, outcome, 1, 1, 0, reason)


def finding(outcome: str | None) -> Checkpoint:
    """Return the stored finding."""
    return Checkpoint(MERGES, outcome=outcome)


# --- one package --------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 380), st.booleans()), max_size=40), st.booleans(), st.sampled_from([0, 1]))
def test_a_comparison_is_never_wrong(commits: list[tuple[int, bool]], counts: bool, late: int) -> None:  # noqa: FBT001
    """GitHub's own weeks, of today or of the day before, are recognised or fit both ways of counting."""
    made = written(*commits)
    stated = participation(made, TODAY - late * DAY, merges=counts)
    comparison = compare("one", read(made), stated, TODAY)
    assert comparison.found in (WITH if counts else WITHOUT, UNDECIDED)
    if comparison.found is UNDECIDED:
        others = [participation(made, TODAY - days * DAY, merges=not counts) for days in (0, 1)]
        assert stated in others
        assert comparison.reason == "no merge in its weeks"


@pytest.mark.parametrize(
    ("counts", "outcome", "stated"), [(True, WITH, 3), (False, WITHOUT, 2)], ids=["counted", "left out"]
)
@pytest.mark.parametrize("late", [0, 1])
def test_one_merge_decides(counts: bool, outcome: Merges, stated: int, late: int) -> None:  # noqa: FBT001
    """Weeks that contain one merge decide, with both sums beside the stated one."""
    made = written((3, False), (20, True), (200, False), (400, True))
    weeks = participation(made, TODAY - late * DAY, merges=counts)
    assert compare("one", read(made), weeks, TODAY) == Comparison("one", outcome, stated, 3, 2)


def test_weeks_without_a_merge_decide_nothing() -> None:
    """If all merges are older than the weeks, both ways of counting match."""
    made = written((3, False), (400, True), (0, True))
    comparison = compare("one", read(made), participation(made, TODAY), TODAY)
    assert comparison == Comparison("one", UNDECIDED, 1, 1, 1, "no merge in its weeks")


@pytest.mark.parametrize("change", [(0, 1), (51, 1), (25, -1)])
def test_weeks_that_fit_neither_way_decide_nothing(change: tuple[int, int]) -> None:
    """A single week that differs by one commit from both ways of counting leaves the package undecided."""
    made = written((3, False), (20, True), (364 // 2 + 1, False))
    weeks = participation(made, TODAY)
    weeks[change[0]] += change[1]
    comparison = compare("one", read(made), weeks, TODAY)
    assert comparison.found is UNDECIDED
    assert comparison.reason == "participation fits neither way of counting"
    assert comparison.stated == sum(weeks)


def test_weeks_of_two_days_ago_fit_nothing() -> None:
    """GitHub's week may end on the Pacific date, a day before the UTC date, and no earlier."""
    made = written((3, True), (8, False), (9, False))
    for late, outcome in ((0, WITH), (1, WITH), (2, UNDECIDED)):
        weeks = participation(made, TODAY - late * DAY)
        assert compare("one", read(made), weeks, TODAY).found is outcome


# --- all packages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], UNDECIDED),
        ([UNDECIDED], UNDECIDED),
        ([WITH], WITH),
        ([WITHOUT], WITHOUT),
        ([UNDECIDED, WITH, UNDECIDED, WITH], WITH),
        ([WITHOUT, UNDECIDED], WITHOUT),
        ([WITH, WITHOUT], UNDECIDED),
        ([WITH, WITH, WITH, WITHOUT], UNDECIDED),
    ],
)
def test_packages_that_contradict_each_other_decide_nothing(outcomes: list[Merges], expected: Merges) -> None:
    """All deciding packages must agree, whatever the majority."""
    assert conclude([found(outcome) for outcome in outcomes]) is expected


@pytest.mark.parametrize("before", [None, "with", "without", "undecided"])
@pytest.mark.parametrize("concluded", Merges)
def test_a_check_that_decides_nothing_changes_nothing(before: str | None, concluded: Merges) -> None:
    """A decided check is in force at once; after an undecided one the former finding stays."""
    expected = concluded if concluded is not UNDECIDED or before is None else Merges(before)
    assert in_force(finding(before), concluded) is expected


@pytest.mark.parametrize(("outcome", "counts"), [(None, True), ("with", True), ("undecided", True), ("without", False)])
def test_merges_count_until_a_check_finds_otherwise(outcome: str | None, counts: bool) -> None:  # noqa: FBT001
    """Only the finding that participation leaves merges out leaves them out."""
    assert counts_merges(finding(outcome)) is counts


def test_a_finding_names_its_packages() -> None:
    """Packages are grouped by their result, with the reasons of those that decide nothing."""
    assert describe([]) == "no package could be compared"
    comparisons = [
        found(WITH, "a"),
        found(UNDECIDED, "b", "no merge in its weeks"),
        found(WITH, "c"),
        found(WITHOUT, "d"),
        found(UNDECIDED, "e", "participation fits neither way of counting"),
    ]
    assert describe(comparisons) == (
        "with: a, c; undecided (no merge in its weeks): b; without: d; "
        "undecided (participation fits neither way of counting): e"
    )
