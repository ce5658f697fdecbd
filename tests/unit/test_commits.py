"""The 52 rolling weeks from daily counts, held against the simulator's own reckoning as the oracle."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.commits import (
    DAYS_KEPT,
    add_commits,
    knows_oldest_week,
    rolling_weeks,
    with_earlier,
    with_oldest_week,
)
from fetcher.model import CommitDays
from fetcher.simulator.history import Author, Commit, commit_activity, participation

TODAY = date(2026, 3, 18)
DAY = timedelta(days=1)
AUTHOR = Author("ann", "Ann", "ann@example.invalid")
ages = st.lists(st.integers(-3, 420), max_size=60)
todays = st.dates(date(2024, 1, 1), date(2028, 12, 31))


def commits(today: date, days_ago: list[int]) -> list[Commit]:
    """A commit at noon so many days before ``today``."""
    noon = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    return [Commit(str(n), AUTHOR, noon - age * DAY, noon, ()) for n, age in enumerate(days_ago)]


def told(history: list[Commit], today: date) -> CommitDays:
    """What commit activity says on ``today``."""
    weeks = commit_activity(history, today)
    return CommitDays(weeks[0].start.date(), tuple(count for week in weeks for count in week.days))


@given(todays, ages, st.integers(0, 30))
def test_the_weeks_roll_on_without_a_request(today: date, days_ago: list[int], later: int) -> None:
    """From one day's commit activity the weeks of every later day follow, all but the days that it did not tell."""
    history = commits(today, [age for age in days_ago if age >= 0])
    days, then = told(history, today), today + later * DAY
    expected = participation([one for one in history if one.authored_at.date() >= days.start], then)
    assert list(rolling_weeks(days, then)) == expected


@given(todays, ages)
def test_after_a_week_the_oldest_week_is_exact(today: date, days_ago: list[int]) -> None:
    """What commit activity leaves out of the oldest week has left the picture seven days later."""
    history = commits(today, [age for age in days_ago if age >= 0])
    days, then = told(history, today), today + 7 * DAY
    assert knows_oldest_week(days, then)
    assert list(rolling_weeks(days, then)) == participation(history, then)


@given(todays, ages)
def test_a_persons_refresh_is_exact_at_once(today: date, days_ago: list[int]) -> None:
    """With participation's oldest week the weeks are those of participation on the very day."""
    history = commits(today, [age for age in days_ago if age >= 0])
    weeks = participation(history, today)
    days = with_oldest_week(told(history, today), weeks, today)
    assert list(rolling_weeks(days, today)) == weeks


@given(todays, ages, ages)
def test_adding_commits_is_asking_anew(today: date, before: list[int], since: list[int]) -> None:
    """Days to which new commits were added show the weeks that commit activity of all of them would, also later."""
    old, new = commits(today, before), commits(today, since)
    days = add_commits(told(old, today), [one.authored_at.date() for one in new], today)
    activity = told(old, today)
    known = [one for one in old if activity.start <= one.authored_at.date() < activity.end]
    known += [one for one in new if activity.start <= one.authored_at.date()]
    for later in (0, 3, 9):
        then = today + later * DAY
        assert list(rolling_weeks(days, then)) == participation(known, then)


@given(todays, ages)
def test_old_days_are_let_go(today: date, since: list[int]) -> None:
    """A run of days does not grow for ever: what can never be shown again is dropped when commits are added."""
    days = CommitDays(today - 1_000 * DAY, (1,) * 990)
    grown = add_commits(days, [today - age * DAY for age in since], today)
    assert grown.start == today - DAYS_KEPT * DAY
    assert len(grown.counts) <= DAYS_KEPT + 4


def test_adding_to_a_run_that_ended_long_ago() -> None:
    """Days between the run's end and a new commit are days without one; a run that is all too old becomes empty."""
    old = CommitDays(TODAY - 900 * DAY, (5, 5))
    assert add_commits(old, [], TODAY).counts == ()
    grown = add_commits(old, [TODAY], TODAY)
    assert sum(grown.counts) == 1
    assert grown.end == TODAY + DAY


def test_commits_dated_ahead() -> None:
    """One dated tomorrow counts when its day has come; one dated in another century must not stretch the run."""
    days = CommitDays(TODAY - 10 * DAY, (0,) * 10)
    grown = add_commits(days, [TODAY + DAY, date(2099, 1, 1), date.max], TODAY)
    assert grown.end == TODAY + 2 * DAY
    assert rolling_weeks(grown, TODAY)[-1] == 0
    assert rolling_weeks(grown, TODAY + 2 * DAY)[-1] == 1


def test_commits_before_the_known_days_are_left_out() -> None:
    """Days before the run are unknown and stay so: commit activity would not have told them either."""
    days = CommitDays(TODAY - 10 * DAY, (0,) * 10)
    assert add_commits(days, [TODAY - 11 * DAY], TODAY) == days


@pytest.mark.parametrize(
    ("start", "oldest", "start_after", "shown"),
    [
        (364, 5, 364, 1),
        (361, 5, 364, 5),
        (361, 1, 361, 1),
        (361, 0, 361, 1),
        (356, 9, 356, 0),
    ],
)
def test_the_oldest_week(start: int, oldest: int, start_after: int, shown: int) -> None:
    """What participation knows more is added where a day of that week is unknown, and only then."""
    counts = tuple(int(TODAY - (start - n) * DAY == TODAY - 358 * DAY) for n in range(start))
    days = CommitDays(TODAY - start * DAY, counts)
    found = with_oldest_week(days, [oldest] + [0] * 51, TODAY)
    assert found.start == TODAY - start_after * DAY
    assert rolling_weeks(found, TODAY)[0] == shown


def test_the_unknown_sum_is_shown_as_long_as_any_unknown_day() -> None:
    """It lies on the last unknown day: shown until that day leaves the weeks, in the oldest bucket all the time."""
    days = with_oldest_week(CommitDays(TODAY - 361 * DAY, (0,) * 361), [4] + [0] * 51, TODAY)
    assert [rolling_weeks(days, TODAY + n * DAY)[0] for n in range(4)] == [4, 4, 4, 0]


def test_earlier_days_of_the_same_line() -> None:
    """Days that only the stored run knows are kept in front; where there are none, nothing changes."""
    stored, new = CommitDays(TODAY - 5 * DAY, (1, 2, 3)), CommitDays(TODAY - 3 * DAY, (7, 8, 9))
    assert with_earlier(new, stored) == CommitDays(TODAY - 5 * DAY, (1, 2, 7, 8, 9))
    assert with_earlier(new, CommitDays(TODAY - 9 * DAY, (4,))).counts == (4, 0, 0, 0, 0, 0, 7, 8, 9)
    assert with_earlier(stored, new) == stored
    assert with_earlier(new, None) == new
