"""The store on a SQL database: each method of ``fetcher.ports.Store`` calls one of the modules of this package."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine

from fetcher.domain.bloom import BloomFilter
from fetcher.domain.catalogue_stats import CatalogueStats
from fetcher.domain.model import (
    CatalogueEntry,
    Claim,
    FailureRow,
    HistoryDay,
    Record,
    SharedRepository,
    Source,
    StoredPackage,
    Target,
)
from fetcher.domain.views import (
    REQUEST_TIMEOUTS,
    Ending,
    Event,
    EventCount,
    Listed,
    Listing,
    RefreshRequest,
    RequestTimeouts,
    SubmittedRefresh,
)
from fetcher.ports import Checkpoint, Imported
from fetcher.store import (
    claims,
    events,
    exporting,
    history,
    index_serials,
    listing,
    packages,
    recording,
    refresh_requests,
    retirement,
    targets,
)
from fetcher.store.importing.entries import ReadProject, ReadRepo
from fetcher.store.importing.importer import Importer
from fetcher.store.statistics import partitions
from fetcher.store.transactions import Transactions


class SqlStore:
    """``fetcher.ports.Store`` over SQLAlchemy. Threads may share one; each process makes its own, with its own engine.

    ``read_repo`` and ``read_project`` parse editors' addresses. ``pause`` waits between the attempts of a
    transaction, in seconds. Statistics are measured ``slice_size`` packages at a time. Every database error is raised
    as ``StoreError``.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        read_repo: ReadRepo,
        read_project: ReadProject,
        pause: Callable[[float], None] = time.sleep,
        slice_size: int = partitions.SLICE,
    ) -> None:
        self._slice = slice_size
        self._transactions = Transactions(engine, pause)
        self._importer = Importer(self._transactions, read_repo, read_project)

    def import_entries(self, entries: Sequence[CatalogueEntry], now: datetime) -> Imported:
        """Store editors' entries, at most a thousand a transaction."""
        return self._importer.run(entries, now)

    def claim(
        self,
        sources: Sequence[Source],
        limit: int,
        now: datetime,
        lease_for: timedelta,
        ahead: timedelta = timedelta(0),
    ) -> Claim | None:
        return self._transactions.write(lambda on: claims.claim(on, sources, limit, now, lease_for, ahead))

    def claim_packages(
        self, package_ids: Sequence[int], sources: Sequence[Source], now: datetime, lease_for: timedelta
    ) -> Claim | None:
        return self._transactions.write(lambda on: claims.claim_packages(on, package_ids, sources, now, lease_for))

    def load(self, claim: Claim, *, details: bool = False) -> list[Target]:
        return self._transactions.read(lambda on: targets.load(on, claim, details=details))

    def target(self, package_id: int) -> Target | None:
        return self._transactions.read(lambda on: targets.one(on, package_id))

    def record(self, records: Sequence[Record]) -> None:
        if records:
            self._transactions.write(lambda on: recording.record(on, records))

    def release(self, claim: Claim) -> int:
        return self._transactions.write(lambda on: claims.release(on, claim))

    def expire_leases(self, now: datetime) -> int:
        return self._transactions.write(lambda on: claims.expire_leases(on, now))

    def leased(self, sources: Sequence[Source], now: datetime) -> int:
        return self._transactions.read(lambda on: claims.leased(on, sources, now))

    def package_ids(self, slugs: Sequence[str]) -> Mapping[str, int]:
        return self._transactions.read(lambda on: packages.package_ids(on, slugs))

    def slugs(self, package_ids: Sequence[int]) -> Mapping[int, str]:
        return self._transactions.read(lambda on: packages.slugs(on, package_ids))

    def recently_committed(self, before: datetime, limit: int) -> list[int]:
        return self._transactions.read(lambda on: packages.recently_committed(on, before, limit))

    def due_ids(self, sources: Sequence[Source] | None, now: datetime | None) -> list[int]:
        return self._transactions.read(lambda on: claims.due_ids(on, sources, now))

    def retire(self, package_ids: Sequence[int], now: datetime) -> int:
        return self._transactions.write(lambda on: retirement.retire(on, package_ids, now))

    def revive(self, package_ids: Sequence[int], now: datetime) -> int:
        return self._transactions.write(lambda on: retirement.revive(on, package_ids, now))

    def retired(self, package_ids: Sequence[int]) -> Collection[int]:
        return self._transactions.read(lambda on: retirement.retired(on, package_ids))

    def package(self, slug: str) -> StoredPackage | None:
        return self._transactions.read(lambda on: packages.package(on, slug))

    def history(self, slug: str) -> list[HistoryDay]:
        return self._transactions.read(lambda on: history.read(on, slug))

    def failures(self) -> list[FailureRow]:
        return self._transactions.read(packages.failures)

    def shared_repositories(self) -> list[SharedRepository]:
        return self._transactions.read(packages.shared_repositories)

    def catalogue_stats(self, now: datetime, interval: timedelta) -> CatalogueStats:
        return partitions.read(self._transactions, now, interval, self._slice)

    def measure(self, now: datetime, interval: timedelta) -> None:
        partitions.tick(self._transactions, now, interval, self._slice)

    def checkpoint(self, name: str) -> Checkpoint:
        return self._transactions.read(lambda on: packages.checkpoint(on, name))

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        self._transactions.write(lambda on: packages.save_checkpoint(on, checkpoint))

    def confirm_serials(
        self, serials: Iterable[tuple[str, int]], observed_at: datetime, recheck_after: timedelta
    ) -> tuple[int, int]:
        return index_serials.confirm(self._transactions, serials, observed_at, recheck_after)

    def confirm_all(self, observed_at: datetime, recheck_after: timedelta) -> int:
        return index_serials.confirm_all(self._transactions, observed_at, recheck_after)

    def make_due(self, source: Source, *, answered_before: datetime, now: datetime) -> int:
        return self._transactions.write(lambda on: index_serials.make_due(on, source, answered_before, now))

    def projects(self) -> BloomFilter:
        return self._transactions.read(index_serials.projects)

    def prune(self, before: datetime) -> int:
        return self._transactions.write(lambda on: history.prune(on, before))

    def listing(self, wanted: Listing, stale_before: datetime) -> Listed:
        return self._transactions.read(lambda on: listing.listing(on, wanted, stale_before))

    def packages(self, package_ids: Sequence[int]) -> list[StoredPackage]:
        return self._transactions.read(lambda on: listing.packages_of(on, package_ids))

    def size(self) -> int:
        return self._transactions.read(exporting.size)

    def packages_after(self, package_id: int, limit: int) -> list[StoredPackage]:
        return self._transactions.read(lambda on: exporting.after(on, package_id, limit))

    def touched_at(self, package_ids: Sequence[int]) -> datetime | None:
        return self._transactions.read(lambda on: listing.touched_at(on, package_ids))

    def events(self, package_id: int, limit: int) -> list[Event]:
        return self._transactions.read(lambda on: events.of_package(on, package_id, limit))

    def event_counts(self, start: datetime, step: timedelta, steps: int) -> list[EventCount]:
        return self._transactions.read(lambda on: events.counts(on, start, step, steps))

    def prune_events(self, before: datetime, keep: int) -> int:
        return self._transactions.write(lambda on: events.prune(on, before, keep))

    def submit_requests(
        self, package_ids: Sequence[int], now: datetime, timeouts: RequestTimeouts = REQUEST_TIMEOUTS
    ) -> list[SubmittedRefresh]:
        return self._transactions.write(lambda on: refresh_requests.submit(on, package_ids, now, timeouts))

    def start_requests(self, request_ids: Sequence[str], now: datetime) -> list[RefreshRequest]:
        return self._transactions.write(lambda on: refresh_requests.start(on, request_ids, now))

    def finish_requests(self, endings: Sequence[Ending], now: datetime) -> None:
        self._transactions.write(lambda on: refresh_requests.finish(on, endings, now))

    def request(self, request_id: str) -> RefreshRequest | None:
        return self._transactions.read(lambda on: refresh_requests.one(on, request_id))

    def latest_request(self, package_id: int) -> RefreshRequest | None:
        return self._transactions.read(lambda on: refresh_requests.latest(on, package_id))

    def open_requests(self, limit: int) -> list[RefreshRequest]:
        return self._transactions.read(lambda on: refresh_requests.waiting(on, limit))

    def lost_requests(self, now: datetime, timeouts: RequestTimeouts = REQUEST_TIMEOUTS) -> list[str]:
        return self._transactions.write(lambda on: refresh_requests.lost(on, now, timeouts))

    def prune_requests(self, before: datetime) -> int:
        return self._transactions.write(lambda on: refresh_requests.prune(on, before))
