"""The refresh of repositories whose commits are read over git, and whose forge's API states the rest.

Facts come first, for the full claim where the forge has batches. They state the head, or git does. Only if the head has
moved are commits read. Everything of one repository is then recorded together.

Without batches, all requests for one repository follow each other, a few repositories at a time. If the facts of a full
claim came first, they alone could use up a host's window, claim after claim, and no repository would be finished.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fetcher.domain.model import DETAIL_SOURCES, GivenBack, Observed, Purpose, Record, Source, Target
from fetcher.domain.outcome import BlockCause, Blocked, Deferred, Failure, Fetched, Gone, NotModified, Outcome
from fetcher.domain.records import HELD_BACK, FetchedValues, at_recheck, deferred, record_of, replaced
from fetcher.upstreams.base import Tools, UpstreamRefresh
from fetcher.upstreams.git_details import Details, GitDetails
from fetcher.upstreams.git_reader import GitReader, Tip
from fetcher.upstreams.heads import is_current, is_list_refused, repository_records
from fetcher.upstreams.hosted.base import FactsReader, ForgeFacts
from fetcher.upstreams.hosted.decisions import (
    details_to_read,
    has_details,
    head_of,
    is_stranded,
    is_unmoved,
    statistics,
    with_known_head,
)


@dataclass(slots=True)
class HostedRefresh(UpstreamRefresh):
    """A refresh of claimed repositories of one host."""

    tools: Tools
    facts: FactsReader
    reader: GitReader
    details: GitDetails
    clone_suffix: str
    """Text behind a repository's path in its clone address, unless it is there already."""
    concurrency: asyncio.Semaphore

    async def refresh(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Return records of the claimed sources of ``targets``, and of those that depend on a moved head."""
        ready = [target for target in targets if target.repo is not None]
        claimed = [target for target in ready if Source.REPOSITORY in target.claimed]
        requested_at = self.tools.clock.now()
        facts = await self._facts(claimed, purpose) if self.facts.batched else None
        lists = await asyncio.gather(*(self._one(target, facts, purpose, requested_at) for target in ready))
        return [record for records in lists for record in records]

    async def _facts(self, targets: Sequence[Target], purpose: Purpose) -> Mapping[int, Outcome[ForgeFacts]]:
        return await self.facts.facts(targets, self.tools.gateway, purpose) if targets else {}

    async def _one(
        self,
        target: Target,
        facts: Mapping[int, Outcome[ForgeFacts]] | None,
        purpose: Purpose,
        requested_at: datetime,
    ) -> list[Record]:
        async with self.concurrency:
            if Source.REPOSITORY not in target.claimed:
                return await self._details_alone(target, purpose)
            if facts is None:
                requested_at, facts = self.tools.clock.now(), await self._facts([target], purpose)
            found = facts.get(target.package_id)
            return [] if found is None else await self._repository(target, found, purpose, requested_at)

    async def _repository(
        self, target: Target, found: Outcome[ForgeFacts], purpose: Purpose, requested_at: datetime
    ) -> list[Record]:
        """Return the records of a repository and, if its head has moved, of its details."""
        cadence = self.tools.cadence
        if isinstance(found, Fetched):
            facts = found.value
            found = replaced(target, facts.repository_id, full_name=facts.full_name) or found
        if not isinstance(found, Fetched):
            return repository_records(target, found, requested_at, cadence, derives_people=False)
        path = self._clone_path(found.value.full_name)
        tip = await self._tip(target, found.value, path, purpose)
        if isinstance(tip, Gone | Blocked):
            return self._without_head(target, found, tip, requested_at)
        if not isinstance(tip, Fetched):
            return repository_records(target, tip, requested_at, cadence, derives_people=False)
        head = tip.value
        if head.path is not None:
            path = self._clone_path(head.path)
        repo = None if target.repo is None else replace(target.repo, path=head.path or found.value.full_name)
        repository_id = found.value.repository_id or target.repository_id
        at_head = replace(target, head_oid=head.oid, repo=repo, repository_id=repository_id)
        details = await self._read_details(at_head, path, purpose)
        committed_at = await self._committed_at(target, found.value, head.oid, details, path, purpose)
        if not isinstance(committed_at, Fetched):
            return repository_records(target, committed_at, requested_at, cadence, derives_people=False)
        stats = statistics(found.value, head, committed_at.value)
        answer = Fetched(stats, found.validators)
        records = repository_records(target, answer, requested_at, cadence, derives_people=False)
        records += self._recovered(at_head, requested_at)
        return self._with_details(at_head, records, details, requested_at)

    async def _tip(self, target: Target, facts: ForgeFacts, path: str, purpose: Purpose) -> Outcome[Tip]:
        """Return the tip of the default branch, over git unless the facts or the stored values show it."""
        stated = head_of(facts)
        if stated is None and is_unmoved(target, facts, self.tools.clock.now()):
            stated = Tip(target.head_oid, target.default_branch, empty=False)
        if stated is not None:
            return Fetched(stated)
        return await self.reader.tip(path, purpose, target.head_oid, continuation=facts.is_known)

    def _without_head(
        self, target: Target, found: Fetched[ForgeFacts], failure: Failure, requested_at: datetime
    ) -> list[Record]:
        """Return the facts with the known head, and the failure of git for the sources that belong to a head.

        These sources follow the repository's next response. A host without an API has no facts: its repository fails.
        """
        cadence = self.tools.cadence
        if not found.value.is_known:
            return repository_records(target, failure, requested_at, cadence, derives_people=False)
        known = Fetched(with_known_head(found.value, target), found.validators)
        own = record_of(
            target, Source.REPOSITORY, known, requested_at, cadence, FetchedValues(known.value, None, known.validators)
        )
        failed = (record_of(target, source, failure, requested_at, cadence) for source in DETAIL_SOURCES)
        return [own, *(replace(record, due_at=None, due_reason=None) for record in failed)]

    async def _details_alone(self, target: Target, purpose: Purpose) -> list[Record]:
        """Return the records of claimed details of the stored head. Without one they wait for their repository."""
        now = self.tools.clock.now()
        if target.repo is None or target.head_oid is None:
            claimed = (source for source in DETAIL_SOURCES if source in target.claimed)
            return [GivenBack(target.package_id, source, target.lease, now + HELD_BACK) for source in claimed]
        details = await self._read_details(target, self._clone_path(target.repo.path), purpose)
        return [] if details is None else self._detail_records(target, details, now)

    async def _read_details(self, at_head: Target, path: str, purpose: Purpose) -> Details | None:
        """Read the details that are due at the target's head; ``None`` if nothing is, or they cannot be added to."""
        wanted, head = details_to_read(at_head, self.tools.clock.now()), at_head.head_oid
        if not wanted or head is None or not has_details(at_head):
            return None
        if Source.CONTRIBUTORS not in wanted and is_list_refused(at_head.state(Source.CONTRIBUTORS)):
            return await self.details.weeks(at_head, path, head, purpose)

        async def accounts(since: str | None) -> Outcome[Mapping[str, str]]:
            return await self.facts.accounts(at_head, self.tools.gateway, purpose, since=since)

        return await self.details.read(at_head, path, head, accounts, purpose)

    async def _committed_at(
        self,
        target: Target,
        facts: ForgeFacts,
        oid: str | None,
        details: Details | None,
        path: str,
        purpose: Purpose,
    ) -> Outcome[datetime | None]:
        """Return the head's committer date, which is requested only if no other response has it."""
        if oid is None:
            return Fetched(None)
        if facts.head_oid == oid and facts.head_committed_at is not None:
            return Fetched(facts.head_committed_at)
        if details is not None and details.committed_at is not None:
            return Fetched(details.committed_at)
        if oid == target.head_oid and target.head_committed_at is not None:
            return Fetched(target.head_committed_at)
        return await self.details.committed_at(path, oid, purpose)

    def _recovered(self, at_head: Target, requested_at: datetime) -> list[Record]:
        """Return the records of details that failed with an earlier head, and belong to this one after all."""
        found = [
            source
            for source in DETAIL_SOURCES
            if is_stranded(at_head, source) and is_current(at_head.state(source), at_head.head_oid)
        ]
        return [
            at_recheck(
                record_of(at_head, source, NotModified(), requested_at, self.tools.cadence), at_head, self.tools.cadence
            )
            for source in found
        ]

    def _with_details(
        self, target: Target, records: Sequence[Record], details: Details | None, requested_at: datetime
    ) -> list[Record]:
        """Return ``records`` with those of the details in place of the sources that the head made due."""
        if details is None:
            return list(records)
        own = self._detail_records(target, details, requested_at)
        sources = {record.source for record in own}
        kept = [record for record in records if record.source not in sources]
        return [*kept, *own]

    def _detail_records(self, target: Target, details: Details, requested_at: datetime) -> list[Record]:
        """Return the records of the details that were read, claimed or not."""
        wanted = details_to_read(target, requested_at)
        found: list[Record] = []
        for source in DETAIL_SOURCES:
            record = self._detail(target, source, details, requested_at)
            brought = isinstance(record, Observed) and record.values is not None
            if record is not None and (source in wanted or brought):
                found.append(record)
        return found

    def _detail(self, target: Target, source: Source, details: Details, requested_at: datetime) -> Record | None:
        outcome = details.days if source is Source.COMMITS else details.people
        if isinstance(outcome, Deferred):
            return deferred(target, source, outcome.until, requested_at) if source in target.claimed else None
        fetched = FetchedValues()
        if isinstance(outcome, Fetched):
            fetched = FetchedValues(outcome.value, target.head_oid, full=details.full)
        elif isinstance(outcome, Blocked) and outcome.cause is BlockCause.TOO_LARGE:
            # The people of a full history are kept, as those of their own head.
            of_a_year = target.contributors is None or is_list_refused(target.state(source))
            people, revision = (details.recent_people, target.head_oid) if of_a_year else (None, None)
            fetched = FetchedValues(people, revision, full=True)
        record = record_of(target, source, outcome, requested_at, self.tools.cadence, fetched)
        return at_recheck(record, target, self.tools.cadence) if record.answered else record

    def _clone_path(self, path: str) -> str:
        return path if path.endswith(self.clone_suffix) else path + self.clone_suffix
