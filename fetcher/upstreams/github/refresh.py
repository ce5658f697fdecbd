"""The live part of GitHub: statistics and details of repositories, the account behind a token, and its checks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from fetcher.domain.model import DETAIL_SOURCES, Purpose, Record, Source, Target
from fetcher.upstreams.base import Tools, UpstreamRefresh
from fetcher.upstreams.batching import BatchSize
from fetcher.upstreams.github.auth import Anonymous, GitHubCredential, Token
from fetcher.upstreams.github.details import DetailsRefresh
from fetcher.upstreams.github.histories import Histories
from fetcher.upstreams.github.identity import account_behind
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.github.merges import MERGES, counts_merges
from fetcher.upstreams.github.requests import Api
from fetcher.upstreams.github.statistics import StatisticsRefresh
from fetcher.upstreams.github.verify import MergesCheck

if TYPE_CHECKING:
    from fetcher.upstreams.git_details import GitDetails

CONCURRENCY = 8
"""Concurrent requests of one process. With the index's, they stay below the transport's limit."""

SLOW_LOOKUP, RETRY_LOOKUP_AFTER = timedelta(seconds=5), timedelta(minutes=5)
"""If an unsuccessful identity lookup took longer than the first, wait the second before the next."""


@dataclass(slots=True)
class GitHubRefresh(UpstreamRefresh):
    """A refresh of claimed repositories."""

    tools: Tools
    api: Api
    credential: GitHubCredential
    statistics: StatisticsRefresh
    details: DetailsRefresh
    merges: MergesCheck
    _identify_at: datetime | None = None

    @classmethod
    def connected(cls, tools: Tools, api: Api, credential: GitHubCredential, *, over_git: bool = False) -> Self:
        """Assemble the live part from the adapters; ``over_git`` reads commits over git."""
        gateway, clock, cadence = tools.gateway, tools.clock, tools.cadence
        anonymous = isinstance(credential, Anonymous)
        histories, concurrency = Histories(gateway, api), asyncio.Semaphore(CONCURRENCY)
        git = _git_at(api, tools) if over_git else None
        return cls(
            tools,
            api,
            credential,
            StatisticsRefresh(gateway, clock, api, cadence, anonymous, BatchSize(), git),
            DetailsRefresh(gateway, clock, api, cadence, anonymous, histories, concurrency, git),
            MergesCheck(
                tools.store.claims,
                tools.store.packages,
                tools.store.statistics,
                tools.store.checkpoints,
                gateway,
                clock,
                api,
                histories,
                tools.sleep,
            ),
        )

    async def refresh(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Return records of the claimed sources of ``targets``, and of those that depend on a moved head."""
        repositories = [t for t in targets if Source.REPOSITORY in t.claimed and t.repo is not None]
        details = [t for t in targets if t.claimed & set(DETAIL_SOURCES)]
        merges = not details or counts_merges(self.tools.store.checkpoints.get(MERGES))
        found = await asyncio.gather(
            self.statistics.refresh(repositories, purpose),
            self.details.refresh(details, purpose, merges=merges),
        )
        return [record for records in found for record in records]

    async def identify(self) -> None:
        """Look up the account of the token, unless it is known. Two ledgers would spend its quota twice.

        A slow lookup that failed is not repeated by each task.
        """
        own, now, identities = self.credential.identity, self.tools.clock.now(), self.tools.identities
        if not isinstance(self.credential, Token) or identities[GITHUB] != own:
            return
        if self._identify_at is not None and now < self._identify_at <= now + RETRY_LOOKUP_AFTER:
            return
        found = await account_behind(own, self.tools.gateway, self.tools.store.checkpoints, self.api, now)
        identities[GITHUB] = found
        if found != own:
            await self.tools.forget(own)
        took = self.tools.clock.now() - now
        self._identify_at = now + RETRY_LOOKUP_AFTER if took > SLOW_LOOKUP else None

    async def verify(self, interval: timedelta) -> None:
        """Compare a sample of histories with participation, when a check is due."""
        if not isinstance(self.credential, Anonymous):
            await self.merges.check_if_due(interval)


def _git_at(api: Api, tools: Tools) -> GitDetails:
    """Return the reader of repositories over git, whose requests spend a resource of their own."""
    from fetcher.upstreams.git_details import GitDetails  # noqa: PLC0415  (dulwich takes 40 ms to import)
    from fetcher.upstreams.git_reader import GitReader  # noqa: PLC0415

    return GitDetails(GitReader(GITHUB, Resource.GIT, api.git, tools.gateway, tools.clock), tools.clock)
