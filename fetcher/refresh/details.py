"""Contributors and commits a day of repositories whose head has moved: derived where exact, else asked whole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fetcher.commits import knows_oldest_week, with_earlier, with_oldest_week
from fetcher.exchange import Exchange
from fetcher.gate import AskWhole, Compare, derive, question
from fetcher.github import requests
from fetcher.github.details import (
    read_commit_activity,
    read_comparison,
    read_contributors,
    read_participation,
)
from fetcher.model import (
    CommitDays,
    Contribution,
    Contributors,
    Purpose,
    Record,
    RepoRef,
    Source,
    Target,
)
from fetcher.outcome import BlockCause, Blocked, Deferred, Fetched, Gone, Malformed, Outcome
from fetcher.planner import Cadence
from fetcher.ports import Clock
from fetcher.refresh.records import Brought, deferred, recheck_due, record_of

MAX_PAGES = 50
"""GitHub names at most 500 authors' addresses; this is ten times that, and an end to a list that never ends."""


@dataclass(slots=True)
class DetailsRefresh:
    """Asks for what hangs on a repository's head."""

    exchange: Exchange
    clock: Clock
    api: requests.Api
    cadence: Cadence
    abreast: asyncio.Semaphore

    async def refresh(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Records of the claimed detail sources of ``targets``."""
        lists = await asyncio.gather(*(self._one(target, purpose) for target in targets))
        return [record for records in lists for record in records]

    async def _one(self, target: Target, purpose: Purpose) -> list[Record]:
        if target.repo is None or target.head_oid is None:
            return []
        async with self.abreast:
            asked_at = self.clock.now()
            match question(target, asked_at):
                case Compare() as compare:
                    return await self._compared(target, target.repo, compare, purpose)
                case AskWhole(sources=sources):
                    return await self._whole(target, target.repo, sources, purpose)

    async def _compared(self, target: Target, repo: RepoRef, compare: Compare, purpose: Purpose) -> list[Record]:
        """Derive from what came since a known head; what that does not settle is asked whole."""
        asked_at = self.clock.now()
        request = requests.compare(self.api, repo, compare.base, target.head_oid or "")
        answer = await self.exchange.ask(request, purpose, read_comparison)
        due = compare.sources
        if isinstance(answer, Fetched):
            derived = derive(answer.value, target, asked_at.date())
            values = {Source.CONTRIBUTORS: derived.contributors, Source.COMMITS: derived.commit_days}
            forced = answer.value.status not in ("ahead", "identical")
            settled = [source for source in due if values[source] is not None]
            records = [self._record(target, s, Fetched(values[s]), asked_at, whole=False) for s in settled]
            rest = tuple(source for source in due if source not in settled)
            known = replace(target, commit_days=None) if forced else target
            return [*records, *await self._whole(known, repo, rest, purpose)]
        if isinstance(answer, Gone | Malformed) or _too_large(answer):  # the old head has vanished, or it is too much
            known = replace(target, commit_days=None) if isinstance(answer, Gone) else target
            return await self._whole(known, repo, due, purpose)
        return [self._record(target, source, answer, asked_at, whole=False) for source in due]

    async def _whole(self, target: Target, repo: RepoRef, sources: Sequence[Source], purpose: Purpose) -> list[Record]:
        records = []
        for source in sources:
            asked_at = self.clock.now()
            outcome: Outcome[Contributors] | Outcome[CommitDays]
            if source is Source.CONTRIBUTORS:
                outcome = await self._contributors(repo, purpose)
            else:
                outcome = await self._commit_days(target, repo, purpose)
            records.append(self._record(target, source, outcome, asked_at, whole=True))
        return records

    async def _contributors(self, repo: RepoRef, purpose: Purpose) -> Outcome[Contributors]:
        """Every page, or nothing: a list cut short would drop people."""
        people: dict[str, Contribution] = {}
        page: int | None = 1
        while page is not None:
            request = requests.contributors(self.api, repo, page)
            answer = await self.exchange.ask(request, purpose, read_contributors, begun=page > 1)
            if not isinstance(answer, Fetched):
                return answer
            for person in answer.value.people:
                people.setdefault(person.login, person)
            following = answer.value.next_page
            if following is not None and not page < following <= MAX_PAGES:
                return Malformed(f"contributors: page {page} names page {following} as the next")
            page = following
        return Fetched(Contributors(tuple(people.values())))

    async def _commit_days(self, target: Target, repo: RepoRef, purpose: Purpose) -> Outcome[CommitDays]:
        """The daily counts; for a person who looks on, exact to the oldest week at one more request."""
        answer = await self.exchange.ask(requests.commit_activity(self.api, repo), purpose, read_commit_activity)
        if not isinstance(answer, Fetched):
            return answer
        today = self.clock.now().date()
        days = with_earlier(answer.value, target.commit_days)
        if purpose is Purpose.MANUAL and not knows_oldest_week(days, today):
            request = requests.participation(self.api, repo)
            weeks = await self.exchange.ask(request, purpose, read_participation, begun=True)
            if isinstance(weeks, Fetched):
                days = with_oldest_week(days, weeks.value, today)
        return Fetched(days)

    def _record(
        self, target: Target, source: Source, outcome: Outcome[object], asked_at: datetime, *, whole: bool
    ) -> Record:
        match outcome:
            case Deferred():
                return deferred(target, source, outcome.until, asked_at)
            case Fetched(value=Contributors() | CommitDays() as values):
                brought = Brought(values, target.head_oid, whole=whole)
            case Blocked(cause=BlockCause.TOO_LARGE):
                brought = Brought(revision=target.head_oid, whole=True)
            case _:
                brought = Brought()
        record = record_of(target, source, outcome, asked_at, self.cadence, brought)
        if not record.answered:
            return record
        return replace(record, due_at=recheck_due(target, source, asked_at, self.cadence, whole=brought.whole))


def _too_large(answer: Outcome[object]) -> bool:
    return isinstance(answer, Blocked) and answer.cause is BlockCause.TOO_LARGE
