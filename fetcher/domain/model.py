"""The nouns of Fetcher: frozen values that every other module speaks in.

Nothing here performs input or output, reads a clock or knows an upstream's wire format. Times are aware datetimes
in UTC, spans are ``timedelta``, days are ``date`` in UTC (the upstream counts commits by UTC days).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

WEEKS_SHOWN = 52
"""How many rolling weeks a document's ``commits_over_52`` holds."""

DAYS_SHOWN = WEEKS_SHOWN * 7


class Upstream(StrEnum):
    """Whose quota a request spends."""

    GITHUB = "github"
    PYPI = "pypi"


class Source(StrEnum):
    """One thing that is asked, answered, scheduled and that fails on its own."""

    GITHUB = "github"
    """Statistics of the repository: stars, forks, head, flags."""
    CONTRIBUTORS = "contributors"
    COMMITS = "commits"
    """Commits a day, from which the 52 weeks are derived."""
    PYPI = "pypi"

    @property
    def upstream(self) -> Upstream:
        return Upstream.PYPI if self is Source.PYPI else Upstream.GITHUB


REPOSITORY_SOURCES = (Source.GITHUB, Source.CONTRIBUTORS, Source.COMMITS)
DETAIL_SOURCES = (Source.CONTRIBUTORS, Source.COMMITS)
"""The sources that describe one head of a repository, and are requested only when it has moved."""


class Purpose(StrEnum):
    """For whom a request is made: people do not wait behind the background."""

    MANUAL = "manual"
    BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class RepoRef:
    """A repository's address on a supported host, spelt as its owner spells it."""

    host: str
    owner: str
    name: str

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def key(self) -> str:
        """What is equal for two spellings of the same address."""
        return f"{self.host}/{self.owner}/{self.name}".lower()


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An address that is kept and shown but never asked, and why."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Validators:
    """What makes the next ask conditional. ``credential`` is who asked: entity tags differ per credential."""

    etag: str | None = None
    last_modified: str | None = None
    credential: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, slots=True)
class ReportedQuota:
    """What an upstream's headers said is left of one resource."""

    resource: str
    limit: int
    remaining: int
    reset_at: datetime


@dataclass(frozen=True, slots=True)
class RepoStats:
    """One repository as GitHub describes it, from one answer."""

    node_id: str
    database_id: int | None
    """The repository's identity. ``None`` where GraphQL cannot state it: the number does not fit 32 bits."""
    full_name: str
    stars: int
    forks: int
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
    """One contributor's login and how many commits of the default branch are theirs."""

    login: str
    commits: int


@dataclass(frozen=True, slots=True)
class Contributors:
    """Every contributor with a login, in the API's order (most commits first), without duplicates."""

    people: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class CommitDays:
    """Commits a day (UTC, by author date) of a contiguous run of days.

    ``start`` is the first day known. Days after the run are without commits for as long as the revision is the
    head of the default branch; days before it are unknown and count as zero.
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
    """The author's account; ``None`` where GitHub knows none for the address."""
    authored_on: date | None
    """The day (UTC) of the author date; ``None`` where the date cannot be read."""
    merge: bool = False
    """Whether it has two or more parents; always false where parents were not requested."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a project. ``uploaded_at`` is ``None`` where the index does not say or it has no file."""

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
"""The revision of what is known of a project while its index does not list it."""


@dataclass(frozen=True, slots=True)
class ProjectInfo:
    """What only the JSON API tells of a project's latest release."""

    summary: str | None
    classifiers: tuple[str, ...]
    licence: str | None
    documentation_url: str | None


@dataclass(frozen=True, slots=True)
class ProjectVersions:
    """One project as the index describes it. ``None`` is "this answer does not say", never "there is none"."""

    name: str
    latest: str | None
    releases: tuple[Release, ...]
    serial: int | None
    info: ProjectInfo | None
    status: ProjectStatus | None


class OutcomeKind(StrEnum):
    """The name of an outcome (``fetcher.domain.outcome``), as it is stored, logged and counted."""

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
    """Why a source is due when it is; a source without a due time follows its repository's next answer."""

    FIRST = "first"
    """Never requested since its address was made known."""
    SLOT = "slot"
    """Its package's slot in the interval."""
    MOVED = "moved"
    """The upstream has a newer revision than the stored one."""
    RECHECK = "recheck"
    """The slow re-check of what seems not to have moved."""
    ORDER = "order"
    """Contributors drew level: GitHub's list decides their order, once it has caught up."""
    SETTLING = "settling"
    """Contributors that only GitHub's list can confirm, once it has caught up."""
    WEEKS = "weeks"
    """Weeks that come from participation, and are to be moved on."""
    COOLING = "cooling"
    """The pause after a failure."""
    QUOTA = "quota"
    """The quota, or an upstream that demanded a slower pace."""
    OUT_OF_TURN = "out_of_turn"
    """Made due for a whole catalogue: the index is silent, or weeks are counted another way."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """Where one source of one package stands. ``revision`` is the head oid or the serial the stored values are of."""

    source: Source
    answered_at: datetime | None = None
    observed_at: datetime | None = None
    revision: str | None = None
    expected: str | None = None
    """A newer revision that the upstream was heard to have: an answer older than it is a stale edge's."""
    validators: Validators = Validators()
    whole_at: datetime | None = None
    """When the source was last asked whole rather than derived or confirmed."""
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
    """One package that is claimed for a refresh, with all that deciding what to ask needs."""

    package_id: int
    slug: str
    lease: str
    claimed: frozenset[Source]
    repo: RepoRef | None
    """Where the repository was last seen, else what the editor's address says."""
    node_id: str | None
    database_id: int | None
    project: str | None
    states: Mapping[Source, SourceState] = field(default_factory=dict)
    contributors: Contributors | None = None
    commit_days: CommitDays | None = None
    head_oid: str | None = None
    head_committed_at: datetime | None = None
    default_branch: str | None = None

    def state(self, source: Source) -> SourceState:
        return self.states.get(source) or SourceState(source)


@dataclass(frozen=True, slots=True)
class ProjectMark:
    """A project's status alone: its stored versions stay."""

    status: ProjectStatus


Values: TypeAlias = RepoStats | Contributors | CommitDays | ProjectVersions | ProjectMark
"""What one source of one package can bring to the store."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The result of requesting one source of one package, or of confirming it without a request.

    ``answered`` states that the source counts as answered (``last_fetched`` waits for all of them). Without ``values``
    what is stored stays.
    """

    package_id: int
    source: Source
    lease: str | None
    observed_at: datetime
    """When the request was sent: an older snapshot never overwrites a newer one."""
    due_at: datetime | None
    due_reason: DueReason | None = None
    outcome: OutcomeKind = field(kw_only=True)
    answered: bool = False
    values: Values | None = None
    whole: bool = False
    """The source was requested in full, not derived or confirmed."""
    revision: str | None = None
    validators: Validators | None = None
    failures: int = 0
    first_failed_at: datetime | None = None
    message: str | None = None
    request_id: str | None = None
    """The upstream's own name for the exchange that failed: for the log, not for the store."""


@dataclass(frozen=True, slots=True)
class Deferral:
    """A claimed source that was not requested for want of quota, and is due again at ``due_at``."""

    package_id: int
    source: Source
    lease: str
    observed_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A claimed source that was not requested, and is as due as it was."""

    package_id: int
    source: Source
    lease: str


@dataclass(frozen=True, slots=True)
class MadeDue:
    """A source that another one's answer makes due, unless it is due earlier."""

    package_id: int
    source: Source
    due_at: datetime
    due_reason: DueReason


Record: TypeAlias = Observed | Deferral | GivenBack | MadeDue
"""What the store writes of one source of one package. It decides nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Packages whose sources are leased to one worker until ``until``."""

    lease: str
    sources: tuple[Source, ...]
    package_ids: tuple[int, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """What an editor says of one package, as read from a document, a CSV line or a bare address.

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
    """A document states every editor's field; a CSV line or an address only some: the rest stays as stored."""


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
    """One package as the store holds it: the editors' fields, the worker's, and where each source stands."""

    entry: CatalogueEntry
    observed: DocumentValues
    """The worker's fields; ``commits_over_52`` is as imported and gives way to ``commit_days`` once there are any."""
    commit_days: CommitDays | None
    repo: RepoRef | Unsupported | None
    project: str | Unsupported | None
    stats: RepoStats | None
    versions: ProjectVersions | None
    states: Mapping[Source, SourceState]
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """A package's figures from ``day`` on, until the next row says otherwise."""

    day: date
    stars: int | None
    forks: int | None
    watchers: int | None
    version: str | None


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One source of one package that does not answer as it should."""

    slug: str
    state: SourceState


@dataclass(frozen=True, slots=True)
class SharedRepository:
    """Packages that editors gave different addresses, and that have turned out to be one repository."""

    full_name: str
    slugs: tuple[str, ...]
