"""The 52 rolling weeks, kept per day: right on every later day without a request while the head stays.

GitHub's participation array counts *rolling* weeks: the last runs from seven days ago at UTC midnight to today's UTC
midnight, so today is not in it. Its commit activity counts Sunday weeks by day, the last one in progress. From the
daily counts the rolling weeks of any later day follow, as long as the default branch's head has not moved.

What one bucket is worth. Commit activity reaches back 357 days and the days since Sunday, the 52 rolling weeks 364
days: right after a first ask, up to seven days of the *oldest* week are unknown and count as zero, which heals by
itself within a week. Only participation knows that week's sum. A refresh that a person asked for spends the one more
request and is exact at once (``with_oldest_week``); the background does not: half a request a package on the first
pass, for one of 52 bars that leaves the picture within seven days.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from fetcher.model import DAYS_SHOWN, WEEKS_SHOWN, CommitDays

DAYS_KEPT = DAYS_SHOWN + 7
"""Days worth keeping: what is shown, and the week in progress."""

_KEPT = timedelta(days=DAYS_KEPT)


def rolling_weeks(days: CommitDays, today: date) -> tuple[int, ...]:
    """The 52 weekly sums that participation says on ``today`` (UTC), oldest first."""
    first = today - timedelta(days=DAYS_SHOWN)
    daily = _window(days, first, DAYS_SHOWN)
    return tuple(sum(daily[week * 7 : week * 7 + 7]) for week in range(WEEKS_SHOWN))


def add_commits(days: CommitDays, authored_on: Iterable[date], today: date) -> CommitDays:
    """``days`` with one more commit on each of ``authored_on``; days too old to be shown again are let go.

    A commit may be older than the last known day (a merge brings old commits in), or dated ahead of ``today`` by a
    wrong clock; the latter is kept, for it will be counted once its day has come. Authors date their commits as they
    like, so one that lies a year ahead is let go: the run must stay a short one.
    """
    first, last = max(days.start, today - _KEPT), today + _KEPT
    new = [day for day in authored_on if first <= day <= last]
    length = max([(days.end - first).days, *((day - first).days + 1 for day in new)])
    counts = _window(days, first, max(length, 0))
    for day in new:
        counts[(day - first).days] += 1
    return CommitDays(first, tuple(counts))


def with_oldest_week(days: CommitDays, participation: Sequence[int], today: date) -> CommitDays:
    """``days`` with what participation knows more of the oldest rolling week.

    The sum cannot be told apart by day; it is put on the last unknown day, so that it is shown for as long as any of
    those days would be.
    """
    first = today - timedelta(days=DAYS_SHOWN)
    if days.start <= first:
        return days
    missing = participation[0] - rolling_weeks(days, today)[0]
    unknown = (days.start - first).days
    if missing <= 0 or unknown > 7:
        return days
    return CommitDays(first, (*[0] * (unknown - 1), missing, *days.counts))


def knows_oldest_week(days: CommitDays, today: date) -> bool:
    """Whether every day of the 52 rolling weeks is known."""
    return days.start <= today - timedelta(days=DAYS_SHOWN)


def with_earlier(days: CommitDays, earlier: CommitDays | None) -> CommitDays:
    """``days`` preceded by the days that only ``earlier`` knows; for the same line of history only."""
    if earlier is None or earlier.start >= days.start:
        return days
    return CommitDays(
        earlier.start, (*_window(earlier, earlier.start, (days.start - earlier.start).days), *days.counts)
    )


def _window(days: CommitDays, first: date, length: int) -> list[int]:
    """Counts of ``length`` days from ``first``; days outside the known run are zero."""
    offset = (first - days.start).days
    return [days.counts[i] if 0 <= i < len(days.counts) else 0 for i in range(offset, offset + length)]
