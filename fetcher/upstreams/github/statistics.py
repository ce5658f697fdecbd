"""Statistics of a batch of repositories, and their consequences for contributors and commits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from fetcher.domain.model import (
    Purpose,
    Record,
    RepoRef,
    RepoStats,
    Source,
    Target,
    Validators,
)
from fetcher.domain.outcome import Deferred, Failure, Fetched, Gone, NotReady, Outcome, Transient
from fetcher.domain.records import (
    replaced,
)
from fetcher.domain.scheduling import Cadence
from fetcher.http.gateway import Gateway
from fetcher.ports import Clock
from fetcher.upstreams.batching import BatchAnswer, BatchOutcome, BatchSize, request_in_batches
from fetcher.upstreams.github import requests
from fetcher.upstreams.github.limits import GITHUB
from fetcher.upstreams.github.readers.statistics import read_by_id, read_by_name, read_newest_commit, read_repository
from fetcher.upstreams.heads import repository_records

if TYPE_CHECKING:
    from fetcher.upstreams.git_details import GitDetails


@dataclass(frozen=True, slots=True)
class NewestCommit:
    """The head of a default branch."""

    sha: str
    committed_at: datetime | None


@dataclass(slots=True)
class StatisticsRefresh:
    """A refresh of statistics, over GraphQL with a credential and over REST without one."""

    gateway: Gateway
    clock: Clock
    api: requests.Api
    cadence: Cadence
    anonymous: bool
    size: BatchSize
    git: GitDetails | None = None
    """Reads heads over git where there is no GraphQL."""

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
        head = await self._head(target, RepoRef(repo.host, same.value.full_name), purpose)
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

    async def _head(self, target: Target, repo: RepoRef, purpose: Purpose) -> Outcome[NewestCommit | None]:
        """Request the head of the default branch; the value is ``None`` for an empty repository."""
        if self.git is not None:
            return await self._over_git(self.git, target, requests.clone_path(repo), purpose)
        request = requests.newest_commit(self.api, repo)
        head = await self.gateway.send(request, purpose, read_newest_commit, continuation=True)
        if not isinstance(head, Fetched) or head.value is None:
            return head if not isinstance(head, Fetched) else Fetched(None)
        return Fetched(NewestCommit(head.value.sha, head.value.committed_at))

    async def _over_git(
        self, git: GitDetails, target: Target, path: str, purpose: Purpose
    ) -> Outcome[NewestCommit | None]:
        """Request the head over git, and its date if it has moved."""
        tip = await git.reader.tip(path, purpose, target.head_oid)
        if not isinstance(tip, Fetched):
            return tip
        oid = tip.value.oid
        if oid is None:
            return Fetched(None)
        if oid == target.head_oid and target.head_committed_at is not None:
            return Fetched(NewestCommit(oid, target.head_committed_at))
        committed_at = await git.committed_at(path, oid, purpose)
        if not isinstance(committed_at, Fetched):
            return committed_at
        return Fetched(NewestCommit(oid, committed_at.value))

    def _records(
        self, target: Target, outcome: BatchOutcome[RepoStats] | Outcome[RepoStats], requested_at: datetime
    ) -> list[Record]:
        """Return the records of an outcome. Over GraphQL, known contributors follow from the head's history."""
        derives = not self.anonymous and self.git is None
        return repository_records(target, outcome, requested_at, self.cadence, derives_people=derives)


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


def _settled(outcome: Outcome[object]) -> Outcome[RepoStats]:
    """Return an outcome without values as one of statistics. One that cannot occur here becomes a failure."""
    match outcome:
        case Fetched() | NotReady():
            return Transient("GitHub has not told the repository yet")
        case _:
            return outcome
