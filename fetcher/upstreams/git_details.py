"""Commits a day and contributors of a head, read over git.

The full history is read once, and again at the slow re-check. In between, only the commits since the stored head are
read, and their authors and days are added. The evidence that they are exactly those is in ``fetcher.git.histories``.
A history beyond the limits is replaced by that of the last 53 weeks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from fetcher.domain.commit_weeks import commit_days, history_start, is_daily, with_commits
from fetcher.domain.model import CommitDays, Contributors, DueReason, Purpose, Source, Target
from fetcher.domain.outcome import BlockCause, Blocked, Deferred, Fetched, Malformed, NonValue, Outcome
from fetcher.git.histories import History
from fetcher.git.people import contributors, with_new
from fetcher.git.requests import Commits
from fetcher.http.deadline import has_passed
from fetcher.ports import Clock
from fetcher.upstreams.git_reader import GitReader
from fetcher.upstreams.heads import is_list_refused

Accounts = Callable[[str | None], Awaitable[Outcome[Mapping[str, str]]]]
"""Requests logins by oid of the newest commits since another; ``FactsReader.accounts`` of one target."""

HISTORY_FAILURES = 3
"""After so many failures in a row, a year is read in place of the full history, which may take a host too long."""

MOST_ROUNDS = 20
"""Most requests for the commits behind merges with an old parent. One or two are usual."""


@dataclass(frozen=True, slots=True)
class Details:
    """The outcome for both sources of one head, and the head's committer date where it was received."""

    days: Outcome[CommitDays]
    people: Outcome[Contributors]
    committed_at: datetime | None = None
    full: bool = False
    """True if the full history was read, not only the new commits."""
    recent_people: Contributors | None = None
    """The authors of the last 53 weeks, if the full history is too large."""


@dataclass(frozen=True, slots=True)
class GitDetails:
    """A reader of the details of heads, over the quota of one host."""

    reader: GitReader
    clock: Clock

    async def read(self, target: Target, path: str, head: str, accounts: Accounts, purpose: Purpose) -> Details:
        """Read commits a day and contributors at ``head``. A batch that has had its time begins no history."""
        if has_passed(self.clock.now()):
            return _failed(self._too_late())
        if target.state(Source.COMMITS).failures >= HISTORY_FAILURES:
            refused = Blocked(
                BlockCause.TOO_LARGE, "git: the full history failed repeatedly; commits of a year are read"
            )
            return await self._of_recent(target, path, head, refused, purpose)
        old, known, stored = _exact(target, self.clock.now()), target.contributors, target.commit_days
        if old is not None and known is not None and stored is not None and old != head:
            found = await self._history(path, Commits(head, have=old), purpose)
            if isinstance(found, Fetched) and found.value.continues(old):
                logins = await accounts(old)
                if not isinstance(logins, Fetched):
                    return _failed(logins, self._with_new_days(stored, found.value), found.value)
                people = with_new(known, found.value.commits.values(), logins.value)
                if people is not None:
                    days = self._with_new_days(stored, found.value)
                    return Details(Fetched(days), Fetched(people), found.value.committed_at)
            elif isinstance(found, Fetched) and found.value.is_whole:
                return await self._of_whole(found.value, accounts)
            elif not isinstance(found, Fetched) and not _is_too_large(found):
                return _failed(found)
        found = await self._history(path, Commits(head), purpose)
        if isinstance(found, Fetched):
            return await self._of_whole(found.value, accounts)
        return await self._of_recent(target, path, head, found, purpose) if _is_too_large(found) else _failed(found)

    async def weeks(self, target: Target, path: str, head: str, purpose: Purpose, *, merges: bool = True) -> Details:
        """Read commits a day at ``head`` alone. Contributors are ``Blocked``, for they were not requested."""
        if has_passed(self.clock.now()):
            return _failed(self._too_late())
        refused = Blocked(BlockCause.TOO_LARGE, "git: the full history was not requested")
        found = await self._of_recent(target, path, head, refused, purpose, merges=merges)
        return replace(found, recent_people=None)

    def _too_late(self) -> Deferred:
        """Return the outcome after the batch's deadline. Requests within a history ignore it, but do not begin one."""
        return Deferred(self.clock.now(), "its batch has had its time")

    async def committed_at(self, path: str, head: str, purpose: Purpose) -> Outcome[datetime | None]:
        """Read the committer date of ``head``, which is one commit."""
        found = await self._history(path, Commits(head, depth=1), purpose)
        if not isinstance(found, Fetched):
            return found
        if head not in found.value.commits:
            return Malformed("git: the host did not return the head that it had named")
        return Fetched(found.value.committed_at)

    async def _history(self, path: str, commits: Commits, purpose: Purpose) -> Outcome[History]:
        found = await self.reader.history(path, commits, purpose, continuation=True)
        return Fetched(found.value.reachable()) if isinstance(found, Fetched) and not commits.others else found

    async def _recent(self, path: str, head: str, since: datetime, purpose: Purpose) -> Outcome[History]:
        """Read the commits that lead to ``head`` since a time, those behind merges with an old parent included."""
        found = await self._history(path, Commits(head, since=since), purpose)
        requested: frozenset[str] = frozenset()
        for _ in range(MOST_ROUNDS):
            if not isinstance(found, Fetched) or not (behind := found.value.beyond_merges - requested):
                return found
            requested |= behind
            first, *others = sorted(behind)
            more = await self._history(path, Commits(first, since=since, others=tuple(others)), purpose)
            found = Fetched(found.value.with_more(more.value).reachable()) if isinstance(more, Fetched) else more
        return Malformed(f"git: merges with old branches took more than {MOST_ROUNDS} requests")

    def _with_new_days(self, stored: CommitDays, history: History, *, merges: bool = True) -> CommitDays:
        """Return the stored days with those of the new commits."""
        total = None if stored.total is None else stored.total + len(history.commits)
        return with_commits(stored, history.counted(), self.clock.now().date(), total, merges=merges)

    async def _of_whole(self, history: History, accounts: Accounts) -> Details:
        if not history.is_whole:
            return _failed(Malformed("git: the host returned an incomplete history"))
        days = commit_days(history.counted(), self.clock.now().date(), len(history.commits), merges=True)
        logins = await accounts(None)
        if not isinstance(logins, Fetched):
            return _failed(logins, days, history)
        people = contributors(history.commits.values(), logins.value)
        return Details(Fetched(days), Fetched(people), history.committed_at, full=True)

    async def _of_recent(
        self,
        target: Target,
        path: str,
        head: str,
        too_large: Outcome[History],
        purpose: Purpose,
        *,
        merges: bool = True,
    ) -> Details:
        """Read the commits since the stored head, or those of the last 53 weeks."""
        since = history_start(self.clock.now().date())
        state, stored = target.state(Source.COMMITS), target.commit_days
        old = state.revision if state.answered_at is not None else None
        if old is not None and stored is not None and is_daily(stored) and old != head:
            found = await self._history(path, Commits(head, have=old, since=since), purpose)
            if isinstance(found, Fetched) and found.value.continues(old):
                days = self._with_new_days(stored, found.value, merges=merges)
                return Details(Fetched(days), _without_value(too_large), found.value.committed_at)
            if not isinstance(found, Fetched):
                return _failed(found)
        found = await self._recent(path, head, since, purpose)
        if not isinstance(found, Fetched):
            return _failed(found)
        if not found.value.is_recent:
            return _failed(Malformed("git: the host returned an incomplete history"))
        committed_at = found.value.committed_at
        if not found.value.commits:
            newest = await self.committed_at(path, head, purpose)
            if not isinstance(newest, Fetched):
                return _failed(newest)
            committed_at = newest.value
            if committed_at is None or committed_at >= since:
                return _failed(Malformed("git: the host returned no commits, though the newest one is recent"))
        days = commit_days(found.value.counted(), self.clock.now().date(), None, merges=merges)
        people = contributors(found.value.commits.values(), {})
        return Details(Fetched(days), _without_value(too_large), committed_at, full=True, recent_people=people)


def _exact(target: Target, now: datetime) -> str | None:
    """Return the head to which both stored values belong, if the commits since it can be added to them.

    At the slow re-check, and while a list was refused for its size, nothing is added.
    """
    state, days = target.state(Source.CONTRIBUTORS), target.commit_days
    if days is None or days.total is None or state.answered_at is None or is_list_refused(state):
        return None
    if target.contributors is None or any(person.commits < 1 for person in target.contributors.people):
        return None
    rechecked = state.due_reason is DueReason.RECHECK and state.due_at is not None and state.due_at <= now
    return None if rechecked or state.revision != target.state(Source.COMMITS).revision else state.revision


def _is_too_large(outcome: Outcome[History]) -> bool:
    return isinstance(outcome, Blocked) and outcome.cause is BlockCause.TOO_LARGE


def _without_value(outcome: Outcome[History]) -> NonValue | Deferred:
    return Malformed("git: not read") if isinstance(outcome, Fetched) else outcome


def _failed(outcome: NonValue | Deferred, days: CommitDays | None = None, history: History | None = None) -> Details:
    """Return a failure of both sources, or of contributors alone if the days are known."""
    committed_at = history.committed_at if history is not None else None
    return Details(Fetched(days) if days is not None else outcome, outcome, committed_at)
