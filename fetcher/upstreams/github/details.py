"""Contributors and daily commits of repositories with a new head or a due list.

With a credential, both come from the head's history, in batches over GraphQL. GitHub's list of contributors is
requested if there was none before, or to confirm the history. Without a credential, both come from REST. By a setting,
commits come over git instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from fetcher.domain.commit_weeks import commit_days, history_start, participation_days
from fetcher.domain.model import (
    CommitDays,
    Contribution,
    Contributors,
    Deferral,
    DueReason,
    Observed,
    Purpose,
    Record,
    RepoRef,
    Source,
    Target,
)
from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Deferred,
    Failure,
    Fetched,
    Malformed,
    Outcome,
    Overloaded,
    Transient,
)
from fetcher.domain.records import FetchedValues, at_recheck, deferred, nothing_in, record_of, replaced
from fetcher.domain.scheduling import Cadence
from fetcher.http.gateway import Gateway
from fetcher.ports import Clock
from fetcher.upstreams.batching import BatchOutcome
from fetcher.upstreams.github import requests
from fetcher.upstreams.github.change_detection import LIST_LAG, SETTLES_AFTER, History, derive, needs_list, settle
from fetcher.upstreams.github.histories import Histories, HistoryQuery, history_of, is_readable
from fetcher.upstreams.github.readers.contributors import read_contributors, read_participation
from fetcher.upstreams.github.readers.history import Head
from fetcher.upstreams.heads import follow_ups, to_request

if TYPE_CHECKING:
    from fetcher.upstreams.git_details import GitDetails

MAX_PAGES = 50
"""Limit for pages of contributors, ten times the 500 authors that GitHub names. A longer list counts as too large."""

HISTORY_FAILURES = 3
"""After so many failures in a row a repository is requested over REST: its history is too much to read."""

WHOLE_WEEK = timedelta(days=7)
"""Time after which participation, which has weekly sums, is exact again when shifted by one."""


@dataclass(slots=True)
class DetailsRefresh:
    """A refresh of the sources that belong to a repository's head."""

    gateway: Gateway
    clock: Clock
    api: requests.Api
    cadence: Cadence
    anonymous: bool
    histories: Histories
    concurrency: asyncio.Semaphore
    git: GitDetails | None = None
    """Reads commits over git, which then spend no quota of the API."""

    async def refresh(self, targets: Sequence[Target], purpose: Purpose, *, merges: bool) -> list[Record]:
        """Return records of the claimed detail sources of ``targets``; ``merges`` states whether merges count."""
        ready = [target for target in targets if target.repo is not None and target.head_oid is not None]
        if self.git is not None:
            lists = await asyncio.gather(*(self._over_git(self.git, t, purpose, merges=merges) for t in ready))
            return [record for records in lists for record in records]
        if self.anonymous:
            lists = await asyncio.gather(*(self._over_rest(t, purpose, self._due(t)) for t in ready))
            return [record for records in lists for record in records]
        return await self._from_history([t for t in ready if self._due(t)], purpose, merges=merges)

    def _due(self, target: Target) -> tuple[Source, ...]:
        now = self.clock.now()
        claimed = [source for source in (Source.COMMITS, Source.CONTRIBUTORS) if source in target.claimed]
        return tuple(source for source in claimed if to_request(target, source, now))

    # with a credential

    async def _from_history(self, targets: Sequence[Target], purpose: Purpose, *, merges: bool) -> list[Record]:
        now = self.clock.now()
        query = HistoryQuery(history_start(now.date()), not merges, purpose)
        answers = await self.histories.heads([t for t in targets if t.handle], query)
        heads: dict[int, Head] = {}
        records: list[Record] = []
        known = {target.package_id: target for target in targets if target.handle}
        for package_id, answer in answers.items():
            target = known[package_id]
            if isinstance(answer, Overloaded | Transient | Malformed) and self._is_unreadable(target):
                records += await self._over_rest(target, purpose, self._not_current(target))
            elif not isinstance(answer, Fetched):
                records += self._failed(target, answer, now)
            elif (other := replaced(target, answer.value.repository_id)) is not None:
                records += self._failed(target, other, now)
            elif answer.value.oid is None:
                records += [nothing_in(target, source, now) for source in (Source.COMMITS, Source.CONTRIBUTORS)]
            else:
                heads[package_id] = answer.value
        read = await self._complete({p: h for p, h in heads.items() if self._commits_wanted(known[p], h)}, query)
        lists = await asyncio.gather(*(self._one(known[p], head, read.get(p), query, now) for p, head in heads.items()))
        return [*records, *(record for found in lists for record in found)]

    def _failed(self, target: Target, outcome: Failure | Deferred, now: datetime) -> list[Record]:
        return [self._record(target, source, outcome, now) for source in self._due(target)]

    def _is_unreadable(self, target: Target) -> bool:
        """Return whether a history failed so often in a row that its repository is requested over REST instead."""
        return any(target.state(source).failures >= HISTORY_FAILURES for source in self._due(target))

    def _not_current(self, target: Target) -> tuple[Source, ...]:
        """Return the sources that are due, and contributors if they are not of the head and no history derives them."""
        return tuple(dict.fromkeys((*self._due(target), *follow_ups(target, target.head_oid))))

    def _commits_wanted(self, target: Target, head: Head) -> bool:
        """Return whether to count the weeks: they are due, or the head differs from the stored one."""
        return Source.COMMITS in self._due(target) or target.state(Source.COMMITS).revision != head.oid

    async def _complete(self, heads: Mapping[int, Head], query: HistoryQuery) -> dict[int, BatchOutcome[History]]:
        return await self.histories.complete({p: h for p, h in heads.items() if is_readable(h)}, query)

    async def _one(
        self,
        target: Target,
        head: Head,
        read: BatchOutcome[History] | None,
        query: HistoryQuery,
        now: datetime,
    ) -> list[Record]:
        """Return the records of one repository with a known head; ``read`` is its history, if it was read in full."""
        history = read.value if isinstance(read, Fetched) else history_of(head)
        records: list[Record] = []
        if self._commits_wanted(target, head):
            weeks = await self._weeks(target, head, read, query, now)
            if Source.COMMITS in target.claimed or isinstance(weeks, Fetched):
                record = self._record(target, Source.COMMITS, weeks, now, revision=head.oid)
                records.append(
                    record
                    if isinstance(read, Fetched)
                    else _moved_on(record, head.pushed_at or target.head_committed_at)
                )
        if target.repo and Source.CONTRIBUTORS in target.claimed and needs_list(target, now):
            records.append(await self._listed(target, target.repo, history, query.purpose))
        elif (derived := derive(target, history)) is not None:
            people = Fetched(derived.contributors)
            record = self._observed(target, Source.CONTRIBUTORS, people, now, revision=head.oid, full=False)
            records.append(_derived(record, target, derived.open))
        return records

    async def _weeks(
        self,
        target: Target,
        head: Head,
        read: BatchOutcome[History] | None,
        query: HistoryQuery,
        now: datetime,
    ) -> Outcome[CommitDays]:
        """Return daily commits from the history, or from participation if the history is too large."""
        if isinstance(read, Fetched):
            return Fetched(commit_days(read.value.commits, now.date(), head.total, merges=not query.parents))
        failing = target.state(Source.COMMITS).failures >= HISTORY_FAILURES
        if target.repo is not None and (read is None or (failing and not isinstance(read, Deferred))):
            return await self._participation(target.repo, query.purpose, head.total)
        return read or Malformed("history: not read")

    async def _listed(self, target: Target, repo: RepoRef, history: History, purpose: Purpose) -> Record:
        """Request the contributors list at ``history`` and return its record."""
        async with self.concurrency:
            requested_at = self.clock.now()
            outcome = await self._contributors(repo, purpose)
        if not isinstance(outcome, Fetched):
            return self._record(target, Source.CONTRIBUTORS, outcome, requested_at, revision=history.oid)
        settled = settle(outcome.value, derive(target, history), history, requested_at)
        answer = Fetched(settled.contributors)
        record = self._observed(target, Source.CONTRIBUTORS, answer, requested_at, revision=history.oid)
        return _confirmed_later(record, settled.open) if settled.open else record

    # over git

    async def _over_git(self, git: GitDetails, target: Target, purpose: Purpose, *, merges: bool) -> list[Record]:
        """Request commits over git, and contributors over REST, as are the weeks of a history that is too large."""
        due, head_oid, now = self._due(target), target.head_oid, self.clock.now()
        over_rest: list[Source] = [source for source in due if source is Source.CONTRIBUTORS]
        records: list[Record] = []
        if Source.COMMITS in due and target.repo is not None and head_oid is not None:
            async with self.concurrency:
                path = requests.clone_path(target.repo)
                days = (await git.weeks(target, path, head_oid, purpose, merges=merges)).days
            if isinstance(days, Blocked) and days.cause is BlockCause.TOO_LARGE:
                over_rest.append(Source.COMMITS)
            else:
                records.append(self._record(target, Source.COMMITS, days, now, revision=head_oid))
        return [*records, *await self._over_rest(target, purpose, over_rest)]

    # without a credential

    async def _over_rest(self, target: Target, purpose: Purpose, sources: Sequence[Source]) -> list[Record]:
        """Request these of one repository's details; nothing is derived, for there is no history."""
        if target.repo is None:
            return []
        records: list[Record] = []
        async with self.concurrency:
            for source in sources:
                requested_at = self.clock.now()
                if source is Source.CONTRIBUTORS:
                    people = await self._contributors(target.repo, purpose)
                    record = self._record(target, source, people, requested_at, revision=target.head_oid)
                    if isinstance(record, Observed) and record.values is not None and _is_young(target, requested_at):
                        record = _confirmed_later(record, DueReason.SETTLING)
                else:
                    weeks = await self._participation(target.repo, purpose)
                    record = self._record(target, source, weeks, requested_at, revision=target.head_oid)
                    record = _moved_on(record, target.head_committed_at)
                if source in target.claimed or (isinstance(record, Observed) and record.values is not None):
                    records.append(record)
        return records

    async def _contributors(self, repo: RepoRef, purpose: Purpose) -> Outcome[Contributors]:
        """Request every page, or return a failure, because a truncated list would drop contributors."""
        people: dict[str, Contribution] = {}
        page: int | None = 1
        while page is not None:
            request = requests.contributors(self.api, repo, page)
            answer = await self.gateway.send(request, purpose, read_contributors, continuation=page > 1)
            if not isinstance(answer, Fetched):
                return answer
            for person in answer.value.people:
                people.setdefault(person.login, person)
            following = answer.value.next_page
            if following is not None and following != page + 1:
                return Malformed(f"contributors: page {page} names page {following} as the next")
            if following is not None and following > MAX_PAGES:
                return Blocked(BlockCause.TOO_LARGE, f"contributors: more than {MAX_PAGES} pages, {len(people)} so far")
            page = following
        return Fetched(Contributors(tuple(people.values())))

    async def _participation(self, repo: RepoRef, purpose: Purpose, total: int | None = None) -> Outcome[CommitDays]:
        answer = await self.gateway.send(requests.participation(self.api, repo), purpose, read_participation)
        if not isinstance(answer, Fetched):
            return answer
        return Fetched(replace(participation_days(answer.value, self.clock.now().date()), total=total))

    def _record(
        self,
        target: Target,
        source: Source,
        outcome: Outcome[Contributors] | Outcome[CommitDays],
        requested_at: datetime,
        *,
        revision: str | None = None,
    ) -> Observed | Deferral:
        if isinstance(outcome, Deferred):
            return deferred(target, source, outcome.until, requested_at)
        return self._observed(target, source, outcome, requested_at, revision=revision)

    def _observed(
        self,
        target: Target,
        source: Source,
        outcome: Outcome[Contributors] | Outcome[CommitDays],
        requested_at: datetime,
        *,
        revision: str | None = None,
        full: bool = True,
    ) -> Observed:
        match outcome:
            case Fetched(value=Contributors() | CommitDays() as values):
                fetched = FetchedValues(values, revision, full=full)
            case Blocked(cause=BlockCause.TOO_LARGE):
                # Stored contributors stay those of their own head: what was pushed since is not in them.
                fetched = FetchedValues(revision=None if target.contributors else revision, full=True)
            case _:
                fetched = FetchedValues()
        record = record_of(target, source, outcome, requested_at, self.cadence, fetched)
        return at_recheck(record, target, self.cadence) if record.answered else record


def _derived(record: Observed, target: Target, open_: DueReason | None) -> Observed:
    """Return ``record`` due at its list's planned request, or after GitHub's list has caught up."""
    state = target.state(record.source)
    planned = replace(record, due_at=state.due_at, due_reason=state.due_reason) if state.due_at else record
    if open_ is None:
        return planned
    later = _confirmed_later(record, open_)
    if planned.due_at is not None and later.due_at is not None and planned.due_at < later.due_at:
        return replace(planned, due_reason=open_)
    return later


def _confirmed_later(record: Observed, reason: DueReason) -> Observed:
    return replace(record, due_at=record.observed_at + SETTLES_AFTER, due_reason=reason)


def _is_young(target: Target, now: datetime) -> bool:
    """Return whether GitHub's list may be older than the head, judged without its history."""
    return target.head_committed_at is not None and now - target.head_committed_at < LIST_LAG


def _moved_on(record: Observed | Deferral, committed_at: datetime | None) -> Observed | Deferral:
    """Return a record of participation due when its weeks are to be moved on though the head stays.

    Participation has weekly sums and leaves out today's commits, which are counted from the next day on.
    """
    if not isinstance(record, Observed) or record.values is None:
        return record
    at = record.observed_at
    midnight = datetime.combine(at.date(), time(), at.tzinfo)
    is_of_today = committed_at is not None and committed_at >= midnight
    due_at = midnight + timedelta(days=1) if is_of_today else at + WHOLE_WEEK
    return replace(record, due_at=due_at, due_reason=DueReason.WEEKS)
