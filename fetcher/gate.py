"""What a moved head makes necessary to ask, and what can be derived from a comparison instead.

Contributors and commits a day are of one head each (their ``revision``). While it is the head, they are confirmed
without a request. When it has moved, one comparison tells the new commits, their authors and days; the lists are asked
whole only where that is not exact: a new author, a forced push, a gap, an order that the counts do not settle, or the
slow re-check.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import TypeAlias

from fetcher.commits import add_commits
from fetcher.github.details import Compared
from fetcher.model import DETAIL_SOURCES, CommitDays, Contribution, Contributors, NewCommit, Source, SourceState, Target

COMPARISONS = 3
"""A source that has failed so often in a row is asked whole: some comparisons are more than GitHub can compute."""


@dataclass(frozen=True, slots=True)
class Compare:
    """Ask what came since ``base``, the head that what is stored of these sources is of."""

    base: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class AskWhole:
    """Ask these sources whole."""

    sources: tuple[Source, ...]


Question: TypeAlias = Compare | AskWhole


@dataclass(frozen=True, slots=True)
class Derived:
    """What a comparison settles; ``None`` where the source must be asked whole."""

    contributors: Contributors | None
    commit_days: CommitDays | None


def is_current(state: SourceState, head_oid: str | None) -> bool:
    """Whether what is stored is of ``head_oid``, so that nothing need be asked."""
    return head_oid is not None and state.answered_at is not None and state.revision == head_oid


def question(target: Target, now: datetime) -> Question:
    """What to ask of a repository whose contributors or commits were claimed."""
    due = tuple(source for source in DETAIL_SOURCES if source in target.claimed and _needed(target, source, now))
    base = _common_revision(target, due)
    if base is not None and base != target.head_oid and all(_derivable(target, source) for source in due):
        return Compare(base, due)
    return AskWhole(due)


def follow_ups(target: Target, head_oid: str | None) -> tuple[Source, ...]:
    """The sources that a repository's answer leaves open: those that are not of its head.

    A list that GitHub refuses to tell for its size is not asked again for each push, but on its slow re-check.
    """
    return tuple(
        source
        for source in DETAIL_SOURCES
        if not is_current(target.state(source), head_oid) and not _refused(target.state(source))
    )


def derive(compared: Compared, target: Target, today: date) -> Derived:
    """What the new commits make of the stored lists, exactly as asking whole would say it."""
    if compared.status == "identical":
        return Derived(target.contributors, target.commit_days)
    commits = compared.commits
    if compared.status != "ahead" or commits is None or len(commits) != compared.total:
        return Derived(None, None)
    days = None
    if target.commit_days is not None:
        days = add_commits(target.commit_days, [c.authored_on for c in commits if not c.merge], today)
    people = None
    if target.contributors is not None:
        people = _with_commits(target.contributors.people, commits)
    return Derived(people, days)


def _needed(target: Target, source: Source, now: datetime) -> bool:
    """Whether a claimed source is not of the head, or is due all the same: its slow re-check."""
    state = target.state(source)
    if is_current(state, target.head_oid) or _refused(state):
        return state.due_at is not None and state.due_at <= now
    return True


def _refused(state: SourceState) -> bool:
    return state.outcome == "blocked" and state.answered_at is not None and state.failures == 0


def _common_revision(target: Target, sources: Sequence[Source]) -> str | None:
    """The one head that what is stored of ``sources`` is of, all having been answered."""
    states = [target.state(source) for source in sources]
    if any(state.answered_at is None for state in states):
        return None
    revisions = {state.revision for state in states}
    return revisions.pop() if len(revisions) == 1 else None


def _derivable(target: Target, source: Source) -> bool:
    """Whether what is stored is complete enough to add to, and comparing has not failed again and again."""
    if target.state(source).failures >= COMPARISONS:
        return False
    if source is Source.CONTRIBUTORS:
        return _is_complete(target.contributors)
    return target.commit_days is not None


def _is_complete(contributors: Contributors | None) -> bool:
    """Whether counts are known: those of an imported document are not, and count as zero."""
    return contributors is not None and all(person.commits > 0 for person in contributors.people)


def _with_commits(people: Sequence[Contribution], commits: Sequence[NewCommit]) -> Contributors | None:
    """The contributors after ``commits``, or ``None`` where only GitHub can tell.

    Whether a merge counts for its author is not documented, so both readings must give the same order.
    """
    plain = Counter(commit.login for commit in commits if commit.login and not commit.merge)
    merges = Counter(commit.login for commit in commits if commit.login and commit.merge)
    without = _reordered(people, plain)
    if without is None or not merges:
        return None if without is None else Contributors(without)
    counted = _reordered(people, plain + merges)
    if counted is None or _logins(counted) != _logins(without):
        return None
    return Contributors(without)


def _reordered(people: Sequence[Contribution], new: Counter[str]) -> tuple[Contribution, ...] | None:
    """``people`` with the new counts, in their order; ``None`` for a new author or an order that is a toss-up.

    GitHub does not say how it orders equal counts. Who had the same rank before keeps it, but one who has just drawn
    level with somebody ahead could stand on either side of them.
    """
    if new.keys() - {person.login for person in people}:
        return None
    counted = [Contribution(person.login, person.commits + new[person.login]) for person in people]
    ordered = sorted(counted, key=lambda person: -person.commits)
    for ahead, behind in pairwise(ordered):
        if ahead.commits == behind.commits and (new[ahead.login] or new[behind.login]):
            return None
    return tuple(ordered)


def _logins(people: Iterable[Contribution]) -> list[str]:
    return [person.login for person in people]
