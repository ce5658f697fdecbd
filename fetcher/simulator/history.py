"""Commits, and GitHub's statistics of them: pure functions, used by the handlers and as an oracle.

Recorded responses compared with the git histories of their repositories show that merge commits count in
``participation`` and in ``contributors``, and that they do not count in ``commit_activity``.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from fetcher.simulator.clock import midnight

WEEK = timedelta(days=7)
WEEKS = 52
PACIFIC = ZoneInfo("America/Los_Angeles")
"""The zone in which GitHub counts the weeks before a repository's first commit."""


class Author(NamedTuple):
    """The author of a commit; ``login`` is None if GitHub has no account for the address."""

    login: str | None
    name: str
    email: str


class Commit(NamedTuple):
    """One commit. Author and committer dates differ after a rebase, a cherry-pick or a merged pull request."""

    oid: str
    author: Author
    authored_at: datetime
    committed_at: datetime
    parents: tuple[str, ...]
    message: str = ""

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


class Tip(NamedTuple):
    """The data of the default branch's newest commit, available without reading the history."""

    oid: str
    authored_at: datetime
    committed_at: datetime
    parents: int


class History(Protocol):
    """A default branch: its tip is available at no cost, all its commits on demand."""

    @property
    def tip(self) -> Tip | None:
        """Return the newest commit; None for an empty repository."""

    @property
    def count(self) -> int:
        """Return the number of commits, merges included."""

    def commits(self) -> tuple[Commit, ...]:
        """Return every commit that the tip reaches, each after its parents, the tip last."""

    def __hash__(self) -> int:
        """Return a hash: histories never change, so their counts may be cached."""


def tip_of(commit: Commit) -> Tip:
    return Tip(commit.oid, commit.authored_at, commit.committed_at, len(commit.parents))


class WrittenHistory:
    """Commits held in memory."""

    __slots__ = ("_commits",)

    def __init__(self, commits: Iterable[Commit] = ()) -> None:
        self._commits = tuple(commits)

    @property
    def tip(self) -> Tip | None:
        return tip_of(self._commits[-1]) if self._commits else None

    @property
    def count(self) -> int:
        return len(self._commits)

    def commits(self) -> tuple[Commit, ...]:
        return self._commits


class GrownHistory:
    """A history with commits pushed on top; its base stays unchanged and compact."""

    __slots__ = ("_added", "_base")

    def __init__(self, base: History, added: tuple[Commit, ...]) -> None:
        self._base: History = base
        self._added = added

    def grown(self, added: tuple[Commit, ...]) -> "GrownHistory":
        """Return the history with more commits in the same layer: any number of pushes makes one layer."""
        return GrownHistory(self._base, (*self._added, *added))

    @property
    def tip(self) -> Tip | None:
        return tip_of(self._added[-1])

    @property
    def count(self) -> int:
        return self._base.count + len(self._added)

    def commits(self) -> tuple[Commit, ...]:
        return (*self._base.commits(), *self._added)


def grow(history: History, added: tuple[Commit, ...]) -> History:
    """Return the history after a push."""
    return history.grown(added) if isinstance(history, GrownHistory) else GrownHistory(history, added)


@dataclass(frozen=True, slots=True)
class Contributor:
    author: Author
    contributions: int


@dataclass(frozen=True, slots=True)
class Week:
    """One week of commit activity; ``days`` starts on Sunday, ``start`` is within an hour of its midnight."""

    start: datetime
    days: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        return {"days": self.days, "total": sum(self.days), "week": int(self.start.timestamp())}


def participation(
    commits: Iterable[Commit], today: date, owner: str | None = None, *, merges: bool = True
) -> list[int]:
    """Return weekly sums by author date: 52 rolling weeks, oldest first; the last ends at today's UTC midnight.

    With ``owner`` only that login's commits are counted.
    """
    start = midnight(today) - WEEKS * WEEK
    sums = [0] * WEEKS
    for commit in commits:
        if commit.authored_at < start or (len(commit.parents) > 1 and not merges):
            continue
        if owner is not None and commit.author.login != owner:
            continue
        week = (commit.authored_at - start).days // 7
        if week < WEEKS:
            sums[week] += 1
    return sums


def commit_activity(commits: Iterable[Commit], today: date) -> list[Week]:
    """Return daily counts by author date, merges left out: 52 Sunday weeks, oldest first, the last in progress.

    A week starts on Sunday at midnight UTC. The weeks before the first commit are counted back from the first commit's
    week in Pacific time, as in recorded responses. They start an hour early or late if summer time lies between.
    """
    sunday = _sunday(today)
    start = midnight(sunday) - (WEEKS - 1) * WEEK
    days = [0] * (WEEKS * 7)
    first: datetime | None = None
    for commit in commits:
        if len(commit.parents) > 1:
            continue
        if first is None or commit.authored_at < first:
            first = commit.authored_at
        day = (commit.authored_at - start).days
        if 0 <= day < len(days):
            days[day] += 1
    starts = [start + week * WEEK for week in range(WEEKS)]
    if first is not None:
        anchor = midnight(_sunday(first.date())).astimezone(PACIFIC)
        padded = min(WEEKS, max(0, (anchor - start) // WEEK))
        # Arithmetic of an aware datetime is that of local time: the hour in Pacific time stays.
        starts[:padded] = [(anchor - back * WEEK).astimezone(UTC) for back in range(padded, 0, -1)]
    return [Week(week_start, tuple(days[7 * week : 7 * week + 7])) for week, week_start in enumerate(starts)]


def _sunday(day: date) -> date:
    """Return the Sunday on or before a day."""
    return day - timedelta(days=(day.weekday() + 1) % 7)


def contributors(commits: Iterable[Commit]) -> tuple[list[Contributor], list[Contributor]]:
    """Return (accounts, anonymous authors), each with most commits first; of a tie, the first contributor first.

    Merge commits count.
    """
    accounts: Counter[str] = Counter()
    anonymous: Counter[str] = Counter()
    authors: dict[str, Author] = {}
    for commit in commits:
        author = commit.author
        if author.login is None:
            anonymous[author.email] += 1
            authors.setdefault(author.email, author)
        else:
            accounts[author.login] += 1
            authors.setdefault(author.login, author)
    # most_common sorts stably, and a Counter keeps the order of first insertion: that is the tie rule.
    return (
        [Contributor(authors[login], count) for login, count in accounts.most_common()],
        [Contributor(authors[email], count) for email, count in anonymous.most_common()],
    )
