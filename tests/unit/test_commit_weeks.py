"""The 52 rolling weeks from commits a day, compared with the simulator's own count as the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain import model
from fetcher.domain.commit_weeks import DAYS_KEPT, commit_days, history_start, participation_days, rolling_weeks
from fetcher.domain.model import CommitDays
from fetcher.simulator.history import Author, Commit, participation
from tests.harness.examples import examples

TODAY = date(2026, 3, 18)
DAY = timedelta(days=1)
AUTHOR = Author("ann", "Ann", "ann@example.invalid")
PARENTS: tuple[tuple[str, ...], ...] = ((), ("1",), ("1", "2"), ("1", "2", "3"))
todays = st.dates(date(2024, 1, 1), date(2028, 12, 31))
past = st.timedeltas(timedelta(0), 400 * DAY)
skewed = st.timedeltas(-900 * DAY, 900 * DAY)


def written(moments: Sequence[tuple[datetime, int]]) -> list[Commit]:
    """Return the simulator's commits of these author dates and numbers of parents."""
    return [Commit(str(n), AUTHOR, at, at, PARENTS[parents]) for n, (at, parents) in enumerate(moments)]


def read(commits: Sequence[Commit]) -> list[model.Commit]:
    """Return the same commits as they are read from GraphQL."""
    return [model.Commit(one.oid, None, one.authored_at.date(), len(one.parents) > 1) for one in commits]


def before(today: date, ages: Sequence[tuple[timedelta, int]]) -> list[Commit]:
    """Return commits at these times before the end of ``today``."""
    end = datetime.combine(today + DAY, time(), UTC) - timedelta(microseconds=1)
    return written([(end - age, parents) for age, parents in ages])


def authored(*days: date | None, merge: bool = False) -> list[model.Commit]:
    """Return one commit a day."""
    return [model.Commit(str(n), None, day, merge) for n, day in enumerate(days)]


@given(todays, st.lists(st.tuples(past, st.integers(0, 3)), max_size=60), st.integers(0, 400), st.booleans())
@examples(3)
def test_weeks_are_those_of_participation(
    today: date,
    ages: list[tuple[timedelta, int]],
    later: int,
    merges: bool,  # noqa: FBT001
) -> None:
    """The days of one head give participation's weeks, with merges and without, on its day and every later day."""
    commits, then = before(today, ages), today + later * DAY
    days = commit_days(read(commits), today, len(commits), merges=merges)
    assert list(rolling_weeks(days, then)) == participation(commits, then, merges=merges)
    assert days.total == len(commits)


@given(todays, st.lists(st.tuples(skewed, st.integers(0, 3)), max_size=40), st.integers(0, 60), st.booleans())
def test_wrong_clocks(
    today: date,
    ages: list[tuple[timedelta, int]],
    later: int,
    merges: bool,  # noqa: FBT001
) -> None:
    """A commit dated ahead counts from the day after its own, and neither it nor an old one makes the run long."""
    commits, then = before(today, ages), today + later * DAY
    days = commit_days(read(commits), today, None, merges=merges)
    assert list(rolling_weeks(days, then)) == participation(commits, then, merges=merges)
    assert days.start == today - DAYS_KEPT * DAY
    assert len(days.counts) <= 2 * DAYS_KEPT + 1


def test_the_bounds_of_the_run() -> None:
    """The run holds the days that can still be shown, and those that a wrong clock dates ahead by up to as much."""
    kept = DAYS_KEPT * DAY
    edges = [TODAY - kept - DAY, TODAY - kept, TODAY, TODAY + kept, TODAY + kept + DAY, date.min, date.max]
    days = commit_days(authored(*edges), TODAY, None, merges=True)
    assert (days.start, days.end) == (TODAY - kept, TODAY + kept + DAY)
    assert sum(days.counts) == 3
    assert days.counts[0] == days.counts[DAYS_KEPT] == days.counts[-1] == 1


def test_a_run_ends_today_without_commits_ahead() -> None:
    """Days without a commit are known to be so, up to and with today."""
    days = commit_days([], TODAY, 0, merges=True)
    assert days == CommitDays(TODAY - DAYS_KEPT * DAY, (0,) * (DAYS_KEPT + 1), 0)


def test_commits_without_a_date_are_left_out() -> None:
    """A date that could not be read costs its own commit, and no other."""
    days = commit_days(authored(None, TODAY, None, TODAY - DAY), TODAY, None, merges=True)
    assert days.counts[-2:] == (1, 1)
    assert sum(days.counts) == 2


def test_merges_are_counted_on_demand() -> None:
    """A merge counts on its own day if merges count, and on no other day."""
    commits = [*authored(TODAY), *authored(TODAY, TODAY - DAY, merge=True)]
    assert commit_days(commits, TODAY, None, merges=True).counts[-2:] == (1, 2)
    assert commit_days(commits, TODAY, None, merges=False).counts[-2:] == (0, 1)


def test_todays_commits_are_not_shown_yet() -> None:
    """The last week ends at today's midnight, so that a commit moves through 52 weeks from tomorrow on."""
    days = commit_days(authored(TODAY), TODAY, None, merges=True)
    shown = [rolling_weeks(days, TODAY + later * DAY) for later in range(366)]
    assert [index for index, weeks in enumerate(shown) if any(weeks)] == list(range(1, 365))
    assert shown[1][-1] == shown[7][-1] == shown[8][-2] == shown[364][0] == 1


def test_days_beyond_the_run_have_no_commits() -> None:
    """Before and after the run nothing is shown, also where all of the run is long past or far ahead."""
    days = CommitDays(TODAY - 10 * DAY, (1,) * 10)
    assert rolling_weeks(days, TODAY) == (0,) * 50 + (3, 7)
    assert rolling_weeks(days, TODAY + 5_000 * DAY) == (0,) * 52
    assert rolling_weeks(days, TODAY - 5_000 * DAY) == (0,) * 52


def test_the_history_starts_at_midnight() -> None:
    """The history is requested from a UTC midnight on, 53 weeks back, which the oldest shown week never reaches."""
    assert history_start(TODAY) == datetime(2025, 3, 12, tzinfo=UTC)
    commits = written([(history_start(TODAY) + 7 * DAY, 1), (history_start(TODAY) + 7 * DAY - timedelta(seconds=1), 1)])
    assert [sum(participation([one], TODAY)) for one in commits] == [1, 0]


@given(todays, st.lists(st.tuples(st.timedeltas(DAY, 400 * DAY), st.integers(0, 3)), max_size=60), st.integers(0, 3))
def test_participation_moves_on_by_full_weeks(today: date, ages: list[tuple[timedelta, int]], weeks: int) -> None:
    """Days from participation are exact on its day, and again exactly 7, 14 and 21 days later."""
    commits, then = before(today, ages), today + weeks * 7 * DAY
    days = participation_days(participation(commits, today), today)
    assert list(rolling_weeks(days, then)) == participation(commits, then)


@pytest.mark.parametrize("later", range(7))
def test_participation_stays_as_answered_for_a_week(later: int) -> None:
    """Between two exact days the weeks are those that GitHub stated."""
    stated = tuple(range(1, 53))
    days = participation_days(stated, TODAY)
    assert rolling_weeks(days, TODAY + later * DAY) == stated
    assert rolling_weeks(days, TODAY + 7 * DAY) == (*stated[1:], 0)
    assert days.total is None
