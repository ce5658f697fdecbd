"""Read models of the listing, ages, the timeline and manual refreshes.

Frozen values as in ``fetcher.domain.model``, kept apart because no refresh needs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from fetcher.domain.lag import ChangeKind
from fetcher.domain.model import Source


class PackageState(StrEnum):
    """State of one package. If several apply, the first in this order counts."""

    RETIRED = "retired"
    """Retired by an editor or a synchronization, and no longer fetched."""
    GONE = "gone"
    """A source has been missing for days: see ``fetcher.domain.scheduling.is_gone``."""
    FAILING = "failing"
    UNSUPPORTED = "unsupported"
    """Its address is not supported, or it has none."""
    NOT_FETCHED = "not_fetched"
    """Not all of its sources have responded yet, since it was added."""
    STALE = "stale"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class RecentLag:
    """Lags of one kind of change in the last hour. Half and 95 of 100 were not longer than ``p50`` and ``p95``."""

    kind: ChangeKind
    count: int
    p50: timedelta | None
    p95: timedelta | None


class Column(StrEnum):
    """Columns to sort a listing by, named as in the documents."""

    ID = "id"
    SLUG = "slug"
    TITLE = "title"
    STATE = "state"
    STARS = "repo_watchers"
    FORKS = "repo_forks"
    VERSION = "pypi_version"
    LAST_UPDATED = "last_updated"
    LAST_FETCHED = "last_fetched"
    CREATED = "created"
    MODIFIED = "modified"


@dataclass(frozen=True, slots=True)
class Listing:
    """A query for a listing: filters, order and page."""

    search: str = ""
    """Words to find in the slug, title, description or repository address, ignoring case."""
    state: PackageState | None = None
    upstream: str | None = None
    """Only packages with a source that this upstream serves."""
    sort: Column = Column.SLUG
    descending: bool = False
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ListedPackage:
    """One row of a listing."""

    id: int
    slug: str
    title: str
    description: str
    state: PackageState
    stars: int | None
    forks: int | None
    version: str | None
    last_updated: datetime | None
    last_fetched: datetime | None
    repo_url: str | None = None
    pypi_url: str | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """Numbers of deleted packages, releases, days of history and events."""

    packages: int
    releases: int
    days: int
    events: int

    def plus(self, other: Removed) -> Removed:
        return Removed(
            self.packages + other.packages,
            self.releases + other.releases,
            self.days + other.days,
            self.events + other.events,
        )


class Counted(StrEnum):
    """Accuracy of a package count, as the words before the number."""

    EXACT = ""
    ABOUT = "about"
    """The database's estimate."""
    MORE = "more than"
    """Counting stopped at this number."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a listing, and the number of packages in the complete listing."""

    count: int
    rows: tuple[ListedPackage, ...]
    more: bool = False
    """There are packages after this page."""
    counted: Counted = Counted.EXACT


@dataclass(frozen=True, slots=True)
class Event:
    """A change in one source's responses: another outcome than before, or another value."""

    source: Source
    at: datetime
    outcome: str
    message: str | None


@dataclass(frozen=True, slots=True)
class EventCount:
    """Events in a time range: changes in responses, and failures."""

    start: datetime
    changes: int
    failures: int


@dataclass(frozen=True, slots=True)
class RequestCount:
    """Requests in a time range: those with a response, and those refused or without one."""

    start: datetime
    answered: int
    failed: int


class RequestState(StrEnum):
    """Progress of a manual refresh."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    """It ran to its end, and at least one source responded. Failed sources are listed."""
    FAILED = "failed"
    """No source responded, or it never ran."""

    @property
    def is_open(self) -> bool:
        return self in OPEN


OPEN = (RequestState.QUEUED, RequestState.RUNNING)


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a package's document, before and after a refresh."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """A source that failed in a refresh, and the reason."""

    source: Source
    outcome: str
    message: str


@dataclass(frozen=True, slots=True)
class Ending:
    """The result of a manual refresh."""

    request_id: str
    state: RequestState
    changes: tuple[Change, ...] = ()
    failures: tuple[SourceFailure, ...] = ()
    reason: str | None = None
    """Reason why all of it failed."""


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """A manual refresh of one package. A package has at most one open request."""

    id: str
    package_id: int
    slug: str
    state: RequestState
    requested_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    changes: tuple[Change, ...] = ()
    failures: tuple[SourceFailure, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SubmittedRefresh:
    """The result of requesting a refresh: a new request, or one that a user requested just before."""

    request: RefreshRequest
    joined: bool


@dataclass(frozen=True, slots=True)
class RequestTimeouts:
    """Time limits of a manual refresh. A worker's tasks end after 150 seconds, so ``run`` is longer."""

    join: timedelta = timedelta(seconds=5)
    """A repeated request within this time returns the earlier one, even if it is done."""
    resend: timedelta = timedelta(minutes=1)
    """Interval after which a request that no worker took is sent again."""
    wait: timedelta = timedelta(minutes=10)
    """Time after which a request that no worker took has failed."""
    run: timedelta = timedelta(minutes=3)
    """Time after which a running request counts as lost with its worker."""


REQUEST_TIMEOUTS = RequestTimeouts()
