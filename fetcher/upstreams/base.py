"""The protocol of an upstream, and the values that it exchanges with the rest.

An upstream is a *forge* (repositories) or a *package index* (projects). ``Upstream`` is its static part: it performs no
I/O, so every command may create it. ``UpstreamRefresh`` is its live part, which sends requests through the gateway.
``fetcher.upstreams.registry`` lists all of them; nothing else names one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from fetcher.catalogue.addresses import Location
from fetcher.domain.bloom import BloomFilter
from fetcher.domain.catalogue_stats import CatalogueStats
from fetcher.domain.formatting import ago
from fetcher.domain.model import (
    FollowedProject,
    Purpose,
    Record,
    RepoRef,
    Source,
    StoredPackage,
    Target,
    Unsupported,
)
from fetcher.domain.scheduling import Cadence
from fetcher.http.gateway import Gateway
from fetcher.http.messages import NO_META, Answer, Response, ResponseMeta
from fetcher.ports import Checkpoint, Checkpoints, Clock, Credential, Transport
from fetcher.quota import QuotaPolicy
from fetcher.settings import Settings

PLANS_AHEAD = 3
"""Intervals between two plans for which work is claimed; a lane with a ``share`` claims for fewer."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A kind of batch: the upstream, the claimed sources, packages per batch, and packages per request."""

    upstream: str
    sources: tuple[Source, ...]
    resource: str
    batch: int
    packages_per_request: float
    look_ahead: float = 0.0
    """Share of the interval by which a package may be claimed early, to fill a batch."""
    share: float = 1.0
    """Share of the packages that the quota serves within the horizon: as many are claimed at once."""
    behind: tuple[Source, ...] = ()
    """Sources of the upstream with precedence: while one of them is due and not claimed, nothing is claimed here."""
    seconds: float = 0.0
    """Usual response time of a full request, where the upstream limits response seconds."""
    routes: tuple[str, ...] = ()
    """Routes of its batched requests, by which their number is measured; none: it is computed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Number of requests for these sources of one package."""

    sources: tuple[Source, ...]
    requests: int
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check by ``fetcher doctor``. ``remedy`` is the action to take unless ``ok``."""

    name: str
    ok: bool
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """State of an upstream's feed of changes, from stored checkpoints."""

    upstream: str
    title: str
    read_at: datetime | None
    """Time of the last good poll."""
    fault: str | None
    """The reason that the last poll failed, or that the upstream has no feed."""
    offered: bool
    """False where the upstream has no feed: nothing is wrong, and each project is requested as without one."""
    gap_at: datetime | None
    """Time of the last poll that did not overlap with the one before."""
    gap: str | None
    """The last gap, and the requests that close it, in words."""
    open: bool
    """True until the last gap is closed."""

    def in_words(self, now: datetime) -> str:
        """Return the state as one line without the upstream's name."""
        if not self.offered:
            return "not offered by the index; its projects are requested daily"
        read = f"last read {ago(self.read_at, now)}" if self.read_at is not None else "never read"
        if self.fault is not None:
            return f"{read}; the last poll failed: {self.fault}"
        if self.gap_at is None:
            return f"{read}, without a gap so far"
        return f"{read}, last gap {ago(self.gap_at, now)}{', not closed yet' if self.open else ''}"


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings about an upstream, and its response, whose ``Date`` is compared with this machine's clock."""

    findings: tuple[Finding, ...]
    answer: Answer


class Schedule(Protocol):
    """Stored packages as targets, and their due times: ``fetcher.store.claims.Claims``."""

    def target(self, package_id: int) -> Target | None: ...

    def make_due(self, upstream: str, source: Source, *, answered_before: datetime, now: datetime) -> int: ...

    def make_released_due(self, wanted: Sequence[FollowedProject], released_at: datetime, now: datetime) -> int: ...


class StoredPackages(Protocol):
    """Stored packages: ``fetcher.store.packages.Packages``."""

    def recently_committed(self, before: datetime, limit: int) -> list[int]: ...

    def documents(self, package_ids: Sequence[int]) -> list[StoredPackage]: ...


class Statistics(Protocol):
    """Statistics of the catalogue: ``fetcher.store.statistics.partitions.Statistics``."""

    def read(self, now: datetime, interval: timedelta) -> CatalogueStats: ...


class IndexSerials(Protocol):
    """The stored serials: ``fetcher.store.index_serials.IndexSerials``."""

    def projects(self) -> BloomFilter: ...

    def confirm(
        self, serials: Iterable[tuple[str, int]], observed_at: datetime, recheck_after: timedelta
    ) -> tuple[int, int]: ...

    def confirm_all(
        self, observed_at: datetime, recheck_after: timedelta, answered_since: datetime | None = None
    ) -> int: ...

    def followed(self, limit: int) -> int: ...

    def known(self, names: Collection[str]) -> list[FollowedProject]: ...


class UpstreamStore(Protocol):
    """The parts of the store that an upstream may use. It never writes values: the refresh service records them."""

    @property
    def claims(self) -> Schedule: ...

    @property
    def packages(self) -> StoredPackages: ...

    @property
    def statistics(self) -> Statistics: ...

    @property
    def index_serials(self) -> IndexSerials: ...

    @property
    def checkpoints(self) -> Checkpoints: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """The adapters that a live upstream works with."""

    store: UpstreamStore
    gateway: Gateway
    clock: Clock
    cadence: Cadence
    identities: dict[str, str]
    """The identity whose quota each upstream's requests spend, by name. An upstream may replace its own."""
    forget: Callable[[str], Awaitable[None]]
    """Stops the listing of an identity that was replaced."""
    sleep: Callable[[float], Awaitable[None]]


class UpstreamRefresh(Protocol):
    """The live part of an upstream."""

    async def refresh(self, targets: Sequence[Target], purpose: Purpose) -> list[Record]:
        """Request the claimed sources of ``targets``, all of this upstream, and return their records.

        A source without a record is given back with its due time unchanged.
        """
        ...

    async def identify(self) -> None:
        """Look up the account behind the credential, unless it is known. Every task begins with this."""
        return

    async def find_changes(self) -> None:
        """Find changed packages of the complete catalogue in few requests, if the upstream offers it and it is due."""
        return

    async def read_feed(self) -> bool:
        """Poll the upstream's feed of changes, if it has one and a poll is due, and make the named packages due.

        Returns whether any was made due.
        """
        return False

    async def verify(self, interval: timedelta) -> None:
        """Compare a sample of stored values with the upstream's figures, if the upstream offers it and it is due."""
        return


class Upstream(Protocol):
    """The static part of an upstream: addresses, credential, quota policy, lanes, costs, and a check."""

    name: str
    """Label of rows, metrics, logs and quota accounts; ``--source`` takes it."""
    title: str
    """The name for users."""
    sources: tuple[Source, ...]
    """The sources it serves: those of a repository, or the index's."""
    hosts: frozenset[str]
    """Hosts of editors' addresses, in lower case; one on another port includes that port."""
    roots: tuple[str, ...]
    """Roots of its API. Requests with its credential go to their origins only."""
    quota: QuotaPolicy
    public_only: bool = False
    """True if editors have named its hosts, which then must resolve to public addresses."""
    routes: tuple[str, ...]
    """Kinds of its requests, by which logs, metrics and latency estimates are grouped."""
    variables: tuple[str, ...] = ()
    """Environment variables of its own beside Fetcher's settings. They are not reported as misspelt."""

    @classmethod
    def configured(cls, settings: Settings) -> Iterable[Upstream]:
        """Return the upstreams of this kind that the settings configure."""
        ...

    @property
    def credential(self) -> Credential:
        """The credential, or the identity of requests without one; ``ConfigError`` if the settings' cannot be used."""
        ...

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes in which its sources are claimed. They depend on whether there is a credential."""
        ...

    @property
    def notice(self) -> str | None:
        """A hint for someone who starts a refresh, such as a missing token."""
        return None

    @property
    def rejected_remedy(self) -> str:
        """The remedy for a rejected credential."""
        return f"Check the credential of {self.title}"

    def parse(self, location: Location) -> RepoRef | str:
        """Parse an address on one of ``hosts``; a text states the violation of the forge's grammar."""
        return f"{self.title} has no repositories"

    def parse_project(self, text: str | None) -> str | Unsupported | None:
        """Parse a project's name or address to its canonical name; ``None`` if it is absent."""
        return None

    def read_meta(self, response: Response) -> ResponseMeta:
        """Return the quota and the request id that the headers report."""
        return NO_META

    def costs(self, target: Target, now: datetime, cadence: Cadence) -> list[Cost]:
        """Return the requests of a refresh of the target's claimed sources now, assuming the usual responses."""
        ...

    async def check(self, transport: Transport, now: datetime) -> Checked:
        """Request a resource that every credential may read, and report whether the upstream can be used."""
        ...

    def notes(self, checkpoint: Callable[[str], Checkpoint | None], now: datetime) -> list[Finding]:
        """Return findings about stored checkpoints, which ``checkpoint`` returns by name."""
        return []

    def feed(self, checkpoint: Callable[[str], Checkpoint | None]) -> FeedStatus | None:
        """Return the state of its feed of changes by stored checkpoints; ``None`` for an upstream without one."""
        return None

    def connect(self, tools: Tools) -> UpstreamRefresh:
        """Return the live part."""
        ...
