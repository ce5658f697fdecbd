"""Read contributors, weekly commits and comparisons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pydantic import TypeAdapter

from fetcher.github.classify import NotAValue, classify, parse
from fetcher.github.shapes import ActivityWeek, Comparison, Participation, RestCommit, RestContributor
from fetcher.model import WEEKS_SHOWN, CommitDays, Contribution, NewCommit
from fetcher.outcome import Fetched, Malformed
from fetcher.wire import Answer, Response

_CONTRIBUTORS = TypeAdapter(list[RestContributor])
_ACTIVITY = TypeAdapter(list[ActivityWeek])
_PARTICIPATION = TypeAdapter(Participation)
_COMPARISON = TypeAdapter(Comparison)
_NEXT = re.compile(r"<[^<>]*[?&]page=(\d{1,9})(?:[&#][^<>]*)?>\s*;[^,]*rel=\"?next\"?", re.ASCII)
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ContributorsPage:
    """One page of contributors with a login, and the number of the page that follows, if any."""

    people: tuple[Contribution, ...]
    next_page: int | None


@dataclass(frozen=True, slots=True)
class Compared:
    """What came since a known head. ``commits`` is complete only if there are ``total`` of them."""

    status: str
    total: int
    commits: tuple[NewCommit, ...] | None
    """``None`` where a commit lacks the author date that its day is told by."""


def read_contributors(answer: Answer) -> Fetched[ContributorsPage] | NotAValue:
    """One page; an empty repository answers 204 without a body."""
    if isinstance(answer, Response) and answer.status == 204:
        return Fetched(ContributorsPage((), None))
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    entries = parse(_CONTRIBUTORS, response.body, "contributors")
    if isinstance(entries, Malformed):
        return entries
    people = tuple(Contribution(e.login, e.contributions) for e in entries if e.login)
    found = _NEXT.search(response.headers.get("link", ""))
    return Fetched(ContributorsPage(people, int(found.group(1)) if found else None))


def read_commit_activity(answer: Answer) -> Fetched[CommitDays] | NotAValue:
    """Commits a day of the weeks that GitHub tells, a contiguous run of Sunday weeks."""
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    weeks = parse(_ACTIVITY, response.body, "commit activity")
    if isinstance(weeks, Malformed):
        return weeks
    if len(weeks) != WEEKS_SHOWN:
        return Malformed(f"commit activity: expected {WEEKS_SHOWN} weeks, got {len(weeks)}")
    starts = [datetime.fromtimestamp(week.week, UTC).date() for week in weeks]
    if any(later - earlier != _WEEK for earlier, later in pairwise(starts)):
        return Malformed("commit activity: the weeks do not follow each other")
    return Fetched(CommitDays(starts[0], tuple(count for week in weeks for count in week.days)))


def read_participation(answer: Answer) -> Fetched[tuple[int, ...]] | NotAValue:
    """Read the 52 rolling weeks, oldest first; an empty repository has no list, and so 52 zeros."""
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    parsed = parse(_PARTICIPATION, response.body, "participation")
    if isinstance(parsed, Malformed):
        return parsed
    weeks = parsed.all or [0] * WEEKS_SHOWN
    if len(weeks) != WEEKS_SHOWN:
        return Malformed(f"participation: expected {WEEKS_SHOWN} weeks, got {len(weeks)}")
    return Fetched(tuple(weeks))


def read_comparison(answer: Answer) -> Fetched[Compared] | NotAValue:
    """The commits between two heads."""
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    parsed = parse(_COMPARISON, response.body, "comparison")
    if isinstance(parsed, Malformed):
        return parsed
    commits = [_new_commit(commit) for commit in parsed.commits]
    known = tuple(commit for commit in commits if commit is not None)
    complete = len(known) == len(commits)
    return Fetched(Compared(parsed.status, parsed.total_commits, known if complete else None))


def _new_commit(commit: RestCommit) -> NewCommit | None:
    authored = commit.authored_at
    if authored is None:
        return None
    login = commit.author.login if commit.author else None
    return NewCommit(commit.sha, login, authored.date(), len(commit.parents) > 1)
