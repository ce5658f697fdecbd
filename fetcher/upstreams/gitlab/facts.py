"""Facts about projects from GitLab's API: by number in batches, by path at first, and over REST after a rename."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from fetcher.domain.model import Purpose, Target
from fetcher.domain.outcome import Deferred, Failure, Fetched, Gone, Malformed, Outcome
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Request
from fetcher.upstreams.batching import BatchAnswer, BatchSize, request_in_batches
from fetcher.upstreams.gitlab import requests
from fetcher.upstreams.gitlab.queries import COMMIT_LIST, MOST_IDS, MOST_PATHS
from fetcher.upstreams.gitlab.readers import (
    ABSENT,
    FactsBatch,
    Lacking,
    read_accounts,
    read_by_id,
    read_by_path,
    read_project,
)
from fetcher.upstreams.hosted.base import FactsReader, ForgeFacts, ForgeHost
from fetcher.upstreams.hosted.one_by_one import facts_of_each

FIRST_SIZE = 25
"""Projects in a process's first query. Each makes GitLab read its repository about three times."""

Ask = Callable[[Sequence[Target]], Awaitable[BatchAnswer[ForgeFacts] | Failure | Deferred]]


@dataclass(slots=True)
class GitLabFacts(FactsReader):
    """The API of one GitLab. The sizes of its batches and the fields that it lacks are learnt from its responses."""

    batched = True

    host: ForgeHost
    by_id: BatchSize = field(default_factory=lambda: BatchSize(FIRST_SIZE, MOST_IDS))
    by_path: BatchSize = field(default_factory=lambda: BatchSize(FIRST_SIZE, MOST_PATHS))
    lacking: set[str] = field(default_factory=set)

    async def facts(
        self, targets: Sequence[Target], gateway: Gateway, purpose: Purpose
    ) -> Mapping[int, Outcome[ForgeFacts]]:
        """Request known projects by number, and new ones by path. An absent one is requested by path over REST.

        A renamed project is absent under its former path, and REST redirects to it. Under a number that is absent, the
        path may belong to another project: the caller compares the numbers.
        """
        numbered = [target for target in targets if target.repository_id is not None]
        named = [target for target in targets if target.repository_id is None and target.repo is not None]

        async def ask_by_id(batch: Sequence[Target]) -> BatchAnswer[ForgeFacts] | Failure | Deferred:
            ids = [target.repository_id or "" for target in batch]
            return await self._ask(
                gateway,
                purpose,
                lambda: requests.projects_by_id(self.host, ids, self.lacking),
                partial(read_by_id, host=self.host.host, ids=ids),
            )

        async def ask_by_path(batch: Sequence[Target]) -> BatchAnswer[ForgeFacts] | Failure | Deferred:
            repos = [target.repo for target in batch if target.repo is not None]
            return await self._ask(
                gateway,
                purpose,
                lambda: requests.projects_by_path(self.host, repos, self.lacking),
                partial(read_by_path, host=self.host.host, paths=[repo.path for repo in repos]),
            )

        outcomes: dict[int, Outcome[ForgeFacts]] = {}
        for asked, ask, size in ((numbered, ask_by_id, self.by_id), (named, ask_by_path, self.by_path)):
            found = await request_in_batches(asked, ask, size)
            outcomes |= {target.package_id: one for target, one in zip(asked, found, strict=True)}
        absent = [target for target in (*numbered, *named) if isinstance(outcomes[target.package_id], Gone)]
        return outcomes | dict(await facts_of_each(absent, lambda target: self._over_rest(target, gateway, purpose)))

    async def accounts(
        self, target: Target, gateway: Gateway, purpose: Purpose, *, since: str | None = None
    ) -> Outcome[Mapping[str, str]]:
        """Request the accounts of the authors of the newest 100 commits that lead to the head."""
        revision = target.head_oid or target.default_branch
        if target.repository_id is None or revision is None or COMMIT_LIST in self.lacking:
            return Fetched({})
        request = requests.accounts(self.host, target.repository_id, revision)
        outcome = await gateway.send(request, purpose, partial(read_accounts, host=self.host.host), continuation=True)
        if isinstance(outcome, Lacking):
            self.lacking.add(outcome.field)
            return Fetched({})
        return outcome

    async def _ask(
        self,
        gateway: Gateway,
        purpose: Purpose,
        build: Callable[[], Request],
        read: Callable[[Answer], FactsBatch],
    ) -> BatchAnswer[ForgeFacts] | Failure | Deferred:
        """Send a query, and send it again without each field that the server does not have."""
        while True:
            answer = await gateway.send(build(), purpose, read)
            if not isinstance(answer, Lacking):
                return answer
            if answer.field in self.lacking:
                return Malformed(f"GitLab refuses the field {answer.field}, which was not requested")
            self.lacking.add(answer.field)

    async def _over_rest(self, target: Target, gateway: Gateway, purpose: Purpose) -> Outcome[ForgeFacts]:
        """Request a project by path. There may be many in a batch, so this ends with the batch's time."""
        if target.repo is None:
            return ABSENT
        request = requests.project(self.host, target.repo)
        return await gateway.send(request, purpose, partial(read_project, host=self.host.host))
