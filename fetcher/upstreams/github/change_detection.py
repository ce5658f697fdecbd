"""Decide what a repository's head makes necessary to request, and derive contributors from its history.

Contributors and commits a day describe one head each (their ``revision``). While it is the head, they are confirmed
without a request. When it has moved, its history tells the commits of the last year, from which the days are counted
again, and the authors of the new commits, which are added to the known contributors. GitHub's own list of contributors
may be hours old, so it confirms what the history showed and replaces it only once it has caught up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from fetcher.domain.model import (
    DETAIL_SOURCES,
    Commit,
    Contribution,
    Contributors,
    DueReason,
    OutcomeKind,
    Source,
    SourceState,
    Target,
)

LIST_LAG = timedelta(hours=8)
"""The list of contributors may be this old: "may return information that is a few hours old" (REST reference)."""

SETTLES_AFTER = timedelta(days=1)
"""A list that could not be trusted yet is requested again after this."""


@dataclass(frozen=True, slots=True)
class History:
    """A head and the newest commits that lead to it, newest first; ``total`` counts commits of any age."""

    oid: str
    total: int
    commits: tuple[Commit, ...]
    pushed_at: datetime | None

    def is_young(self, now: datetime) -> bool:
        """Return whether GitHub's list of contributors may be older than this head."""
        return self.pushed_at is None or now - self.pushed_at < LIST_LAG


@dataclass(frozen=True, slots=True)
class Derived:
    """Contributors at a head, and what GitHub's list has still to confirm of them: nothing, their order, or all."""

    contributors: Contributors
    open: DueReason | None


def is_current(state: SourceState, head_oid: str | None) -> bool:
    """Return whether the stored values describe ``head_oid``, so that nothing need be requested."""
    return head_oid is not None and state.answered_at is not None and state.revision == head_oid


def is_list_refused(state: SourceState) -> bool:
    """Return whether GitHub refuses a list for its size: that holds until the slow re-check, whatever is pushed."""
    return state.outcome is OutcomeKind.BLOCKED and state.answered_at is not None and state.failures == 0


def follow_ups(target: Target, head_oid: str | None) -> tuple[Source, ...]:
    """Return the sources that a repository's answer with this head leaves open."""
    return tuple(
        source
        for source in DETAIL_SOURCES
        if not is_current(target.state(source), head_oid) and not is_list_refused(target.state(source))
    )


def to_request(target: Target, source: Source, now: datetime) -> bool:
    """Return whether a claimed source is not of the head, or is due all the same."""
    state = target.state(source)
    if is_current(state, target.head_oid) or is_list_refused(state):
        return state.due_at is not None and state.due_at <= now
    return True


def needs_list(target: Target, now: datetime) -> bool:
    """Return whether GitHub's list of contributors is to be requested: history alone does not replace it."""
    state = target.state(Source.CONTRIBUTORS)
    if state.answered_at is None or (state.due_at is not None and state.due_at <= now):
        return True
    return not is_list_refused(state) and not _is_complete(target.contributors)


def derive(target: Target, history: History) -> Derived | None:
    """Return the stored contributors brought to ``history``; ``None`` where no list was answered before.

    The new commits are known exactly where the total grew by K and the former head stands at place K of the history.
    Elsewhere (a forced push, an old branch merged) everybody known is kept, and authors not seen before are added.
    """
    state, known = target.state(Source.CONTRIBUTORS), target.contributors
    if known is None or state.answered_at is None or not _is_complete(known):
        return None
    still_open = state.due_reason if state.due_reason in (DueReason.ORDER, DueReason.SETTLING) else None
    if state.revision == history.oid:
        return Derived(known, still_open)
    new = _new_commits(target, history)
    if new is None:
        return Derived(_with_strangers(known, history.commits), DueReason.SETTLING)
    people = _add(known.people, Counter(commit.login for commit in new if commit.login))
    return Derived(Contributors(people), still_open or _open_order(people, known.people))


def settle(listed: Contributors, derived: Derived | None, history: History, now: datetime) -> Derived:
    """Return what GitHub's list and the history together state.

    A list of an older head is taken as it is. One of a young head may be hours old: it confirms what was derived
    where it has the counts of the head, or of one some commits before it. Else the authors in the history are kept.
    """
    if not history.is_young(now):
        return Derived(listed, None)
    if derived is None:
        return Derived(_with_strangers(listed, history.commits), DueReason.SETTLING)
    known = derived.contributors
    if derived.open is not DueReason.SETTLING and _is_of_history(listed, known, history):
        place = {person.login: index for index, person in enumerate(listed.people)}
        people = _ordered(sorted(known.people, key=lambda person: place.get(person.login, len(place))))
        return Derived(Contributors(people), _open_order(people, listed.people))
    unlisted = {commit.login for commit in history.commits} - {person.login for person in listed.people}
    missing = [person for person in known.people if person.login in unlisted]
    return Derived(Contributors(_ordered([*listed.people, *missing])), DueReason.SETTLING)


def _is_of_history(listed: Contributors, known: Contributors, history: History) -> bool:
    """Return whether ``listed`` has the counts of ``known`` at the head or at a commit shortly before it."""
    ahead = Counter({person.login: person.commits for person in known.people})
    ahead.subtract({person.login: person.commits for person in listed.people})
    differing = sum(1 for number in ahead.values() if number)
    for commit in history.commits:
        if not differing:
            return True
        if commit.login:
            differing -= ahead[commit.login] == 1
            differing += ahead[commit.login] == 0
            ahead[commit.login] -= 1
    return not differing


def _new_commits(target: Target, history: History) -> Sequence[Commit] | None:
    """Return the commits that came since the stored contributors' head, or ``None`` where they are not certain."""
    days = target.commit_days
    revision = target.state(Source.CONTRIBUTORS).revision
    if days is None or days.total is None or revision is None or target.state(Source.COMMITS).revision != revision:
        return None
    grown = history.total - days.total
    if not 0 < grown < len(history.commits) or history.commits[grown].oid != revision:
        return None
    return history.commits[:grown]


def _is_complete(contributors: Contributors | None) -> bool:
    """Return whether counts are known: those of an imported document are not, and count as zero."""
    return contributors is not None and all(person.commits > 0 for person in contributors.people)


def _with_strangers(known: Contributors, commits: Iterable[Commit]) -> Contributors:
    """Return ``known`` and the authors of ``commits`` who are not among them."""
    logins = {person.login for person in known.people}
    return Contributors(_add(known.people, Counter(c.login for c in commits if c.login and c.login not in logins)))


def _add(people: Sequence[Contribution], new: Counter[str]) -> tuple[Contribution, ...]:
    """Return ``people`` with ``new`` commits added, most commits first; equal counts keep their order."""
    logins = {person.login for person in people}
    counted = [Contribution(person.login, person.commits + new[person.login]) for person in people]
    return _ordered([*counted, *(Contribution(login, new[login]) for login in new if login not in logins)])


def _ordered(people: Iterable[Contribution]) -> tuple[Contribution, ...]:
    return tuple(sorted(people, key=lambda person: -person.commits))


def _open_order(people: Sequence[Contribution], known: Sequence[Contribution]) -> DueReason | None:
    """Return that the order of ``people`` is open, unless GitHub would list them so.

    GitHub does not document how it orders equal counts. Two that stood in this order with equal counts in ``known``
    keep it; anybody who has just drawn level with another could stand on either side.
    """
    counts = {person.login: person.commits for person in known}
    is_open = any(
        ahead.commits == behind.commits and counts.get(ahead.login, 0) != counts.get(behind.login, -1)
        for ahead, behind in pairwise(people)
    )
    return DueReason.ORDER if is_open else None
