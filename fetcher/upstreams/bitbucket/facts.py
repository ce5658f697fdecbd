"""The facts of Bitbucket: one request a repository, and on two days of a week one more for a total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fetcher.domain.model import Purpose, Target
from fetcher.domain.outcome import Fetched, Outcome
from fetcher.http.gateway import Gateway
from fetcher.ports import Clock
from fetcher.upstreams.bitbucket import requests
from fetcher.upstreams.bitbucket.readers import UUID, read_facts, read_total
from fetcher.upstreams.bitbucket.requests import Total
from fetcher.upstreams.bitbucket.totals import due_totals
from fetcher.upstreams.hosted.base import FactsReader, ForgeFacts, ForgeHost
from fetcher.upstreams.hosted.one_by_one import by_id_or_path, facts_of_each


@dataclass(frozen=True, slots=True)
class BitbucketFacts(FactsReader):
    """The reader of one host."""

    host: ForgeHost
    clock: Clock

    async def facts(
        self, targets: Sequence[Target], gateway: Gateway, purpose: Purpose
    ) -> Mapping[int, Outcome[ForgeFacts]]:
        """Request each repository by its UUID, otherwise by workspace and slug, and the totals that are due."""
        return await facts_of_each(targets, lambda target: self._facts(target, gateway, purpose))

    async def _facts(self, target: Target, gateway: Gateway, purpose: Purpose) -> Outcome[ForgeFacts]:
        due = due_totals(target, self.clock.now(), purpose)
        known = target.repository_id or ""
        outcome = await by_id_or_path(
            gateway,
            purpose,
            lambda answer: read_facts(answer, self.host.host),
            by_id=requests.repository_by_id(self.host, known) if UUID.fullmatch(known) else None,
            by_path=requests.repository_by_path(self.host, target.repo.path) if target.repo else None,
        )
        if not isinstance(outcome, Fetched):
            return outcome
        facts = replace(outcome.value, forks=target.forks, watchers=target.watchers)
        if known in ("", facts.repository_id):
            for total in due:
                facts = await self._with_total(facts, total, gateway, purpose)
        return Fetched(facts)

    async def _with_total(self, facts: ForgeFacts, total: Total, gateway: Gateway, purpose: Purpose) -> ForgeFacts:
        """Return ``facts`` with the total. A failure leaves the stored one, so that the description is not lost."""
        request = requests.total(self.host, facts.full_name, total)
        outcome = await gateway.send(
            request, purpose, lambda answer: read_total(answer, self.host.host), continuation=True
        )
        if not isinstance(outcome, Fetched):
            return facts
        return replace(facts, forks=outcome.value) if total is Total.FORKS else replace(facts, watchers=outcome.value)

    async def accounts(
        self, target: Target, gateway: Gateway, purpose: Purpose, *, since: str | None = None
    ) -> Outcome[Mapping[str, str]]:
        """Return no accounts: an author's account is part of the commits, for which there is no quota."""
        return Fetched({})
