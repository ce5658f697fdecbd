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
    daily,
    events,
    exporting,
    listing,
    reading,
    recording,
    requests,
    retiring,
    slices,
    targets,
)
from fetcher.store import serials as index_serials
from fetcher.store.entries import ReadProject, ReadRepo, Serving
from fetcher.store.importing import Importer
from fetcher.store.transactions import Transactions


class SqlStore:
    """``fetcher.ports.Store`` over SQLAlchemy. Threads may share one; each process makes its own, with its own engine.

    ``read_repo`` and ``read_project`` parse editors' addresses, and ``serving`` names a source's upstream.
    ``pause`` waits between the attempts of a transaction, in seconds. Statistics are measured ``slice_size`` at
    a time. Every database error is raised as ``StoreError``.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        read_repo: ReadRepo,
        read_project: ReadProject,
        serving: Serving,
        pause: Callable[[float], None] = time.sleep,
        slice_size: int = slices.SLICE,
    ) -> None:
        self._slice = slice_size
        self._transactions = Transactions(engine, pause)
        self._importer = Importer(self._transactions, read_repo, read_project, serving)
        self._serving = serving

    def import_entries(self, entries: Sequence[CatalogueEntry], now: datetime) -> Imported:
        """Store editors' entries, at most a thousand a transaction."""
        return self._importer.run(entries, now)

    def claim(
        self,
        upstream: str,
        sources: Sequence[Source],
        limit: int,
        now: datetime,
        lease_for: timedelta,
        ahead: timedelta = timedelta(0),
    ) -> Claim | None:
        return self._transactions.write(lambda on: claims.claim(on, upstream, sources, limit, now, lease_for, ahead))

    def claim_packages(
        self,
        package_ids: Sequence[int],
        sources: Sequence[Source],
        now: datetime,
        lease_for: timedelta,
        upstream: str | None = None,
    ) -> Claim | None:
        return self._transactions.write(
            lambda on: claims.claim_packages(on, package_ids, sources, now, lease_for, upstream)
        )

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

    def leased(self, upstream: str, sources: Sequence[Source], now: datetime) -> int:
        return self._transactions.read(lambda on: claims.leased(on, upstream, sources, now))

    def package_ids(self, slugs: Sequence[str]) -> Mapping[str, int]:
        return self._transactions.read(lambda on: reading.package_ids(on, slugs))

    def slugs(self, package_ids: Sequence[int]) -> Mapping[int, str]:
        return self._transactions.read(lambda on: reading.slugs(on, package_ids))

    def recently_committed(self, before: datetime, limit: int) -> list[int]:
        return self._transactions.read(lambda on: reading.recently_committed(on, before, limit))

    def due_ids(self, sources: Sequence[Source] | None, now: datetime | None, upstream: str | None = None) -> list[int]:
        return self._transactions.read(lambda on: claims.due_ids(on, sources, now, upstream))

    def retire(self, package_ids: Sequence[int], now: datetime) -> int:
        return self._transactions.write(lambda on: retiring.retire(on, package_ids, now))

    def revive(self, package_ids: Sequence[int], now: datetime) -> int:
        return self._transactions.write(lambda on: retiring.revive(on, package_ids, self._serving, now))

    def retired(self, package_ids: Sequence[int]) -> Collection[int]:
        return self._transactions.read(lambda on: retiring.retired(on, package_ids))

    def package(self, slug: str) -> StoredPackage | None:
        return self._transactions.read(lambda on: reading.package(on, slug))

    def history(self, slug: str) -> list[HistoryDay]:
        return self._transactions.read(lambda on: daily.read(on, slug))

    def failures(self) -> list[FailureRow]:
        return self._transactions.read(reading.failures)

    def shared_repositories(self) -> list[SharedRepository]:
        return self._transactions.read(reading.shared_repositories)

    def catalogue_stats(self, now: datetime, interval: timedelta) -> CatalogueStats:
        return slices.read(self._transactions, now, interval, self._slice)

    def measure(self, now: datetime, interval: timedelta) -> None:
        slices.tick(self._transactions, now, interval, self._slice)

    def checkpoint(self, name: str) -> Checkpoint:
        return self._transactions.read(lambda on: reading.checkpoint(on, name))

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        self._transactions.write(lambda on: reading.save_checkpoint(on, checkpoint))

    def confirm_serials(
        self, serials: Iterable[tuple[str, int]], observed_at: datetime, recheck_after: timedelta
    ) -> tuple[int, int]:
        return index_serials.confirm(self._transactions, serials, observed_at, recheck_after)

    def confirm_all(self, observed_at: datetime, recheck_after: timedelta) -> int:
        return index_serials.confirm_all(self._transactions, observed_at, recheck_after)

    def make_due(self, upstream: str, source: Source, *, answered_before: datetime, now: datetime) -> int:
        return self._transactions.write(lambda on: index_serials.make_due(on, upstream, source, answered_before, now))

    def projects(self) -> BloomFilter:
        return self._transactions.read(index_serials.projects)

    def prune(self, before: datetime) -> int:
        return self._transactions.write(lambda on: daily.prune(on, before))

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
        return self._transactions.write(lambda on: requests.submit(on, package_ids, now, timeouts))

    def start_requests(self, request_ids: Sequence[str], now: datetime) -> list[RefreshRequest]:
        return self._transactions.write(lambda on: requests.start(on, request_ids, now))

    def finish_requests(self, endings: Sequence[Ending], now: datetime) -> None:
        self._transactions.write(lambda on: requests.finish(on, endings, now))

    def request(self, request_id: str) -> RefreshRequest | None:
        return self._transactions.read(lambda on: requests.one(on, request_id))

    def latest_request(self, package_id: int) -> RefreshRequest | None:
        return self._transactions.read(lambda on: requests.latest(on, package_id))

    def open_requests(self, limit: int) -> list[RefreshRequest]:
        return self._transactions.read(lambda on: requests.waiting(on, limit))

    def lost_requests(self, now: datetime, timeouts: RequestTimeouts = REQUEST_TIMEOUTS) -> list[str]:
        return self._transactions.write(lambda on: requests.lost(on, now, timeouts))

    def prune_requests(self, before: datetime) -> int:
        return self._transactions.write(lambda on: requests.prune(on, before))
