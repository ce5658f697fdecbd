"""Detection of needed requests from a repository's head, and contributors derived from its history.

Contributors and daily commits belong to one head each (their ``revision``). They are confirmed without a request while
it is the head. After a move, the history yields the commits of the last year, from which the days are counted again.
The authors of its new commits are added to the known contributors. GitHub's own list of contributors may be hours old.
It therefore confirms the history, and replaces it only after it has caught up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from fetcher.domain.model import (
    Commit,
    Contribution,
    Contributors,
    DueReason,
    Source,
    Target,
)
from fetcher.upstreams.heads import is_list_refused

LIST_LAG = timedelta(hours=8)
"""Greatest age of the contributors list: "may return information that is a few hours old" (REST reference)."""

SETTLES_AFTER = timedelta(days=1)
"""Time after which a list that was not yet reliable is requested again."""


_OPEN = {
    DueReason.ORDER: DueReason.ORDER,
    DueReason.SETTLING: DueReason.SETTLING,
    DueReason.QUOTA: DueReason.SETTLING,
    DueReason.COOLING: DueReason.SETTLING,
}
"""What a list leaves open that is due for this reason. One that was deferred or failed may have been settling."""


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
    """Contributors at a head, and the part of them that GitHub's list must confirm: nothing, their order, or all."""

    contributors: Contributors
    open: DueReason | None


def needs_list(target: Target, now: datetime) -> bool:
    """Return whether to request GitHub's list of contributors, which history alone does not replace."""
    state = target.state(Source.CONTRIBUTORS)
    if state.answered_at is None or (state.due_at is not None and state.due_at <= now):
        return True
    return not is_list_refused(state) and not _is_complete(target.contributors)


def derive(target: Target, history: History) -> Derived | None:
    """Return the stored contributors updated to ``history``, or ``None`` if no list was fetched before.

    The new commits are known exactly if the total grew by K and the former head is at index K of the history. Otherwise
    (a forced push, a merged old branch) all known contributors are kept, and new authors are added.
    """
    state, known = target.state(Source.CONTRIBUTORS), target.contributors
    if known is None or state.answered_at is None or not _is_complete(known):
        return None
    still_open = _OPEN.get(state.due_reason) if state.due_reason else None
    if state.revision == history.oid:
        return Derived(known, still_open)
    new = _new_commits(target, history)
    if new is None:
        return Derived(_with_strangers(known, history.commits), DueReason.SETTLING)
    people = _add(known.people, Counter(commit.login for commit in new if commit.login))
    return Derived(Contributors(people), still_open or _open_order(people, known.people))


def settle(listed: Contributors, derived: Derived | None, history: History, now: datetime) -> Derived:
    """Return the contributors that GitHub's list and the history together show.

    A list of an older head is taken unchanged. A list of a young head may be hours old. It confirms the derived
    contributors if its counts are those of the head or of a commit shortly before it. Otherwise authors from the
    history are kept.
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
    """Return the commits since the stored contributors' head, or ``None`` if they are not certain."""
    days = target.commit_days
    revision = target.state(Source.CONTRIBUTORS).revision
    if days is None or days.total is None or revision is None or target.state(Source.COMMITS).revision != revision:
        return None
    grown = history.total - days.total
    if not 0 < grown < len(history.commits) or history.commits[grown].oid != revision:
        return None
    return history.commits[:grown]


def _is_complete(contributors: Contributors | None) -> bool:
    """Return whether all counts are known. Those of an imported document are unknown and count as zero."""
    return contributors is not None and all(person.commits > 0 for person in contributors.people)


def _with_strangers(known: Contributors, commits: Iterable[Commit]) -> Contributors:
    """Return ``known`` with the missing authors of ``commits`` added."""
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
    """Return ``DueReason.ORDER`` if the order of ``people`` is uncertain, otherwise ``None``.

    GitHub does not document its order of equal counts. Two with equal counts in ``known`` keep their order. A
    contributor who has just drawn level with another may be on either side.
    """
    counts = {person.login: person.commits for person in known}
    is_open = any(
        ahead.commits == behind.commits and counts.get(ahead.login, 0) != counts.get(behind.login, -1)
        for ahead, behind in pairwise(people)
    )
    return DueReason.ORDER if is_open else None
