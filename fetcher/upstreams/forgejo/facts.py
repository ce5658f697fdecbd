"""The facts of Forgejo and Gitea: one request a repository, by its number once it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fetcher.domain.model import Purpose, Target
from fetcher.domain.outcome import Fetched, Outcome
from fetcher.http.gateway import Gateway
from fetcher.upstreams.forgejo import requests
from fetcher.upstreams.forgejo.readers import read_accounts, read_facts
from fetcher.upstreams.hosted.base import FactsReader, ForgeFacts, ForgeHost
from fetcher.upstreams.hosted.one_by_one import by_id_or_path, facts_of_each


@dataclass(frozen=True, slots=True)
class ForgejoFacts(FactsReader):
    """The reader of one host."""

    host: ForgeHost

    async def facts(
        self, targets: Sequence[Target], gateway: Gateway, purpose: Purpose
    ) -> Mapping[int, Outcome[ForgeFacts]]:
        """Request each repository by its number, otherwise by owner and name."""
        return await facts_of_each(targets, lambda target: self._facts(target, gateway, purpose))

    async def _facts(self, target: Target, gateway: Gateway, purpose: Purpose) -> Outcome[ForgeFacts]:
        known = target.repository_id or ""
        return await by_id_or_path(
            gateway,
            purpose,
            lambda answer: read_facts(answer, self.host.host, target),
            by_id=requests.repository_by_id(self.host, known) if known.isdecimal() else None,
            by_path=requests.repository_by_path(self.host, target.repo) if target.repo else None,
        )

    async def accounts(
        self, target: Target, gateway: Gateway, purpose: Purpose, *, since: str | None = None
    ) -> Outcome[Mapping[str, str]]:
        """Request the newest commits that lead to the head, in which each author's account stands."""
        if target.repo is None:
            return Fetched({})
        request = requests.newest_commits(self.host, target.repo, target.head_oid, since)
        return await gateway.send(
            request, purpose, lambda answer: read_accounts(answer, self.host.host), continuation=True
        )
