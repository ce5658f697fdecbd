"""The refresh service: it requests claimed sources, reads the responses and records each batch in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from fetcher.domain.errors import RefusedValue
from fetcher.domain.model import (
    DETAIL_SOURCES,
    REPOSITORY_SOURCES,
    Claim,
    Purpose,
    Record,
    Source,
    Target,
)
from fetcher.domain.records import given_back, refused
from fetcher.ports import NULL_OBSERVER, Checkpoints, Clock, Observer
from fetcher.refresh.report import Report, tell
from fetcher.upstreams.github.details import DetailsRefresh
from fetcher.upstreams.github.merges import MERGES, counts_merges
from fetcher.upstreams.github.statistics import StatisticsRefresh
from fetcher.upstreams.pypi.projects import ProjectsRefresh

log = structlog.get_logger(__name__)


class Claims(Protocol):
    """Claims, their targets and their records: ``fetcher.store.claims.Claims``."""

    def claim_packages(
        self, package_ids: Sequence[int], sources: Sequence[Source], now: datetime, lease_for: timedelta
    ) -> Claim | None: ...

    def load(self, claim: Claim, *, details: bool = False) -> list[Target]: ...

    def record(self, records: Sequence[Record]) -> None: ...


@dataclass(slots=True)
class RefreshService:
    """A refresh of claimed packages. All dependencies are arguments; it reads no clock and no environment itself."""

    claims: Claims
    checkpoints: Checkpoints
    clock: Clock
    statistics: StatisticsRefresh
    details: DetailsRefresh
    projects: ProjectsRefresh
    lease: timedelta = field(default=timedelta(minutes=15))
    observer: Observer = NULL_OBSERVER

    async def refresh(self, claim: Claim, purpose: Purpose) -> Report:
        """Request all sources of ``claim`` and record them. Safe to run twice, because recorded sources are no longer
        leased.
        """
        started = self.clock.now()
        targets = self.claims.load(claim, details=any(source in DETAIL_SOURCES for source in claim.sources))
        records = await self._records(targets, purpose)
        records = self._record(targets, records)
        report = Report(tuple(records), lost=len(claim.package_ids) - len(targets))
        tell(claim, purpose, targets, report, self.clock.now() - started)
        self.observer.refreshed(purpose, len(targets), records)
        return report

    async def refresh_packages(self, package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose) -> Report:
        """Claim these packages now and refresh them, including the sources that depend on a moved head."""
        reports = [await self._claimed(package_ids, [s for s in sources if s not in DETAIL_SOURCES], purpose)]
        details = [source for source in sources if source in DETAIL_SOURCES]
        if details:
            reports.append(await self._claimed(_wanting(package_ids, reports[0]), details, purpose))
        return Report(tuple(r for report in reports for r in report.records), sum(r.lost for r in reports))

    async def _claimed(self, package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose) -> Report:
        if not package_ids or not sources:
            return Report()
        claim = self.claims.claim_packages(package_ids, sources, self.clock.now(), self.lease)
        return await self.refresh(claim, purpose) if claim is not None else Report()

    async def _records(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Return records, at least one for each claimed source."""
        repositories = [t for t in targets if Source.GITHUB in t.claimed and t.repo is not None]
        details = [t for t in targets if t.claimed & set(DETAIL_SOURCES)]
        projects = [t for t in targets if Source.PYPI in t.claimed and t.project is not None]
        merges = not details or counts_merges(self.checkpoints.get(MERGES))
        lists = await asyncio.gather(
            self.statistics.refresh(repositories, purpose),
            self.details.refresh(details, purpose, merges=merges),
            self.projects.refresh(projects, purpose),
        )
        records = [record for found in lists for record in found]
        done = {(record.package_id, record.source) for record in records}
        records += [
            given_back(target, source)
            for target in targets
            for source in sorted(target.claimed)
            if (target.package_id, source) not in done
        ]
        return records

    def _record(self, targets: Sequence[Target], records: Sequence[Record]) -> list[Record]:
        """Record the batch and return the stored records. A value that the database refuses fails one package."""
        try:
            self.claims.record(records)
            return list(records)
        except RefusedValue as error:
            log.warning("batch refused", packages=len(targets), reason=str(error))
        recorded = []
        for target in targets:
            own = [record for record in records if record.package_id == target.package_id]
            try:
                self.claims.record(own)
            except RefusedValue as error:
                own = [refused(target, record, error.message, self.statistics.cadence) for record in own]
                self.claims.record(own)
            recorded += own
        return recorded


def _wanting(package_ids: Sequence[int], report: Report) -> list[int]:
    """Return the packages whose details to request: those that moved, and those whose repository was not requested."""
    asked = {r.package_id for r in report.records if r.source in REPOSITORY_SOURCES}
    moved = set(report.moved)
    return [package_id for package_id in package_ids if package_id in moved or package_id not in asked]
