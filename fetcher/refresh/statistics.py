"""The cheap question for a batch of repositories, and what follows from the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fetcher.commits import DAYS_KEPT
from fetcher.exchange import Exchange
from fetcher.gate import follow_ups
from fetcher.github import requests
from fetcher.github.statistics import (
    BatchAnswer,
    read_by_id,
    read_by_name,
    read_newest_commit,
    read_repository,
)
from fetcher.model import (
    DETAIL_SOURCES,
    CommitDays,
    Contributors,
    Purpose,
    Record,
    RepoStats,
    Source,
    Target,
    Upstream,
    Validators,
)
from fetcher.outcome import Deferred, Failure, Fetched, Gone, NotModified, NotReady, Outcome, Replaced, Transient
from fetcher.planner import Cadence
from fetcher.ports import Clock
from fetcher.refresh.batches import BatchOutcome, BatchSize, ask_in_batches
from fetcher.refresh.records import Brought, confirmed, deferred, made_due, record_of

EMPTY_REVISION = "empty"
"""The revision of what is known of a repository without any commit."""


@dataclass(slots=True)
class StatisticsRefresh:
    """Asks for statistics, over GraphQL with a credential and over REST without one."""

    exchange: Exchange
    clock: Clock
    api: requests.Api
    cadence: Cadence
    anonymous: bool
    size: BatchSize

    async def refresh(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Records of the repository source of ``targets``, and of the sources that hang on its head."""
        asked_at = self.clock.now()
        if self.anonymous:
            return [record for target in targets for record in await self._over_rest(target, purpose)]
        known = [target for target in targets if target.node_id]
        unknown = [target for target in targets if not target.node_id]
        outcomes = await ask_in_batches(known, lambda batch: self._by_id(batch, purpose), self.size)
        lost = [target for target in known if isinstance(outcomes[target.package_id], Gone)]
        outcomes |= await ask_in_batches(unknown, lambda batch: self._by_name(batch, purpose), self.size)
        if lost:
            found = await ask_in_batches(lost, lambda batch: self._by_name(batch, purpose), self.size)
            outcomes |= {t.package_id: _same_or_replaced(t, found[t.package_id]) for t in lost}
        return [r for t in targets for r in self._records(t, outcomes[t.package_id], asked_at)]

    async def _by_id(self, batch: Sequence[Target], purpose: Purpose) -> BatchAnswer | Failure | Deferred:
        ids = [target.node_id or "" for target in batch]
        request = requests.statistics_by_id(self.api, ids)
        return await self.exchange.ask(request, purpose, lambda answer: read_by_id(answer, ids))

    async def _by_name(self, batch: Sequence[Target], purpose: Purpose) -> BatchAnswer | Failure | Deferred:
        repos = [target.repo for target in batch if target.repo is not None]
        request = requests.statistics_by_name(self.api, repos)
        return await self.exchange.ask(request, purpose, lambda answer: read_by_name(answer, len(repos)))

    async def _over_rest(self, target: Target, purpose: Purpose) -> list[Record]:
        """One repository without a token: conditional, and its head asked for only if anything about it changed."""
        asked_at = self.clock.now()
        repo, state = target.repo, target.state(Source.GITHUB)
        if repo is None:
            return []
        identity = self.exchange.identity(Upstream.GITHUB)
        usable = state.validators if state.validators.credential == identity else Validators()
        request = requests.repository(self.api, repo, usable)
        outcome = await self.exchange.ask(request, purpose, read_repository)
        if not isinstance(outcome, Fetched):
            return self._records(target, _settled(outcome), asked_at)
        if target.database_id is not None and outcome.value.database_id != target.database_id:
            return self._records(target, _replaced(target, outcome.value), asked_at)
        request = requests.newest_commit(self.api, repo)
        head = await self.exchange.ask(request, purpose, read_newest_commit, begun=True)
        if not isinstance(head, Fetched):
            return self._records(target, _settled(head), asked_at)
        newest = head.value
        stats = replace(
            outcome.value,
            empty=newest is None,
            head_oid=newest.sha if newest else None,
            head_committed_at=newest.committed_at if newest else None,
        )
        validators = replace(outcome.validators, credential=identity)
        return self._records(target, Fetched(stats, validators), asked_at)

    def _records(self, target: Target, outcome: BatchOutcome | Outcome[RepoStats], asked_at: datetime) -> list[Record]:
        match outcome:
            case Deferred():
                return [deferred(target, Source.GITHUB, outcome.until, asked_at)]
            case Fetched(value=stats):
                brought = Brought(stats, stats.head_oid or EMPTY_REVISION, outcome.validators, whole=True)
                own = record_of(target, Source.GITHUB, outcome, asked_at, self.cadence, brought)
                return [own, *_dependents(target, stats.head_oid, asked_at)]
            case NotModified():
                own = record_of(target, Source.GITHUB, outcome, asked_at, self.cadence)
                return [own, *_dependents(target, target.head_oid, asked_at)]
            case _:
                return [record_of(target, Source.GITHUB, outcome, asked_at, self.cadence)]


def _dependents(target: Target, head_oid: str | None, asked_at: datetime) -> list[Record]:
    """What an answer with this head makes of contributors and commits: confirmed, known to be none, or due."""
    if head_oid is None:
        return [_nothing_in(target, source, asked_at) for source in DETAIL_SOURCES]
    left_open = follow_ups(target, head_oid)
    return [
        made_due(target, source, asked_at) if source in left_open else confirmed(target, source, asked_at)
        for source in DETAIL_SOURCES
        if source in left_open or target.state(source).failures == 0
    ]


def _nothing_in(target: Target, source: Source, asked_at: datetime) -> Record:
    """An empty repository has neither contributors nor commits, and need not be asked for them."""
    nothing = Contributors(()) if source is Source.CONTRIBUTORS else _no_commits(asked_at)
    return Record(
        package_id=target.package_id,
        source=source,
        lease=target.lease if source in target.claimed else None,
        observed_at=asked_at,
        due_at=target.state(source).due_at,
        outcome="fetched",
        answered=True,
        values=nothing,
        revision=EMPTY_REVISION,
    )


def _no_commits(now: datetime) -> CommitDays:
    return CommitDays((now - timedelta(days=DAYS_KEPT)).date(), ())


def _same_or_replaced(target: Target, outcome: BatchOutcome) -> BatchOutcome:
    """What a repository's name answers once its id does not."""
    if isinstance(outcome, Fetched) and outcome.value.node_id != target.node_id:
        return _replaced(target, outcome.value)
    return outcome


def _replaced(target: Target, stats: RepoStats) -> Replaced:
    return Replaced(
        f"{stats.full_name} is now another repository (id {stats.database_id}, was {target.database_id}): "
        "nothing of it is taken over until an editor confirms the address"
    )


def _settled(outcome: Outcome[object]) -> Outcome[RepoStats]:
    """An outcome without values, as one of statistics; an answer that cannot be of this question is a fault."""
    match outcome:
        case Fetched() | NotReady():
            return Transient("GitHub has not told the repository yet")
        case _:
            return outcome
