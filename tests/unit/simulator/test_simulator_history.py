"""The statistics of a history, against counting by hand."""

import json
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.simulator.history import (
    Author,
    Commit,
    WrittenHistory,
    commit_activity,
    contributors,
    grow,
    participation,
)
from fetcher.simulator.upstreams.github.bodies import commit_activity as commit_activity_body

RECORDED = Path(__file__).parents[4] / "shared" / "recorded" / "commit_activity.json"
TODAY = date(2026, 3, 18)  # a Wednesday
MIDNIGHT = datetime(2026, 3, 18, tzinfo=UTC)
AUTHORS = [Author(login, login or "nobody", f"{login}@x.invalid") for login in ("ann", "bob", "cy[bot]", None)]

moments = st.integers(min_value=-2 * 86_400, max_value=400 * 86_400).map(lambda age: MIDNIGHT - timedelta(seconds=age))
entries = st.tuples(st.sampled_from(AUTHORS), moments, st.booleans())
histories = st.lists(entries, max_size=60).map(
    lambda written: tuple(
        Commit(f"{at:040x}", author, moment, moment, ("p",) * (1 + merge))
        for at, (author, moment, merge) in enumerate(written)
    )
)


def line(*oids: str) -> tuple[Commit, ...]:
    return tuple(Commit(oid, AUTHORS[0], MIDNIGHT, MIDNIGHT, ()) for oid in oids)


@given(commits=histories, merges=st.booleans())
def test_participation_counts_each_rolling_week(*, commits: tuple[Commit, ...], merges: bool) -> None:
    """Each of the 52 sums holds the commits authored between its two midnights, with merges or without."""
    counted = [one for one in commits if merges or not one.is_merge]
    ends = [MIDNIGHT - timedelta(weeks=51 - week) for week in range(52)]
    by_hand = [sum(end - timedelta(weeks=1) <= one.authored_at < end for one in counted) for end in ends]

    assert participation(commits, TODAY, merges=merges) == by_hand


@given(histories)
def test_commit_activity_counts_each_day(commits: tuple[Commit, ...]) -> None:
    """Each day of the 52 Sunday weeks holds the commits, merges apart, authored on that date."""
    by_hand = Counter(one.authored_at.date() for one in commits if not one.is_merge)
    weeks = commit_activity(commits, TODAY)

    assert len(weeks) == 52
    assert weeks[-1].start.date() == date(2026, 3, 15)
    for back, week in enumerate(reversed(weeks)):
        for number, count in enumerate(week.days):
            assert count == by_hand[date(2026, 3, 15) - timedelta(weeks=back) + timedelta(days=number)]


@given(histories)
def test_rolling_weeks_follow_from_the_daily_counts(commits: tuple[Commit, ...]) -> None:
    """All rolling weeks without merges but the oldest can be derived from commit activity."""
    days: dict[date, int] = {}
    for week in commit_activity(commits, TODAY):
        sunday = (week.start + timedelta(hours=12)).date()
        days |= {sunday + timedelta(days=number): count for number, count in enumerate(week.days)}
    derived = [sum(days[TODAY - timedelta(days=7 * back - number)] for number in range(7)) for back in range(51, 0, -1)]

    assert participation(commits, TODAY, merges=False)[1:] == derived


@pytest.mark.parametrize(
    ("first", "early", "late", "even"),
    [
        ((2026, 3, 3), 33, 0, 19),  # its week's wall clock shows winter time: summer's weeks start an hour early
        ((2026, 3, 17), 0, 18, 34),  # summer time: the weeks of the last winter start an hour late
        ((2024, 5, 1), 0, 0, 52),
    ],
)
def test_the_weeks_before_the_first_commit_are_padded_in_pacific_time(
    first: tuple[int, int, int], early: int, late: int, even: int
) -> None:
    """Padding weeks keep the hour of the first commit's week in Pacific time; weeks since then start at midnight."""
    moment = datetime(*first, 12, tzinfo=UTC)
    weeks = commit_activity([Commit("a", AUTHORS[0], moment, moment, ())], TODAY)
    offsets = Counter((week.start.weekday(), week.start.hour) for week in weeks)
    padded = [week for week in weeks if week.start < moment - timedelta(days=7)]

    assert (offsets[5, 23], offsets[6, 1], offsets[6, 0]) == (early, late, even)
    assert all(week.start.hour == 0 for week in weeks[len(padded) :])


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded answers lie beside the checkout, not in it")
@pytest.mark.parametrize("source", ["OskaraOskar/OskaraOskar", "holgerk/guzzle-replay"])
def test_a_young_repositorys_recorded_activity_is_reproduced(source: str) -> None:
    """Commits on the recorded days reproduce all 52 weeks that GitHub returned for a young repository."""
    recorded = json.loads(next(one["body"] for one in json.loads(RECORDED.read_text()) if one["source"] == source))
    commits = []
    for week in recorded:
        sunday = (datetime.fromtimestamp(week["week"], UTC) + timedelta(hours=12)).date()
        for number, count in enumerate(week["days"]):
            noon = datetime.combine(sunday + timedelta(days=number), time(12), UTC)
            commits += [Commit("a", AUTHORS[0], noon, noon, ())] * count

    body = commit_activity_body(commit_activity(commits, sunday + timedelta(days=6)))

    assert json.loads(json.dumps(body)) == recorded


@given(histories)
def test_contributors_come_with_most_commits_first_and_ties_by_first_commit(commits: tuple[Commit, ...]) -> None:
    """Accounts and anonymous authors apart, merges counted, the order settled to the last place."""
    accounts, anonymous = contributors(commits)
    written = [one.author.login for one in commits]
    counts = Counter(login for login in written if login)
    expected = sorted(counts, key=lambda login: (-counts[login], written.index(login)))

    assert [(one.author.login, one.contributions) for one in accounts] == [(one, counts[one]) for one in expected]
    assert sum(one.contributions for one in anonymous) == written.count(None)


def test_a_grown_history_is_its_base_and_the_additions() -> None:
    """Pushing twice gives one history with all commits in order and the last one as tip."""
    grown = grow(grow(WrittenHistory(line("a")), line("b")), line("c", "d"))

    assert [one.oid for one in grown.commits()] == ["a", "b", "c", "d"]
    assert grown.tip is not None
    assert grown.tip.oid == "d"
