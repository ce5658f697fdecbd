"""The domain model: frozen values that all other modules use.

Nothing here performs input or output, reads a clock or knows an upstream's wire format. Times are aware datetimes in
UTC, durations are ``timedelta``, days are ``date`` in UTC (the upstream counts commits by UTC days).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

WEEKS_SHOWN = 52
"""Number of rolling weeks in a document's ``commits_over_52``."""

DAYS_SHOWN = WEEKS_SHOWN * 7


class Source(StrEnum):
    """One kind of data that is requested, scheduled and can fail independently, with one meaning at every upstream."""

    REPOSITORY = "repository"
    """Statistics of the repository: stars, forks, head, flags."""
    CONTRIBUTORS = "contributors"
    COMMITS = "commits"
    """Commits a day, from which the 52 weeks are derived."""
    INDEX = "index"
    """Releases of the project, as a package index lists them."""


REPOSITORY_SOURCES = (Source.REPOSITORY, Source.CONTRIBUTORS, Source.COMMITS)
DETAIL_SOURCES = (Source.CONTRIBUTORS, Source.COMMITS)
"""The sources that belong to one head of a repository. They are requested only when the head has moved."""


class Purpose(StrEnum):
    """The purpose of a request. Manual requests do not wait behind background ones."""

    MANUAL = "manual"
    BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class RepoRef:
    """A repository's address on a supported host, in its owner's spelling. The path may be nested (``a/b/name``)."""

    host: str
    path: str

    @property
    def owner(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def key(self) -> str:
        """Key that is equal for two spellings of the same address."""
        return f"{self.host}/{self.path}".lower()


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An address that is stored and shown but never requested, with the reason."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Validators:
    """Validators of the next conditional request. Entity tags differ for each ``credential``."""

    etag: str | None = None
    last_modified: str | None = None
    credential: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, slots=True)
class ReportedQuota:
    """The quota of one resource as reported in an upstream's headers."""

    resource: str
    limit: int
    remaining: int
    reset_at: datetime


@dataclass(frozen=True, slots=True)
class RepoStats:
    """Statistics of one repository from one response."""

    handle: str | None
    """The forge's text for the repository in later requests, such as GitHub's node id. Opaque; ``None``: its path."""
    repository_id: str | None
    """The forge's identity of the repository, which survives renames. Opaque and unique on its host; ``None`` where the
    response does not state it.
    """
    full_name: str
    """The path under which the forge now has it."""
    stars: int | None
    """``None``: the forge has none, as for forks and watchers."""
    forks: int | None
    watchers: int | None
    description: str
    archived: bool
    disabled: bool
    empty: bool
    default_branch: str | None
    head_oid: str | None
    head_committed_at: datetime | None
    pushed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Contribution:
    """One contributor's number of commits on the default branch."""

    login: str
    """Login of the account; the author's name where the forge knows no account."""
    commits: int


@dataclass(frozen=True, slots=True)
class Contributors:
    """Every contributor, most commits first, without duplicates: logins where the forge knows them, otherwise names."""

    people: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class CommitDays:
    """Commits per day (UTC, by author date) in a contiguous run of days.

    ``start`` is the first known day. Days after the run have no commits for as long as the revision is the head of the
    default branch. Days before it are unknown and count as zero.
    """

    start: date
    counts: tuple[int, ...]
    total: int | None = None
    """Commits reachable from the revision, of any age; ``None`` where the upstream does not state it."""

    @property
    def end(self) -> date:
        """The first day after the run."""
        return self.start + timedelta(days=len(self.counts))


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of a default branch's history."""

    oid: str
    login: str | None
    """Login of the author's account; ``None`` where the forge knows none for the email address."""
    authored_on: date | None
    """Day (UTC) of the author date; ``None`` where the date is not readable."""
    merge: bool = False
    """True for a commit with two or more parents; always false where parents were not requested."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a project. ``uploaded_at`` is ``None`` if the index does not state it or there is no file."""

    number: str
    uploaded_at: datetime | None
    yanked: bool
    yanked_reason: str | None
    requires_python: str | None
    prerelease: bool
    files: int


class ProjectStatus(StrEnum):
    """PEP 792's project status markers."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"
    DEPRECATED = "deprecated"


QUARANTINED = "quarantined"
"""The stored revision of a project while the index does not list it."""


LICENCE_KEPT = 200
"""Characters kept of the legacy licence field, which often is a full text. Names of licences are shorter."""


@dataclass(frozen=True, slots=True)
class ProjectInfo:
    """Fields of a project's latest release that only the JSON API has."""

    summary: str | None
    classifiers: tuple[str, ...]
    licence: str | None
    """A short name of the licence, from whichever field states one."""
    documentation_url: str | None
    licence_expression: str | None = None
    """The SPDX expression (PEP 639)."""
    licence_text: str | None = None
    """The legacy field, cut after ``LICENCE_KEPT`` characters."""


@dataclass(frozen=True, slots=True)
class ProjectVersions:
    """One project as the index describes it. ``None`` means that the response lacks the field, not an empty one."""

    name: str
    latest: str | None
    releases: tuple[Release, ...]
    serial: int | None
    info: ProjectInfo | None
    status: ProjectStatus | None


class OutcomeKind(StrEnum):
    """The name of an outcome (``fetcher.domain.outcome``) as it is stored, logged and counted."""

    FETCHED = "fetched"
    NOT_MODIFIED = "not_modified"
    NOT_READY = "not_ready"
    MOVED = "moved"
    GONE = "gone"
    REPLACED = "replaced"
    BLOCKED = "blocked"
    THROTTLED = "throttled"
    OVERLOADED = "overloaded"
    TRANSIENT = "transient"
    MALFORMED = "malformed"
    UNAUTHORIZED = "unauthorized"
    DEFERRED = "deferred"


class DueReason(StrEnum):
    """The reason for a source's due time. A source without a due time follows its repository's next response."""

    FIRST = "first"
    """Never requested at its address."""
    SLOT = "slot"
    """Its package's slot in the interval."""
    MOVED = "moved"
    """The upstream has a newer revision than the stored one."""
    RECHECK = "recheck"
    """The slow re-check of a source that shows no change."""
    ORDER = "order"
    """Contributors drew level: the forge's list decides their order, after it has caught up."""
    SETTLING = "settling"
    """Contributors that only the forge's list can confirm, after it has caught up."""
    WEEKS = "weeks"
    """Weeks from participation that have to be shifted."""
    COOLING = "cooling"
    """The pause after a failure."""
    QUOTA = "quota"
    """The quota, or a slower rate that an upstream demanded."""
    MISSING = "missing"
    """Its repository is missing, and is requested alone until it responds."""
    OUT_OF_TURN = "out_of_turn"
    """Made due at once: the index does not respond, the counting of weeks has changed, or the package was revived."""
    FEED = "feed"
    """The index's feed names a new release."""
    HINT = "hint"
    """A forge's webhook reports an event."""


NAMED = frozenset({DueReason.FEED, DueReason.HINT})
"""Reasons for which only a request made since settles the source: an unchanged list elsewhere does not confirm it."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """State of one source of one package. ``revision`` is the head oid or the serial of the stored values."""

    source: Source
    upstream: str | None = None
    """Name of the upstream that serves the source; ``None`` only in a state that is not stored."""
    answered_at: datetime | None = None
    observed_at: datetime | None = None
    revision: str | None = None
    expected: str | None = None
    """The newest revision seen upstream. An older response comes from a stale CDN edge and is rejected."""
    validators: Validators = Validators()
    full_fetch_at: datetime | None = None
    """Time of the last full request, as opposed to a derived or confirmed value."""
    failures: int = 0
    first_failed_at: datetime | None = None
    last_failed_at: datetime | None = None
    outcome: OutcomeKind | None = None
    message: str | None = None
    due_at: datetime | None = None
    due_reason: DueReason | None = None
    lease: str | None = None
    lease_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One package claimed for a refresh, with the state needed to choose its requests."""

    package_id: int
    slug: str
    lease: str
    claimed: frozenset[Source]
    repo: RepoRef | None
    """The repository's last known address, otherwise the editor's."""
    handle: str | None
    repository_id: str | None
    project: str | None
    states: Mapping[Source, SourceState] = field(default_factory=dict)
    contributors: Contributors | None = None
    commit_days: CommitDays | None = None
    head_oid: str | None = None
    head_committed_at: datetime | None = None
    default_branch: str | None = None
    stars: int | None = None
    active_at: datetime | None = None
    """The repository's last known activity: see ``fetcher.domain.sweeping``."""
    forks: int | None = None
    watchers: int | None = None
    pushed_at: datetime | None = None
    """The stored value of ``RepoStats.pushed_at``, as are ``forks`` and ``watchers``."""

    def state(self, source: Source) -> SourceState:
        return self.states.get(source) or SourceState(source)


@dataclass(frozen=True, slots=True)
class FollowedProject:
    """A package's project: its canonical name, the time of its last request, and its stored versions."""

    package_id: int
    project: str
    observed_at: datetime | None
    versions: frozenset[str]


@dataclass(frozen=True, slots=True)
class ProjectMark:
    """A project's status alone: its stored versions stay."""

    status: ProjectStatus


Values: TypeAlias = RepoStats | Contributors | CommitDays | ProjectVersions | ProjectMark
"""Values that one source of one package can store."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The result of requesting one source of one package, or of confirming it without a request.

    ``answered`` states that the source counts as answered (``last_fetched`` waits for all of them). Without ``values``
    the stored ones stay.
    """

    package_id: int
    source: Source
    lease: str | None
    observed_at: datetime
    """The time at which the request was sent. An older snapshot never overwrites a newer one."""
    due_at: datetime | None
    due_reason: DueReason | None = None
    outcome: OutcomeKind = field(kw_only=True)
    answered: bool = False
    values: Values | None = None
    full: bool = False
    """The source was requested in full, not derived or confirmed."""
    revision: str | None = None
    validators: Validators | None = None
    failures: int = 0
    first_failed_at: datetime | None = None
    message: str | None = None
    request_id: str | None = None
    """The upstream's id of the failed request: logged, not stored."""
    active_at: datetime | None = None
    """The repository's last activity where it differs from the stored one."""


@dataclass(frozen=True, slots=True)
class Deferral:
    """A claimed source that was not requested for lack of quota, and is due again at ``due_at``."""

    package_id: int
    source: Source
    lease: str
    observed_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A claimed source that was not requested, and keeps its due time unless ``due_at`` states a later one."""

    package_id: int
    source: Source
    lease: str
    due_at: datetime | None = None
    """Due time of a source whose repository is missing (``DueReason.MISSING``)."""


@dataclass(frozen=True, slots=True)
class MadeDue:
    """A source that another source's response makes due, unless it is due earlier."""

    package_id: int
    source: Source
    due_at: datetime
    due_reason: DueReason


Record: TypeAlias = Observed | Deferral | GivenBack | MadeDue
"""The change that the store writes for one source of one package. It contains no decision."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Packages whose sources are leased to one worker until ``until``."""

    lease: str
    sources: tuple[Source, ...]
    package_ids: tuple[int, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """An editor's fields of one package, as read from a document, a CSV line or a bare address.

    ``extra`` holds unknown keys in their order. ``observed`` are the worker's fields that a document carries.
    """

    slug: str
    title: str
    id: int | None = None
    category: Any = None
    grids: Any = None
    repo_url: str | None = None
    pypi_url: str | None = None
    documentation_url: str | None = None
    created: datetime | None = None
    modified: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    observed: DocumentValues | None = None
    complete: bool = True
    """A document states every editor's field. For a CSV line or an address, missing fields stay as stored."""
    slug_derived: bool = False
    """The slug is taken from another field. It identifies no stored package, and a free one replaces it if taken."""


@dataclass(frozen=True, slots=True)
class DocumentValues:
    """The worker's fields of one package, as a document shows them."""

    repo_watchers: int | None = None
    repo_forks: int | None = None
    repo_description: str | None = None
    participants: tuple[str, ...] | None = None
    commits_over_52: tuple[int, ...] | None = None
    last_updated: datetime | None = None
    pypi_version: str | None = None
    last_fetched: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredPackage:
    """One package as stored: the editors' fields, the worker's fields and the state of each source."""

    entry: CatalogueEntry
    observed: DocumentValues
    """The worker's fields; ``commits_over_52`` is as imported, and ``commit_days`` replaces it once stored."""
    commit_days: CommitDays | None
    repo: RepoRef | Unsupported | None
    project: str | Unsupported | None
    stats: RepoStats | None
    versions: ProjectVersions | None
    states: Mapping[Source, SourceState]
    retired_at: datetime | None = None
    active_at: datetime | None = None
    """The repository's last known activity: a push, or a change of its stars."""


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """A package's values from ``day`` on, until the next row."""

    day: date
    stars: int | None
    forks: int | None
    watchers: int | None
    version: str | None


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One failing source of one package."""

    slug: str
    state: SourceState


@dataclass(frozen=True, slots=True)
class SharedRepository:
    """Packages with different addresses that turned out to be one repository."""

    full_name: str
    slugs: tuple[str, ...]
