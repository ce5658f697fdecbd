"""Rolling 52-week sums of commits, derived from daily counts without a request while the head stays.

GitHub's participation array counts *rolling* weeks: the last one runs from seven days ago at UTC midnight to today's
UTC midnight, so today is not in it. Commits count by author date. The weeks of any later day follow from the daily
counts of one revision for as long as it is the default branch's head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from fetcher.domain.model import DAYS_SHOWN, Commit, CommitDays

DAYS_KEPT = DAYS_SHOWN + 7
"""Days to keep: the days shown and the week in progress."""

_KEPT = timedelta(days=DAYS_KEPT)


def rolling_weeks(days: CommitDays, today: date) -> tuple[int, ...]:
    """Return the 52 weekly sums of participation on ``today`` (UTC), oldest first."""
    offset = (today - timedelta(days=DAYS_SHOWN) - days.start).days
    unknown = min(max(-offset, 0), DAYS_SHOWN)
    known = days.counts[max(offset, 0) : max(offset + DAYS_SHOWN, 0)]
    later = DAYS_SHOWN - unknown - len(known)
    daily = iter((*(0,) * unknown, *known, *(0,) * later))
    return tuple(map(sum, zip(*(daily,) * 7, strict=True)))  # tuples of a week each: every page computes them often


def history_start(today: date) -> datetime:
    """Return the start of the commit history to request for weeks shown from ``today`` on.

    GitHub selects by committer date. An author date is not later than it unless a clock was wrong.
    """
    return datetime.combine(today - _KEPT, time(), UTC)


def commit_days(commits: Iterable[Commit], today: date, total: int | None, *, merges: bool) -> CommitDays:
    """Count ``commits`` by day; ``merges`` states whether merge commits count.

    Days that will never be shown again are left out. A commit dated after ``today`` by a wrong clock is kept and counts
    from that day on. One that lies over a year ahead is left out, because the run must stay short.
    """
    first, last = today - _KEPT, today + _KEPT
    days = [
        commit.authored_on
        for commit in commits
        if commit.authored_on is not None and first <= commit.authored_on <= last and (merges or not commit.merge)
    ]
    end = max([today, *days])
    counts = [0] * ((end - first).days + 1)
    for day in days:
        counts[(day - first).days] += 1
    return CommitDays(first, tuple(counts), total)


def with_commits(
    known: CommitDays, new: Iterable[Commit], today: date, total: int | None, *, merges: bool
) -> CommitDays:
    """Add the days of ``new`` commits to ``known``; ``total`` counts commits of any age, ``merges`` as above."""
    added = commit_days(new, today, total, merges=merges)
    counts = list(added.counts)
    counts += [0] * ((known.end - added.start).days - len(counts))
    for index, number in enumerate(known.counts):
        day = (known.start - added.start).days + index
        if day >= 0:
            counts[day] += number
    return CommitDays(added.start, tuple(counts), total)


def is_daily(days: CommitDays) -> bool:
    """Return whether ``days`` are of each day, as opposed to participation's sums of weeks."""
    return len(days.counts) > DAYS_SHOWN


def participation_days(weeks: Sequence[int], today: date) -> CommitDays:
    """Return days whose rolling weeks on ``today`` are ``weeks``: each sum on the last day of its week.

    The array therefore stays unchanged for seven days, and is then exact again, shifted by one week.
    """
    counts = [0] * DAYS_SHOWN
    for week, number in enumerate(weeks):
        counts[week * 7 + 6] = number
    return CommitDays(today - timedelta(days=DAYS_SHOWN), tuple(counts))
