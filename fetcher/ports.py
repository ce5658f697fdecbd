"""Protocols of the refresh's dependencies. Adapters stay trivial, and fakes pass the same contract tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from fetcher.domain import views as overview
from fetcher.domain.bloom import BloomFilter
from fetcher.domain.catalogue_stats import CatalogueStats
from fetcher.domain.model import (
    CatalogueEntry,
    Claim,
    FailureRow,
    HistoryDay,
    Purpose,
    Record,
    SharedRepository,
    Source,
    StoredPackage,
    Target,
    Validators,
)
from fetcher.domain.outcome import NonValue
from fetcher.http.messages import Answer, Request


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class Transport(Protocol):
    async def send(self, request: Request) -> Answer:
        """Send once and read at most ``max_bytes``. Connection faults may be retried, and are counted."""
        ...

    async def stream(self, request: Request, feed: Callable[[bytes], None]) -> Answer:
        """Send like ``send``, with a 200's body passed to ``feed`` in pieces and an empty ``body`` in the response."""
        ...


class Observer(Protocol):
    """A receiver of events for metrics. It never raises and never waits."""

    def responded(self, request: Request, answer: Answer, outcome: NonValue | None) -> None:
        """Receive a sent request, its response, and the outcome read from it unless it has values."""
        ...

    def refreshed(self, purpose: Purpose, packages: int, records: Sequence[Record]) -> None:
        """Receive the records of a batch of ``packages``."""
        ...


class NullObserver:
    """An observer that does nothing."""

    def responded(self, request: Request, answer: Answer, outcome: NonValue | None) -> None:
        """Do nothing."""

    def refreshed(self, purpose: Purpose, packages: int, records: Sequence[Record]) -> None:
        """Do nothing."""


NULL_OBSERVER = NullObserver()


# --- the store --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imported:
    """Changes made by an import. ``rejected`` pairs an entry's index with the reason."""

    added: int
    updated: int
    unchanged: int
    rejected: tuple[tuple[int, str], ...]
    unsupported: tuple[tuple[str, str], ...]
    """Slug, and the reason why its repository or project will not be fetched."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State of one request made for the complete catalogue (the index's root)."""

    name: str
    observed_at: datetime | None = None
    due_at: datetime | None = None
    validators: Validators = Validators()
    outcome: str | None = None
    message: str | None = None


PLANNED = "plan"
"""The marker of the last dispatch, by which monitoring finds beat alive."""


class Store(Protocol):
    """The catalogue, the observed values and the leases. Every method is one transaction."""

    def import_entries(self, entries: Sequence[CatalogueEntry], now: datetime) -> Imported: ...

    def claim(
        self,
        sources: Sequence[Source],
        limit: int,
        now: datetime,
        lease_for: timedelta,
        ahead: timedelta = timedelta(0),
    ) -> Claim | None:
        """Lease up to ``limit`` packages with a due and unleased source of ``sources``, longest due first.

        If one is due, packages due within ``ahead`` are added to fill the batch, because a batch costs one request at
        any size. Those that cool down after a failure are not added.
        """
        ...

    def claim_packages(
        self, package_ids: Sequence[int], sources: Sequence[Source], now: datetime, lease_for: timedelta
    ) -> Claim | None:
        """Lease these packages' sources now, due or not. Another holder's lease is taken over."""
        ...

    def load(self, claim: Claim, *, details: bool = False) -> list[Target]:
        """Return the claim's packages that are still leased, with their state; ``details`` adds the stored lists."""
        ...

    def target(self, package_id: int) -> Target | None:
        """Return one package as a refresh of all its sources would load it, without a claim."""
        ...

    def record(self, records: Sequence[Record]) -> None:
        """Write a batch in one transaction. A record older than the stored one changes no value."""
        ...

    def release(self, claim: Claim) -> int:
        """Release the remaining leases with due times unchanged; returns the number of rows."""
        ...

    def expire_leases(self, now: datetime) -> int: ...

    def leased(self, sources: Sequence[Source], now: datetime) -> int:
        """Return the number of packages claimed and not yet recorded."""
        ...

    def package_ids(self, slugs: Sequence[str]) -> Mapping[str, int]:
        """Return the ids of the known slugs."""
        ...

    def slugs(self, package_ids: Sequence[int]) -> Mapping[int, str]:
        """Return the slugs of the known ids."""
        ...

    def recently_committed(self, before: datetime, limit: int) -> list[int]:
        """Return ids of followed packages whose newest commit is older than ``before``, newest first."""
        ...

    def due_ids(self, sources: Sequence[Source] | None, now: datetime | None) -> list[int]:
        """Return ids of all packages, or of those with one of ``sources`` due at ``now``."""
        ...

    def retire(self, package_ids: Sequence[int], now: datetime) -> int:
        """Retire packages for an editor: they are no longer fetched, and their values stay.

        Returns the number of packages that were not retired before.
        """
        ...

    def revive(self, package_ids: Sequence[int], now: datetime) -> int:
        """Fetch retired packages again from now on; returns the number that were retired."""
        ...

    def retired(self, package_ids: Sequence[int]) -> Collection[int]:
        """Return those of the packages that are retired."""
        ...

    def package(self, slug: str) -> StoredPackage | None: ...

    def history(self, slug: str) -> list[HistoryDay]: ...

    def failures(self) -> list[FailureRow]: ...

    def shared_repositories(self) -> list[SharedRepository]:
        """Return repositories shared by packages with different addresses, for editors. Each package is refreshed."""
        ...

    def catalogue_stats(self, now: datetime, interval: timedelta) -> CatalogueStats:
        """Return the catalogue's statistics, at the same cost for any size.

        A small catalogue is measured now. A large one is the sum of slices that ``measure`` counted one after the
        other. ``interval`` is the time between two refreshes of a package.
        """
        ...

    def measure(self, now: datetime, interval: timedelta) -> None:
        """Measure the next slices of a large catalogue; do nothing for a small one."""
        ...

    def checkpoint(self, name: str) -> Checkpoint: ...

    def save_checkpoint(self, checkpoint: Checkpoint) -> None: ...

    def confirm_serials(
        self, serials: Iterable[tuple[str, int]], observed_at: datetime, recheck_after: timedelta
    ) -> tuple[int, int]:
        """Compare the index's serials with the stored ones: equal ones count as answered, others become due now.

        Returns the number of projects confirmed and the number made due. Projects missing from the root stay unchanged,
        because absence is not deletion.
        """
        ...

    def confirm_all(self, observed_at: datetime, recheck_after: timedelta) -> int:
        """Confirm every answered project that does not fail, because the index's root has not changed.

        Returns their number. As with ``confirm_serials``, each is next requested at its slow re-check.
        """
        ...

    def make_due(self, source: Source, *, answered_before: datetime, now: datetime) -> int:
        """Make ``source`` due where its last response is older than ``answered_before`` and it does not fail."""
        ...

    def projects(self) -> BloomFilter:
        """Return the canonical names of all followed projects."""
        ...

    def prune(self, before: datetime) -> int:
        """Delete history of days before ``before``, except each package's newest row; returns the number of rows.

        Each call handles the next id range of packages, so its cost does not grow with their number.
        """
        ...

    # read models

    def listing(self, wanted: overview.Listing, stale_before: datetime) -> overview.Listed:
        """Return a page of the catalogue. Packages last fetched before ``stale_before`` are stale."""
        ...

    def packages(self, package_ids: Sequence[int]) -> list[StoredPackage]:
        """Return the values for documents, in the order of the ids, without releases and states."""
        ...

    def touched_at(self, package_ids: Sequence[int]) -> datetime | None:
        """Return the time at which one of these packages was last requested or the catalogue was last edited."""
        ...

    def events(self, package_id: int, limit: int) -> list[overview.Event]:
        """Return a package's latest events, newest first."""
        ...

    def event_counts(self, start: datetime, step: timedelta, steps: int) -> list[overview.EventCount]: ...

    def prune_events(self, before: datetime, keep: int) -> int:
        """Delete events older than ``before``, and all but the newest ``keep`` of a package.

        Each call handles the next id range of packages.
        """
        ...

    # manual refreshes

    def submit_requests(
        self, package_ids: Sequence[int], now: datetime, timeouts: overview.RequestTimeouts = overview.REQUEST_TIMEOUTS
    ) -> list[overview.SubmittedRefresh]:
        """Return a request for each package: a new one, or the one that is open or was just done.

        The caller enqueues it.
        """
        ...

    def start_requests(self, request_ids: Sequence[str], now: datetime) -> list[overview.RefreshRequest]:
        """Mark queued requests as running and return them."""
        ...

    def finish_requests(self, endings: Sequence[overview.Ending], now: datetime) -> None: ...

    def request(self, request_id: str) -> overview.RefreshRequest | None: ...

    def latest_request(self, package_id: int) -> overview.RefreshRequest | None: ...

    def open_requests(self, limit: int) -> list[overview.RefreshRequest]: ...

    def lost_requests(self, now: datetime, timeouts: overview.RequestTimeouts = overview.REQUEST_TIMEOUTS) -> list[str]:
        """Fail requests that waited or ran for too long; returns the ids of requests to send again."""
        ...

    def prune_requests(self, before: datetime) -> int:
        """Delete requests finished before ``before``."""
        ...
