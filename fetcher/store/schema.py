"""The tables. Editors' fields, fetched values and source states are in separate tables.

A refresh therefore cannot change an editor's field, and one without new values writes narrow rows only. The hot paths
use the ``Table`` objects at the end, without ORM objects for rows.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar, cast

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, MetaData, String, Table, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fetcher.store.types import DayCounts, PackageId, UtcDateTime

FAILING = "failures > 0 OR outcome IN ('gone', 'replaced', 'blocked', 'unauthorized', 'malformed')"
"""Condition of a failing source, and of the partial index on them."""

QUARANTINED_STATE = "revision = 'quarantined'"
"""Condition of the partial index on projects that the index's root does not list (``domain.model.QUARANTINED``)."""

OPEN_REQUEST = "state IN ('queued', 'running')"
"""Condition of an unfinished refresh request, and of the partial index that makes it unique per package."""


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        Any: JSON(none_as_null=True),
    }


def _package_id() -> Mapped[int]:
    return mapped_column(PackageId, ForeignKey("packages.id", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True)


class Package(Base):
    """Editors' fields, and their parsed addresses. Ids are assigned by editors or the import, not by a sequence."""

    __tablename__ = "packages"

    id: Mapped[int] = mapped_column(PackageId, primary_key=True, autoincrement=False)
    slug: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    category: Mapped[Any | None]
    grids: Mapped[Any | None]
    repo_url: Mapped[str | None]
    pypi_url: Mapped[str | None]
    documentation_url: Mapped[str | None]
    created: Mapped[datetime | None]
    modified: Mapped[datetime | None]
    extra: Mapped[Any | None]
    repo_host: Mapped[str | None]
    repo_path: Mapped[str | None]
    repo_key: Mapped[str | None] = mapped_column(index=True)
    repo_unsupported: Mapped[str | None]
    project: Mapped[str | None] = mapped_column(index=True)
    project_unsupported: Mapped[str | None]
    retired_at: Mapped[datetime | None]
    """Time when an editor retired the package, which is not fetched since."""


class Observation(Base):
    """Fetched values: one wide row per package, written only if a value differs, without secondary indexes."""

    __tablename__ = "observations"

    package_id: Mapped[int] = _package_id()
    handle: Mapped[str | None]
    repository_id: Mapped[str | None]
    full_name: Mapped[str | None]
    stars: Mapped[int | None]
    forks: Mapped[int | None]
    watchers: Mapped[int | None]
    description: Mapped[str | None]
    archived: Mapped[bool | None]
    disabled: Mapped[bool | None]
    empty: Mapped[bool | None]
    default_branch: Mapped[str | None]
    head_oid: Mapped[str | None]
    head_committed_at: Mapped[datetime | None]
    pushed_at: Mapped[datetime | None]
    contributors: Mapped[Any | None]
    """``[[login, commits], …]``; in an imported list, commits are ``null``."""
    days_start: Mapped[date | None]
    day_counts: Mapped[Any | None] = mapped_column(DayCounts)
    commit_count: Mapped[int | None]
    """Commits of any age at the revision of the commits source."""
    commits_over_52: Mapped[Any | None]
    """Weekly commits as imported, shown until the daily counts are known."""
    pypi_name: Mapped[str | None]
    pypi_latest: Mapped[str | None]
    pypi_summary: Mapped[str | None]
    pypi_classifiers: Mapped[Any | None]
    pypi_licence: Mapped[str | None]
    pypi_licence_expression: Mapped[str | None]
    pypi_licence_text: Mapped[str | None]
    """The legacy field, of which only a beginning is kept: it often is a full licence."""
    pypi_documentation_url: Mapped[str | None]
    pypi_status: Mapped[str | None]
    pypi_serial: Mapped[int | None] = mapped_column(BigInteger)


class Freshness(Base):
    """Time of a package's last full refresh. Every writer of a package first locks its row."""

    __tablename__ = "freshness"
    __table_args__ = ({"postgresql_with": {"fillfactor": 80}},)

    package_id: Mapped[int] = _package_id()
    last_fetched: Mapped[datetime | None]


class _SourceColumns:
    """The columns of a source's state."""

    package_id: Mapped[int] = _package_id()
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    upstream: Mapped[str]
    """Name of the upstream that serves the source."""
    answered_at: Mapped[datetime | None]
    observed_at: Mapped[datetime | None]
    revision: Mapped[str | None]
    expected: Mapped[str | None]
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    credential: Mapped[str | None]
    full_fetch_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    first_failed_at: Mapped[datetime | None]
    last_failed_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    message: Mapped[str | None]
    due_at: Mapped[datetime | None]
    due_reason: Mapped[str | None] = mapped_column(String(16))
    """``fetcher.domain.model.DueReason``."""
    lease: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None]


class SourceRow(_SourceColumns, Base):
    """State of one source of one package: ``fetcher.domain.model.SourceState``, in a narrow row."""

    __tablename__ = "source_states"
    __table_args__ = (
        Index(
            "ix_source_states_due",
            "upstream",
            "source",
            "due_at",
            "package_id",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_source_states_leased",
            "lease_until",
            "upstream",
            "source",
            "package_id",
            postgresql_where=text("lease IS NOT NULL"),
            sqlite_where=text("lease IS NOT NULL"),
        ),
        Index(
            "ix_source_states_failing",
            "package_id",
            postgresql_where=text(FAILING),
            sqlite_where=text(FAILING),
        ),
        Index(
            "ix_source_states_quarantined",
            "package_id",
            postgresql_where=text(QUARANTINED_STATE),
            sqlite_where=text(QUARANTINED_STATE),
        ),
        {"postgresql_with": {"fillfactor": 70}},
    )


class RetiredSourceRow(_SourceColumns, Base):
    """State of one source of a retired package, kept for its display and for `fetcher revive`. No plan reads it.

    If an editor changes the address in the meantime, the import deletes it.
    """

    __tablename__ = "retired_sources"


class ReleaseRow(Base):
    """One release of a package's project. ``position`` keeps the response's order, which is PEP 440's."""

    __tablename__ = "releases"

    package_id: Mapped[int] = _package_id()
    number: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    uploaded_at: Mapped[datetime | None]
    yanked: Mapped[bool]
    yanked_reason: Mapped[str | None]
    requires_python: Mapped[str | None]
    prerelease: Mapped[bool]
    files: Mapped[int]


class HistoryRow(Base):
    """A package's statistics from a day on. Written only if one differs; each row holds until the next."""

    __tablename__ = "history"

    package_id: Mapped[int] = _package_id()
    day: Mapped[date] = mapped_column(primary_key=True)
    stars: Mapped[int | None]
    forks: Mapped[int | None]
    watchers: Mapped[int | None]
    version: Mapped[str | None]


class EventRow(Base):
    """The timeline: ``fetcher.domain.views.Event``. Its primary key makes recording idempotent."""

    __tablename__ = "events"

    package_id: Mapped[int] = _package_id()
    at: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(16))
    message: Mapped[str | None]


class RequestRow(Base):
    """A user's refresh request: ``fetcher.domain.views.RefreshRequest``. At most one per package is open."""

    __tablename__ = "refresh_requests"
    __table_args__ = (
        Index(
            "uq_refresh_requests_open",
            "package_id",
            unique=True,
            postgresql_where=text(OPEN_REQUEST),
            sqlite_where=text(OPEN_REQUEST),
        ),
        Index("ix_refresh_requests_requested", "package_id", "requested_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    package_id: Mapped[int] = mapped_column(
        PackageId, ForeignKey("packages.id", ondelete="CASCADE", onupdate="CASCADE")
    )
    state: Mapped[str] = mapped_column(String(16))
    requested_at: Mapped[datetime]
    sent_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    changes: Mapped[Any | None]
    """``[[field, before, after], …]``"""
    failures: Mapped[Any | None]
    """``[[source, outcome, message], …]``"""
    reason: Mapped[str | None]


class ActivityRow(Base):
    """Time of a repository's last known activity: a push, or a change of its stars. Written only when it changes."""

    __tablename__ = "activities"

    package_id: Mapped[int] = _package_id()
    active_at: Mapped[datetime]


class SweepRow(Base):
    """Computed intervals of statistics and heads at one upstream: ``fetcher.domain.sweeping.SweepPlan``."""

    __tablename__ = "sweeps"

    upstream: Mapped[str] = mapped_column(primary_key=True)
    unit_ms: Mapped[int] = mapped_column(BigInteger)
    """Milliseconds between two requests of a package with activity in the last day, before the bounds are applied."""
    since: Mapped[datetime]
    """Time since which the intervals are in force."""
    computed_at: Mapped[datetime]
    placed_after: Mapped[int | None] = mapped_column(BigInteger)
    """Id up to which due times were brought forward to shorter intervals; ``NULL``: all."""
    facts: Mapped[Any]
    """The reason, and the figures it follows from."""


class CheckpointRow(Base):
    """State of a task that concerns the full catalogue: ``fetcher.ports.Checkpoint``."""

    __tablename__ = "checkpoints"

    name: Mapped[str] = mapped_column(primary_key=True)
    observed_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    credential: Mapped[str | None]
    outcome: Mapped[str | None]
    message: Mapped[str | None]


class ForgeRow(Base):
    """A host of the catalogue's repositories: ``fetcher.domain.forges.StoredForge``. Settings are not stored."""

    __tablename__ = "forges"

    host: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str | None] = mapped_column(String(16))
    """``fetcher.domain.forges.ForgeKind``; ``NULL`` until it is stated or detected."""
    known_by: Mapped[str | None] = mapped_column(String(16))
    """``editor`` or ``detected``."""
    known_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    """Time of the next detection; ``NULL``: none is needed."""
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    message: Mapped[str | None]


class PauseRow(Base):
    """A pause by an operator: ``fetcher.domain.pauses.OperatorPause``."""

    __tablename__ = "pauses"

    scope: Mapped[str] = mapped_column(String(16), primary_key=True)
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    """End of the pause; ``NULL``: until `fetcher resume`."""
    reason: Mapped[str]
    actor: Mapped[str]


class AuditRow(Base):
    """An operator's action: ``fetcher.domain.audit.AuditEntry``. Rows are appended, and deleted after 90 days."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(PackageId, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    action: Mapped[str] = mapped_column(String(16))
    package: Mapped[str | None]
    """Slug; not a foreign key, because the log outlives the package."""
    detail: Mapped[str | None]
    address: Mapped[str | None]


class CatalogueStatsRow(Base):
    """Catalogue statistics of the packages with ``low`` <= id < ``high``; of all packages where the two are equal."""

    __tablename__ = "catalogue_stats"

    low: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    high: Mapped[int] = mapped_column(BigInteger)
    measured_at: Mapped[datetime]
    stats: Mapped[Any]


class ChangeFeedRow(Base):
    """The one row of the change feed's counters. Whoever numbers changes locks it."""

    __tablename__ = "change_feed"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(String(16))
    """Random part of every cursor, which tells the cursors of two databases apart."""
    position: Mapped[int] = mapped_column(BigInteger)
    """Position of the newest change."""
    floor: Mapped[int] = mapped_column(BigInteger)
    """Position of the newest change that has been deleted."""


class PendingChangeRow(Base):
    """A committed change without a position. Writers insert it with the change; numbering deletes it."""

    __tablename__ = "pending_changes"

    id: Mapped[int] = mapped_column(PackageId, primary_key=True)
    package_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    marks: Mapped[Any]
    """Changed fields of the document, and events."""
    slug: Mapped[str | None]
    """Slug of a removed package; otherwise ``NULL``."""


class ChangeRow(Base):
    """The last change of a package. Not a foreign key: the row of a removed package is its tombstone."""

    __tablename__ = "changes"

    package_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, index=True)
    at: Mapped[datetime]
    numbered_at: Mapped[datetime]
    marks: Mapped[Any]
    """Position of the last change of each field and of each event, by name."""
    slug: Mapped[str | None]
    """Slug of a removed package; otherwise ``NULL``."""


class WebhookEndpointRow(Base):
    """A receiver of webhooks: ``fetcher.domain.webhooks.Endpoint``."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    url: Mapped[str]
    events: Mapped[Any | None]
    """Names of the events to deliver; ``NULL``: all."""
    secret: Mapped[str]
    former_secret: Mapped[str | None]
    """Secret before the last rotation, which signs as well until ``former_until``."""
    former_until: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(BigInteger)
    """Position in the change feed up to which deliveries have been made."""
    created_at: Mapped[datetime]
    failing_since: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    """End of the pause that the receiver has requested."""
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]


class WebhookDeliveryRow(Base):
    """One message to one endpoint: ``fetcher.domain.webhooks.Delivery``."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "ix_webhook_deliveries_due",
            "endpoint_id",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(
        String(32), ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), index=True
    )
    event: Mapped[str] = mapped_column(String(32))
    package: Mapped[str | None]
    """Slug at the time of the event."""
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    changed_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    attempted_at: Mapped[datetime | None]
    status: Mapped[int | None]
    message: Mapped[str | None]


class SyncedPackageRow(Base):
    """A package that `fetcher sync` has read from a source, and the readings in which it was absent since."""

    __tablename__ = "synced_packages"

    package_id: Mapped[int] = _package_id()
    source: Mapped[str] = mapped_column(primary_key=True)
    absences: Mapped[int] = mapped_column(server_default=text("0"))
    retired: Mapped[bool]
    """True if the synchronization retired the package. Synchronizations revive no other one."""


class SitePackageRow(Base):
    """A package that the site's database lists: ``fetcher.domain.sites.LinkedPackage``, and the overwritten values."""

    __tablename__ = "site_packages"

    package_id: Mapped[int] = _package_id()
    missing_since: Mapped[datetime | None]
    retired: Mapped[bool] = mapped_column(server_default=false())
    skipped: Mapped[str | None]
    before: Mapped[Any | None]
    """First overwritten value of each column, by name."""
    written: Mapped[Any | None]
    """Value last written in its place."""


class SitePassRow(Base):
    """The last pass over a site: ``fetcher.domain.sites.SitePass``."""

    __tablename__ = "site_passes"

    site: Mapped[str] = mapped_column(primary_key=True)
    finished_at: Mapped[datetime]
    result: Mapped[Any]


def _table(of: type[Base]) -> Table:
    return cast(Table, of.__table__)


packages = _table(Package)
observations = _table(Observation)
freshness = _table(Freshness)
source_states = _table(SourceRow)
retired_sources = _table(RetiredSourceRow)
releases = _table(ReleaseRow)
history = _table(HistoryRow)
events = _table(EventRow)
refresh_requests = _table(RequestRow)
activities = _table(ActivityRow)
sweeps = _table(SweepRow)
checkpoints = _table(CheckpointRow)
forges = _table(ForgeRow)
pauses = _table(PauseRow)
audit_log = _table(AuditRow)
catalogue_stats = _table(CatalogueStatsRow)
change_feed = _table(ChangeFeedRow)
pending_changes = _table(PendingChangeRow)
changes = _table(ChangeRow)
webhook_endpoints = _table(WebhookEndpointRow)
webhook_deliveries = _table(WebhookDeliveryRow)
synced_packages = _table(SyncedPackageRow)
site_packages = _table(SitePackageRow)
site_passes = _table(SitePassRow)
