"""The nouns of what people look at: the catalogue's listing, ages, the timeline, and refreshes that were asked for.

Frozen values as in ``fetcher.domain.model``, apart from it because no refresh needs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from fetcher.domain.model import Source


class PackageState(StrEnum):
    """How one package stands; of several that would be true, the first in this order is told."""

    RETIRED = "retired"
    """On an editor's word it is fetched no more."""
    GONE = "gone"
    """A source has been missing for days: see ``fetcher.domain.scheduling.is_gone``."""
    FAILING = "failing"
    UNSUPPORTED = "unsupported"
    """It states an address that is not fetched, or none at all."""
    STALE = "stale"
    FRESH = "fresh"


class Column(StrEnum):
    """What a listing can be sorted by, named as in the documents."""

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
    """Which packages, in which order, and which stretch of them."""

    search: str = ""
    """Words that the slug, the title, the description or the repository's address contains; case does not matter."""
    state: PackageState | None = None
    sort: Column = Column.SLUG
    descending: bool = False
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ListedPackage:
    """One line of a listing."""

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


class Counted(StrEnum):
    """How well a number of packages is known, in the words before it."""

    EXACT = ""
    ABOUT = "about"
    """The database's own estimate."""
    MORE = "more than"
    """Counting was ended there."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A stretch of a listing, and how many packages there are in all of it."""

    count: int
    rows: tuple[ListedPackage, ...]
    more: bool = False
    """There are packages after this stretch."""
    counted: Counted = Counted.EXACT


@dataclass(frozen=True, slots=True)
class Event:
    """A turn in what one source of a package answers: another outcome than before, or another value."""

    source: Source
    at: datetime
    outcome: str
    message: str | None


@dataclass(frozen=True, slots=True)
class EventCount:
    """How many events a stretch of time saw: changes that were answered, and failures."""

    start: datetime
    changes: int
    failures: int


@dataclass(frozen=True, slots=True)
class RequestCount:
    """How many requests a stretch of time saw: those that were answered, and those refused or never answered."""

    start: datetime
    answered: int
    failed: int


class RequestState(StrEnum):
    """How far a refresh that was asked for is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    """It ran to its end and at least one source answered; those that did not are told."""
    FAILED = "failed"
    """Nothing answered, or it never ran."""

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
    """A source that did not answer a refresh, and why."""

    source: Source
    outcome: str
    message: str


@dataclass(frozen=True, slots=True)
class Ending:
    """What a refresh that was asked for came to."""

    request_id: str
    state: RequestState
    changes: tuple[Change, ...] = ()
    failures: tuple[SourceFailure, ...] = ()
    reason: str | None = None
    """Why it failed as a whole."""


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """A refresh of one package that a person asked for. A package has at most one that is open."""

    id: str
    package_id: int
    slug: str
    state: RequestState
    asked_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    changes: tuple[Change, ...] = ()
    failures: tuple[SourceFailure, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for a refresh: one of its own, or that of somebody who asked just before."""

    request: RefreshRequest
    joined: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """How long requests are waited for. A worker's tasks are ended after 150 seconds, so ``run`` is beyond that."""

    join: timedelta = timedelta(seconds=5)
    """Who asks again this soon gets the refresh that was asked for, even if it is done."""
    resend: timedelta = timedelta(minutes=1)
    """One that nobody took is sent again this often …"""
    wait: timedelta = timedelta(minutes=10)
    """… and has failed when nobody took it for this long."""
    run: timedelta = timedelta(minutes=3)
    """One that runs for longer was lost with its worker."""


PATIENCE = Patience()
