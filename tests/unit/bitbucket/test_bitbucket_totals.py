"""The days on which forks and watchers are counted."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.model import Purpose, Source, SourceState, Target
from fetcher.upstreams.bitbucket.requests import Total
from fetcher.upstreams.bitbucket.totals import TOTAL_EVERY, due_totals
from tests.harness.clock import DAY, HOUR, NOW

BACKGROUND = Purpose.BACKGROUND


def package(number: int, answered_at: datetime | None, forks: int | None = 1, watchers: int | None = 1) -> Target:
    state = SourceState(Source.REPOSITORY, answered_at=answered_at)
    blank = Target(number, "p", "", frozenset(), None, None, None, None, {Source.REPOSITORY: state})
    return Target(**{**{name: getattr(blank, name) for name in blank.__slots__}, "forks": forks, "watchers": watchers})


def test_unknown_totals_are_due() -> None:
    """A first request, an imported package, and a total that had no quota the last time."""
    assert due_totals(package(1, None), NOW, BACKGROUND) == (Total.FORKS, Total.WATCHERS)
    assert Total.FORKS in due_totals(package(1, NOW, forks=None), NOW + HOUR, BACKGROUND)
    assert Total.WATCHERS in due_totals(package(1, NOW, watchers=None), NOW + HOUR, BACKGROUND)


def test_a_manual_refresh_counts_both() -> None:
    """Also directly after an answer."""
    assert due_totals(package(1, NOW), NOW, Purpose.MANUAL) == (Total.FORKS, Total.WATCHERS)


@given(
    st.integers(1, 2**40),
    st.lists(st.timedeltas(timedelta(minutes=1), timedelta(days=3)), min_size=1, max_size=40),
)
def test_each_total_is_counted_once_a_week(number: int, gaps: list[timedelta]) -> None:
    """A total is never older than a week and the longest gap between refreshes, and is counted once a week."""
    now, counted = NOW, {total: [NOW] for total in Total}
    for gap in gaps:
        answered_at, now = now, now + gap
        for total in due_totals(package(number, answered_at), now, BACKGROUND):
            counted[total].append(now)
        for moments in counted.values():
            assert now - moments[-1] <= TOTAL_EVERY + max(gaps)
    for moments in counted.values():
        between = (now - NOW) // TOTAL_EVERY + 1
        assert len(moments) - 1 <= between


def test_the_requests_of_a_day_are_spread() -> None:
    """500 packages that are refreshed daily need 643 requests a day on average, and on no day over 700."""
    days: Counter[int] = Counter()
    for number in range(1, 501):
        for day in range(7):
            now = NOW + day * DAY
            days[day] += 1 + len(due_totals(package(number, now - DAY), now, BACKGROUND))

    assert sum(days.values()) == 7 * 500 + 2 * 500
    assert max(days.values()) < 700
