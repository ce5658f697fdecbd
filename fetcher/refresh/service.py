"""The refresh service: it requests claimed sources, reads the responses and records each batch in one transaction."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from fetcher.domain.errors import RefusedValue
from fetcher.domain.lag import lags
from fetcher.domain.model import (
    DETAIL_SOURCES,
    REPOSITORY_SOURCES,
    Claim,
    MadeDue,
    Purpose,
    Record,
    Source,
    Target,
)
from fetcher.domain.records import given_back, held_back, placed, refused
from fetcher.domain.scheduling import Cadence
from fetcher.ports import NULL_OBSERVER, Clock, Observer
from fetcher.refresh.report import Report, log_report
from fetcher.upstreams.base import UpstreamRefresh

log = structlog.get_logger(__name__)


class Claims(Protocol):
    """Claims, their targets and their records: ``fetcher.store.claims.Claims``."""

    def claim_packages(
        self,
        package_ids: Sequence[int],
        sources: Sequence[Source],
        now: datetime,
        lease_for: timedelta,
        upstream: str | None = None,
    ) -> Claim | None: ...

    def load(self, claim: Claim, *, details: bool = False) -> list[Target]: ...

    def record(self, records: Sequence[Record], now: datetime) -> None: ...


@dataclass(slots=True)
class RefreshService:
    """A refresh of claimed packages. All dependencies are arguments; it reads no clock and no environment itself."""

    claims: Claims
    clock: Clock
    upstreams: Mapping[str, UpstreamRefresh]
    """By name."""
    cadence: Cadence
    """The intervals in force, which may change between two batches."""
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
        log_report(claim, purpose, targets, report, self.clock.now() - started)
        self.observer.refreshed(purpose, len(targets), records)
        self.observer.changed(lags(targets, records, self.clock.now()))
        return report

    def give_back(self, claim: Claim) -> None:
        """Release the leases of ``claim`` without a request. The sources stay due as they were."""
        targets = self.claims.load(claim)
        given = [given_back(target, source) for target in targets for source in sorted(target.claimed)]
        self.claims.record(given, self.clock.now())

    async def refresh_packages(
        self, package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose, upstream: str | None = None
    ) -> Report:
        """Claim these packages now and refresh them, including the sources that depend on a moved head.

        ``upstream`` limits the sources to those that it serves.
        """
        first = [source for source in sources if source not in DETAIL_SOURCES]
        reports = [await self._claimed(package_ids, first, purpose, upstream)]
        details = [source for source in sources if source in DETAIL_SOURCES]
        if details:
            reports.append(await self._claimed(_wanting(package_ids, reports[0]), details, purpose, upstream))
        return Report(tuple(r for report in reports for r in report.records), sum(r.lost for r in reports))

    async def _claimed(
        self, package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose, upstream: str | None
    ) -> Report:
        if not package_ids or not sources:
            return Report()
        claim = self.claims.claim_packages(package_ids, sources, self.clock.now(), self.lease, upstream)
        return await self.refresh(claim, purpose) if claim is not None else Report()

    async def _records(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Return records, at least one for each claimed source."""
        held = [record for target in targets for record in held_back(target, self.clock.now())]
        without = {(record.package_id, record.source) for record in held}
        by_upstream = _by_upstream(
            [
                replace(target, claimed=frozenset(s for s in target.claimed if (target.package_id, s) not in without))
                for target in targets
            ]
        )
        lists = await asyncio.gather(
            *(self.upstreams[name].refresh(own, purpose) for name, own in by_upstream.items() if name in self.upstreams)
        )
        records: list[Record] = [*held, *(record for found in lists for record in found)]
        done = {(record.package_id, record.source) for record in records if not isinstance(record, MadeDue)}
        records += [
            given_back(target, source)
            for target in targets
            for source in sorted(target.claimed)
            if (target.package_id, source) not in done
        ]
        of_package = {target.package_id: target for target in targets}
        return [placed(of_package[record.package_id], record, self.cadence) for record in records]

    def _record(self, targets: Sequence[Target], records: Sequence[Record]) -> list[Record]:
        """Record the batch and return the stored records. A value that the database refuses fails one package."""
        try:
            self.claims.record(records, self.clock.now())
            return list(records)
        except RefusedValue as error:
            log.warning("batch refused", packages=len(targets), reason=str(error))
        recorded = []
        for target in targets:
            own = [record for record in records if record.package_id == target.package_id]
            try:
                self.claims.record(own, self.clock.now())
            except RefusedValue as error:
                own = [refused(target, record, error.message, self.cadence) for record in own]
                self.claims.record(own, self.clock.now())
            recorded += own
        return recorded


def _by_upstream(targets: Sequence[Target]) -> dict[str, list[Target]]:
    """Return the targets of each upstream, claimed for its own sources only."""
    found: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        claimed: dict[str, set[Source]] = defaultdict(set)
        for source in target.claimed:
            claimed[target.state(source).upstream or ""].add(source)
        for name, sources in claimed.items():
            found[name].append(replace(target, claimed=frozenset(sources)))
    return found


def _wanting(package_ids: Sequence[int], report: Report) -> list[int]:
    """Return the packages whose details to request: those that moved, and those whose repository was not requested."""
    asked = {r.package_id for r in report.records if r.source in REPOSITORY_SOURCES}
    moved = set(report.moved)
    return [package_id for package_id in package_ids if package_id in moved or package_id not in asked]
