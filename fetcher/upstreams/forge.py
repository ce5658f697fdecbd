"""The refresh of a forge that serves one repository a request.

A forge of this kind implements ``Forge``: how to request and read statistics, history and people. Schedules, records
and the consequences of a moved head are here. GitHub, which serves a hundred repositories in one query, has a refresh
of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fetcher.domain.model import CommitDays, Contributors, MadeDue, Purpose, Record, RepoStats, Source, Target
from fetcher.domain.outcome import Deferred, Fetched, Outcome
from fetcher.domain.records import FetchedValues, deferred, record_of, replaced
from fetcher.http.gateway import Gateway
from fetcher.upstreams.base import Tools, Upstream, UpstreamRefresh
from fetcher.upstreams.heads import repository_records, to_request

CONCURRENCY = 4
"""Concurrent requests of one process to one forge."""


class Forge(Upstream, Protocol):
    """A forge that serves one repository a request. Every method sends its requests through ``gateway``."""

    async def statistics(self, target: Target, gateway: Gateway, purpose: Purpose) -> Outcome[RepoStats]:
        """Request the statistics and the head of ``target.repo``."""
        ...

    async def history(self, target: Target, gateway: Gateway, purpose: Purpose) -> Outcome[CommitDays]:
        """Request the commits per day of the last 53 weeks that lead to ``target.head_oid``."""
        ...

    async def people(self, target: Target, gateway: Gateway, purpose: Purpose) -> Outcome[Contributors]:
        """Request all contributors at ``target.head_oid``, most commits first."""
        ...


@dataclass(slots=True)
class ForgeRefresh(UpstreamRefresh):
    """A refresh of claimed repositories of one forge."""

    tools: Tools
    forge: Forge
    concurrency: asyncio.Semaphore

    @classmethod
    def of(cls, forge: Forge, tools: Tools) -> ForgeRefresh:
        """Return the refresh of ``forge``."""
        return cls(tools, forge, asyncio.Semaphore(CONCURRENCY))

    async def refresh(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Return records of the claimed sources of ``targets``, and of those that depend on a moved head."""
        ready = [target for target in targets if target.repo is not None]
        lists = await asyncio.gather(*(self._one(target, purpose) for target in ready))
        return [record for records in lists for record in records]

    async def _one(self, target: Target, purpose: Purpose) -> list[Record]:
        async with self.concurrency:
            records: list[Record] = []
            if Source.REPOSITORY in target.claimed:
                records += await self._statistics(target, purpose)
                if any(isinstance(record, MadeDue) for record in records):
                    return records  # the head has moved: the details are due at the new one, which the next claim knows
            details = [source for source in (Source.COMMITS, Source.CONTRIBUTORS) if source in target.claimed]
            if target.head_oid is not None:
                records += [
                    await self._detail(target, source, purpose) for source in details if self._due(target, source)
                ]
            return records

    def _due(self, target: Target, source: Source) -> bool:
        return to_request(target, source, self.tools.clock.now())

    async def _statistics(self, target: Target, purpose: Purpose) -> list[Record]:
        now = self.tools.clock.now()
        outcome = await self.forge.statistics(target, self.tools.gateway, purpose)
        if isinstance(outcome, Fetched):
            stats = outcome.value
            outcome = replaced(target, stats.repository_id, handle=stats.handle, full_name=stats.full_name) or outcome
        return repository_records(target, outcome, now, self.tools.cadence, derives_people=False)

    async def _detail(self, target: Target, source: Source, purpose: Purpose) -> Record:
        now, gateway = self.tools.clock.now(), self.tools.gateway
        outcome: Outcome[CommitDays] | Outcome[Contributors]
        if source is Source.COMMITS:
            outcome = await self.forge.history(target, gateway, purpose)
        else:
            outcome = await self.forge.people(target, gateway, purpose)
        if isinstance(outcome, Deferred):
            return deferred(target, source, outcome.until, now)
        fetched = FetchedValues()
        if isinstance(outcome, Fetched):
            fetched = FetchedValues(outcome.value, target.head_oid, outcome.validators, full=True)
        return record_of(target, source, outcome, now, self.tools.cadence, fetched)
