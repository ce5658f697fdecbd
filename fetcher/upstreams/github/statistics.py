"""Statistics of a batch of repositories, and their consequences for contributors and commits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fetcher.domain.model import (
    DETAIL_SOURCES,
    Purpose,
    Record,
    RepoStats,
    Source,
    Target,
    Validators,
)
from fetcher.domain.outcome import Deferred, Failure, Fetched, Gone, NotModified, NotReady, Outcome, Transient
from fetcher.domain.records import (
    EMPTY_REVISION,
    FetchedValues,
    confirmed,
    deferred,
    made_due,
    nothing_in,
    record_of,
    replaced,
)
from fetcher.domain.scheduling import Cadence
from fetcher.http.gateway import Gateway
from fetcher.ports import Clock
from fetcher.upstreams.github import requests
from fetcher.upstreams.github.batching import BatchOutcome, BatchSize, request_in_batches
from fetcher.upstreams.github.change_detection import follow_ups
from fetcher.upstreams.github.limits import GITHUB
from fetcher.upstreams.github.readers.graphql import BatchAnswer
from fetcher.upstreams.github.readers.statistics import read_by_id, read_by_name, read_newest_commit, read_repository


@dataclass(slots=True)
class StatisticsRefresh:
    """A refresh of statistics, over GraphQL with a credential and over REST without one."""

    gateway: Gateway
    clock: Clock
    api: requests.Api
    cadence: Cadence
    anonymous: bool
    size: BatchSize

    async def refresh(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Return records of the repository source of ``targets``, and of the sources that depend on its head."""
        requested_at = self.clock.now()
        if self.anonymous:
            return [record for target in targets for record in await self._over_rest(target, purpose)]
        known = [target for target in targets if target.handle]
        unknown = [target for target in targets if not target.handle]
        outcomes = await self._batched(known, self._by_id, purpose)
        lost = [target for target in known if isinstance(outcomes[target.package_id], Gone)]
        outcomes |= await self._batched([*unknown, *lost], self._by_name, purpose)
        by_name = {target.package_id for target in lost}
        return [
            record
            for target in targets
            for record in self._records(
                target,
                _identified(target, outcomes[target.package_id], by_name=target.package_id in by_name),
                requested_at,
            )
        ]

    async def _batched(
        self,
        targets: Sequence[Target],
        send: Callable[[Sequence[Target], Purpose], Awaitable[BatchAnswer[RepoStats] | Failure | Deferred]],
        purpose: Purpose,
    ) -> dict[int, BatchOutcome[RepoStats]]:
        outcomes = await request_in_batches(targets, lambda batch: send(batch, purpose), self.size)
        return {target.package_id: outcome for target, outcome in zip(targets, outcomes, strict=True)}

    async def _by_id(self, batch: Sequence[Target], purpose: Purpose) -> BatchAnswer[RepoStats] | Failure | Deferred:
        ids = [target.handle or "" for target in batch]
        request = requests.statistics_by_id(self.api, ids)
        return await self.gateway.send(request, purpose, lambda answer: read_by_id(answer, ids))

    async def _by_name(self, batch: Sequence[Target], purpose: Purpose) -> BatchAnswer[RepoStats] | Failure | Deferred:
        repos = [target.repo for target in batch if target.repo is not None]
        request = requests.statistics_by_name(self.api, repos)
        return await self.gateway.send(request, purpose, lambda answer: read_by_name(answer, len(repos)))

    async def _over_rest(self, target: Target, purpose: Purpose) -> list[Record]:
        """Refresh one repository without a token: conditionally, with its head requested only after a change."""
        requested_at = self.clock.now()
        repo, state = target.repo, target.state(Source.REPOSITORY)
        if repo is None:
            return []
        identity = self.gateway.identity(GITHUB)
        usable = state.validators if state.validators.credential == identity else Validators()
        request = requests.repository(self.api, repo, usable)
        outcome = await self.gateway.send(request, purpose, read_repository)
        if not isinstance(outcome, Fetched):
            return self._records(target, _settled(outcome), requested_at)
        same = _identified(target, outcome, by_name=True)
        if not isinstance(same, Fetched):
            return self._records(target, same, requested_at)
        request = requests.newest_commit(self.api, repo)
        head = await self.gateway.send(request, purpose, read_newest_commit, continuation=True)
        if not isinstance(head, Fetched):
            return self._records(target, _settled(head), requested_at)
        newest = head.value
        stats = replace(
            outcome.value,
            empty=newest is None,
            head_oid=newest.sha if newest else None,
            head_committed_at=newest.committed_at if newest else None,
        )
        validators = replace(outcome.validators, credential=identity)
        return self._records(target, Fetched(stats, validators), requested_at)

    def _records(
        self, target: Target, outcome: BatchOutcome[RepoStats] | Outcome[RepoStats], requested_at: datetime
    ) -> list[Record]:
        match outcome:
            case Deferred():
                return [deferred(target, Source.REPOSITORY, outcome.until, requested_at)]
            case Fetched(value=stats) if stats.head_oid is None and not stats.empty:
                # The default branch names no commit now, though commits exist: keep the known head.
                fetched = FetchedValues(_with_known_head(stats, target), None, outcome.validators, full=True)
                own = record_of(target, Source.REPOSITORY, outcome, requested_at, self.cadence, fetched)
                return [own, *self._dependents(target, target.head_oid, requested_at)] if target.head_oid else [own]
            case Fetched(value=stats):
                fetched = FetchedValues(stats, stats.head_oid or EMPTY_REVISION, outcome.validators, full=True)
                own = record_of(target, Source.REPOSITORY, outcome, requested_at, self.cadence, fetched)
                return [own, *self._dependents(target, stats.head_oid, requested_at)]
            case NotModified():
                own = record_of(target, Source.REPOSITORY, outcome, requested_at, self.cadence)
                return [own, *self._dependents(target, target.head_oid, requested_at)]
            case _:
                return [record_of(target, Source.REPOSITORY, outcome, requested_at, self.cadence)]

    def _dependents(self, target: Target, head_oid: str | None, requested_at: datetime) -> list[Record]:
        """Return the records of contributors and commits at this head: confirmed, empty or due.

        Known contributors follow from the new head's history, if there is a credential to read it.
        """
        if head_oid is None:
            return [nothing_in(target, source, requested_at) for source in DETAIL_SOURCES]
        records: list[Record] = []
        left_open = follow_ups(target, head_oid)
        for source in DETAIL_SOURCES:
            state = target.state(source)
            if source not in left_open:
                if state.failures == 0:
                    records.append(confirmed(target, source, requested_at))
            elif source is Source.COMMITS or state.answered_at is None or self.anonymous:
                records.append(made_due(target, source, requested_at))
        return records


def _identified(target: Target, outcome: BatchOutcome[RepoStats], *, by_name: bool) -> BatchOutcome[RepoStats]:
    """Return ``outcome``, or a failure if it describes another repository than the known one.

    A response to a known node id always describes that repository, in any form of the id.
    """
    if not isinstance(outcome, Fetched):
        return outcome
    stats = outcome.value
    other = replaced(target, stats.repository_id, handle=stats.handle if by_name else None, full_name=stats.full_name)
    if other is not None or stats.repository_id is not None:
        return other or outcome
    return replace(outcome, value=replace(stats, repository_id=target.repository_id))


def _with_known_head(stats: RepoStats, target: Target) -> RepoStats:
    return replace(
        stats,
        default_branch=target.default_branch,
        head_oid=target.head_oid,
        head_committed_at=target.head_committed_at,
    )


def _settled(outcome: Outcome[object]) -> Outcome[RepoStats]:
    """Return an outcome without values as one of statistics. One that cannot occur here becomes a failure."""
    match outcome:
        case Fetched() | NotReady():
            return Transient("GitHub has not told the repository yet")
        case _:
            return outcome
