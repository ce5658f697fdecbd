"""What the conductor needs of the world, as protocols; adapters stay trivial, fakes pass the same contract tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from fetcher.domain import views as overview
from fetcher.domain.bloom import Names
from fetcher.domain.catalogue_stats import Figures
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
from fetcher.http.messages import Answer, Request


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class Transport(Protocol):
    async def send(self, request: Request) -> Answer:
        """Send once (short connection faults may be repeated, and are counted) and read at most ``max_bytes``."""
        ...

    async def stream(self, request: Request, feed: Callable[[bytes], None]) -> Answer:
        """As ``send``, but a 200's body goes to ``feed`` piece by piece and the response's ``body`` is empty."""
        ...


class Observer(Protocol):
    """Receives what has happened, for metrics. It never raises and never waits."""

    def responded(self, request: Request, answer: Answer, outcome: object) -> None:
        """Receive a request that was sent, its response and the outcome that was read from it."""
        ...

    def refreshed(self, purpose: Purpose, packages: int, records: Sequence[Record]) -> None:
        """Receive the records of a batch of ``packages``."""
        ...


class NullObserver:
    """An observer that does nothing."""

    def responded(self, request: Request, answer: Answer, outcome: object) -> None:
        """Do nothing."""

    def refreshed(self, purpose: Purpose, packages: int, records: Sequence[Record]) -> None:
        """Do nothing."""


NULL_OBSERVER = NullObserver()


# --- the store --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imported:
    """What importing entries changed. ``rejected`` pairs an entry's index with what was wrong with it."""

    added: int
    updated: int
    unchanged: int
    rejected: tuple[tuple[int, str], ...]
    unsupported: tuple[tuple[str, str], ...]
    """Slug and why its repository or project will not be fetched."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Where one question that is asked for the whole catalogue stands (the index's root)."""

    name: str
    observed_at: datetime | None = None
    due_at: datetime | None = None
    validators: Validators = Validators()
    outcome: str | None = None
    message: str | None = None


PLANNED = "plan"
"""The marker of the last plan: whoever looks for beat finds it alive by it."""


class Store(Protocol):
    """The catalogue, what was observed, and who may work on what. Every method is one transaction."""

    def import_entries(self, entries: Sequence[CatalogueEntry], now: datetime) -> Imported: ...

    def claim(
        self,
        sources: Sequence[Source],
        limit: int,
        now: datetime,
        lease_for: timedelta,
        ahead: timedelta = timedelta(0),
    ) -> Claim | None:
        """Lease up to ``limit`` packages of which one of ``sources`` is due and unleased, longest due first.

        Once one is due, those that will be within ``ahead`` come along to fill the batch, but for those that cool
        down after a failure: a batch costs one request however full it is.
        """
        ...

    def claim_packages(
        self, package_ids: Sequence[int], sources: Sequence[Source], now: datetime, lease_for: timedelta
    ) -> Claim | None:
        """Lease these packages' sources now, due or not; a lease that another holds is taken over."""
        ...

    def load(self, claim: Claim, *, details: bool = False) -> list[Target]:
        """The claim's packages of which a lease is still held, with their state; ``details`` adds the stored lists."""
        ...

    def target(self, package_id: int) -> Target | None:
        """One package as a refresh of all its sources would find it; nothing is claimed."""
        ...

    def record(self, records: Sequence[Record]) -> None:
        """Write a batch in one transaction; a record older than what is stored changes no value."""
        ...

    def release(self, claim: Claim) -> int:
        """Give back what is still leased, as due as it was; returns how many rows."""
        ...

    def expire_leases(self, now: datetime) -> int: ...

    def leased(self, sources: Sequence[Source], now: datetime) -> int:
        """How many packages are claimed and not yet recorded."""
        ...

    def package_ids(self, slugs: Sequence[str]) -> Mapping[str, int]:
        """The ids of those slugs that are known."""
        ...

    def slugs(self, package_ids: Sequence[int]) -> Mapping[int, str]:
        """The slugs of those ids that are known."""
        ...

    def recently_committed(self, before: datetime, limit: int) -> list[int]:
        """Return ids of followed packages whose newest commit is older than ``before``, newest first."""
        ...

    def due_ids(self, sources: Sequence[Source] | None, now: datetime | None) -> list[int]:
        """Ids of all packages, or of those of which one of ``sources`` is due at ``now``."""
        ...

    def retire(self, package_ids: Sequence[int], now: datetime) -> int:
        """An editor's word: fetch these no more. Their values stay. Returns how many were not retired before."""
        ...

    def revive(self, package_ids: Sequence[int], now: datetime) -> int:
        """Fetch these again, from now on; returns how many were retired."""
        ...

    def retired(self, package_ids: Sequence[int]) -> Collection[int]:
        """Those of the packages that are retired."""
        ...

    def package(self, slug: str) -> StoredPackage | None: ...

    def history(self, slug: str) -> list[HistoryDay]: ...

    def failures(self) -> list[FailureRow]: ...

    def shared_repositories(self) -> list[SharedRepository]:
        """Repositories that answer for packages of different addresses: to be told to editors, each is refreshed."""
        ...

    def figures(self, now: datetime, interval: timedelta) -> Figures:
        """How all of the catalogue stands, at the same cost however large it is.

        A small one is measured at this moment; of a large one it is the sum of slices that ``measure`` went over one
        after the other. ``interval``: between two refreshes of a package.
        """
        ...

    def measure(self, now: datetime, interval: timedelta) -> None:
        """Measure the next slices of a large catalogue; nothing for a small one."""
        ...

    def marker(self, name: str) -> Marker: ...

    def save_marker(self, marker: Marker) -> None: ...

    def confirm_serials(
        self, serials: Iterable[tuple[str, int]], observed_at: datetime, recheck_after: timedelta
    ) -> tuple[int, int]:
        """Hold the index's serials against the stored ones: equal is answered, another is due now.

        Returns how many projects were confirmed and how many became due. Projects that the root does not name are
        left as they are: absence is not deletion.
        """
        ...

    def confirm_all(self, observed_at: datetime, recheck_after: timedelta) -> int:
        """The index's root has not changed: every project that was answered and does not fail is answered anew.

        Returns how many. As with ``confirm_serials``, each is next asked for its slow re-check.
        """
        ...

    def make_due(self, source: Source, *, answered_before: datetime, now: datetime) -> int:
        """Make ``source`` due where its last answer is older than ``answered_before`` and nothing failed since."""
        ...

    def projects(self) -> Names:
        """The canonical names of all projects that are followed."""
        ...

    def prune(self, before: datetime) -> int:
        """Drop history of days before ``before``, but for each package's newest row; returns how many rows went.

        Each call takes the next stretch of the packages, so that none costs more the more there are.
        """
        ...

    # what people look at

    def listing(self, wanted: overview.Listing, stale_before: datetime) -> overview.Listed:
        """A stretch of the catalogue; packages last fetched before ``stale_before`` are stale."""
        ...

    def packages(self, package_ids: Sequence[int]) -> list[StoredPackage]:
        """What documents are printed from, in the order of the ids; without releases and states."""
        ...

    def touched_at(self, package_ids: Sequence[int]) -> datetime | None:
        """When one of these packages was last asked for or the catalogue was edited."""
        ...

    def events(self, package_id: int, limit: int) -> list[overview.Event]:
        """A package's latest turns, newest first."""
        ...

    def event_counts(self, start: datetime, step: timedelta, steps: int) -> list[overview.EventCount]: ...

    def prune_events(self, before: datetime, keep: int) -> int:
        """Drop turns older than ``before`` and all but each package's newest ``keep``, a stretch of packages a call."""
        ...

    # refreshes that people ask for

    def ask(
        self, package_ids: Sequence[int], now: datetime, patience: overview.Patience = overview.PATIENCE
    ) -> list[overview.Asked]:
        """A request for each package: its own, or the one that is open or was just done. The caller enqueues it."""
        ...

    def start_requests(self, request_ids: Sequence[str], now: datetime) -> list[overview.RefreshRequest]:
        """Those that nobody has started yet, now running."""
        ...

    def finish_requests(self, endings: Sequence[overview.Ending], now: datetime) -> None: ...

    def request(self, request_id: str) -> overview.RefreshRequest | None: ...

    def latest_request(self, package_id: int) -> overview.RefreshRequest | None: ...

    def open_requests(self, limit: int) -> list[overview.RefreshRequest]: ...

    def lost_requests(self, now: datetime, patience: overview.Patience = overview.PATIENCE) -> list[str]:
        """Fail those that waited or ran for too long; returns the ids of those to be sent again."""
        ...

    def prune_requests(self, before: datetime) -> int:
        """Drop what was finished before ``before``."""
        ...
