"""The first schema: catalogue, fetched values, source states, releases, history, timeline, refresh requests, markers
and catalogue statistics.

Written out instead of imported from ``schema.py``, because a migration keeps the schema of its time.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PACKAGE_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True)
FAILING = "failures > 0 OR outcome IN ('gone', 'replaced', 'blocked', 'unauthorized', 'malformed')"
OPEN_REQUEST = "state IN ('queued', 'running')"
TABLES = (
    "packages",
    "observations",
    "freshness",
    "source_states",
    "releases",
    "history",
    "events",
    "refresh_requests",
    "markers",
    "figures",
)


def upgrade() -> None:
    _create_packages()
    _create_observations()
    _create_freshness()
    _create_source_states()
    _create_releases()
    _create_history()
    _create_events()
    _create_refresh_requests()
    _create_markers()
    _create_figures()


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)


def _package_key(table: str) -> sa.ForeignKeyConstraint:
    """Return the foreign key to a package: rows are deleted with it, and follow a change of its id."""
    name = f"fk_{table}_package_id_packages"
    return sa.ForeignKeyConstraint(["package_id"], ["packages.id"], name=name, ondelete="CASCADE", onupdate="CASCADE")


def _index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "source_states", columns, postgresql_where=where, sqlite_where=where)


def _create_packages() -> None:
    op.create_table(
        "packages",
        sa.Column("id", PACKAGE_ID, autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("category", JSON),
        sa.Column("grids", JSON),
        sa.Column("repo_url", sa.String()),
        sa.Column("pypi_url", sa.String()),
        sa.Column("documentation_url", sa.String()),
        sa.Column("created", MOMENT),
        sa.Column("modified", MOMENT),
        sa.Column("extra", JSON),
        sa.Column("repo_host", sa.String()),
        sa.Column("repo_owner", sa.String()),
        sa.Column("repo_name", sa.String()),
        sa.Column("repo_key", sa.String()),
        sa.Column("repo_unsupported", sa.String()),
        sa.Column("project", sa.String()),
        sa.Column("project_unsupported", sa.String()),
        sa.Column("retired_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_packages"),
        sa.UniqueConstraint("slug", name="uq_packages_slug"),
    )
    op.create_index("ix_packages_project", "packages", ["project"])
    op.create_index("ix_packages_repo_key", "packages", ["repo_key"])


def _create_observations() -> None:
    op.create_table(
        "observations",
        sa.Column("package_id", PACKAGE_ID, nullable=False),
        sa.Column("node_id", sa.String()),
        sa.Column("database_id", sa.BigInteger()),
        sa.Column("full_name", sa.String()),
        sa.Column("stars", sa.Integer()),
        sa.Column("forks", sa.Integer()),
        sa.Column("watchers", sa.Integer()),
        sa.Column("description", sa.String()),
        sa.Column("archived", sa.Boolean()),
        sa.Column("disabled", sa.Boolean()),
        sa.Column("empty", sa.Boolean()),
        sa.Column("default_branch", sa.String()),
        sa.Column("head_oid", sa.String()),
        sa.Column("head_committed_at", MOMENT),
        sa.Column("pushed_at", MOMENT),
        sa.Column("contributors", JSON),
        sa.Column("days_start", sa.Date()),
        sa.Column("day_counts", sa.LargeBinary()),
        sa.Column("commits_over_52", JSON),
        sa.Column("pypi_name", sa.String()),
        sa.Column("pypi_latest", sa.String()),
        sa.Column("pypi_summary", sa.String()),
        sa.Column("pypi_classifiers", JSON),
        sa.Column("pypi_licence", sa.String()),
        sa.Column("pypi_documentation_url", sa.String()),
        sa.Column("pypi_status", sa.String()),
        sa.Column("pypi_serial", sa.BigInteger()),
        _package_key("observations"),
        sa.PrimaryKeyConstraint("package_id", name="pk_observations"),
    )


def _create_freshness() -> None:
    op.create_table(
        "freshness",
        sa.Column("package_id", PACKAGE_ID, nullable=False),
        sa.Column("last_fetched", MOMENT),
        _package_key("freshness"),
        sa.PrimaryKeyConstraint("package_id", name="pk_freshness"),
        postgresql_with={"fillfactor": 80},
    )


def _create_source_states() -> None:
    op.create_table(
        "source_states",
        sa.Column("package_id", PACKAGE_ID, nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("answered_at", MOMENT),
        sa.Column("observed_at", MOMENT),
        sa.Column("revision", sa.String()),
        sa.Column("expected", sa.String()),
        sa.Column("etag", sa.String()),
        sa.Column("last_modified", sa.String()),
        sa.Column("credential", sa.String()),
        sa.Column("whole_at", MOMENT),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_failed_at", MOMENT),
        sa.Column("last_failed_at", MOMENT),
        sa.Column("outcome", sa.String(length=16)),
        sa.Column("message", sa.String()),
        sa.Column("due_at", MOMENT),
        sa.Column("lease", sa.String(length=32)),
        sa.Column("lease_until", MOMENT),
        _package_key("source_states"),
        sa.PrimaryKeyConstraint("package_id", "source", name="pk_source_states"),
        postgresql_with={"fillfactor": 70},
    )
    _index("ix_source_states_due", ["source", "due_at", "package_id"], "due_at IS NOT NULL")
    _index("ix_source_states_leased", ["lease_until", "source", "package_id"], "lease IS NOT NULL")
    _index("ix_source_states_failing", ["package_id"], FAILING)
    _index("ix_source_states_quarantined", ["package_id"], "revision = 'quarantined'")


def _create_releases() -> None:
    op.create_table(
        "releases",
        sa.Column("package_id", PACKAGE_ID, nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("uploaded_at", MOMENT),
        sa.Column("yanked", sa.Boolean(), nullable=False),
        sa.Column("yanked_reason", sa.String()),
        sa.Column("requires_python", sa.String()),
        sa.Column("prerelease", sa.Boolean(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        _package_key("releases"),
        sa.PrimaryKeyConstraint("package_id", "number", name="pk_releases"),
    )


def _create_history() -> None:
    op.create_table(
        "history",
        sa.Column("package_id", PACKAGE_ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("stars", sa.Integer()),
        sa.Column("forks", sa.Integer()),
        sa.Column("watchers", sa.Integer()),
        sa.Column("version", sa.String()),
        _package_key("history"),
        sa.PrimaryKeyConstraint("package_id", "day", name="pk_history"),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("package_id", PACKAGE_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("message", sa.String()),
        _package_key("events"),
        sa.PrimaryKeyConstraint("package_id", "at", "source", name="pk_events"),
    )
    op.create_index("ix_events_at", "events", ["at"])


def _create_refresh_requests() -> None:
    op.create_table(
        "refresh_requests",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("package_id", PACKAGE_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("changes", JSON),
        sa.Column("failures", JSON),
        sa.Column("reason", sa.String()),
        _package_key("refresh_requests"),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_requests"),
    )
    op.create_index("ix_refresh_requests_asked", "refresh_requests", ["package_id", "asked_at"])
    where = sa.text(OPEN_REQUEST)
    op.create_index(
        "uq_refresh_requests_open",
        "refresh_requests",
        ["package_id"],
        unique=True,
        postgresql_where=where,
        sqlite_where=where,
    )


def _create_markers() -> None:
    op.create_table(
        "markers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("observed_at", MOMENT),
        sa.Column("due_at", MOMENT),
        sa.Column("etag", sa.String()),
        sa.Column("last_modified", sa.String()),
        sa.Column("credential", sa.String()),
        sa.Column("outcome", sa.String()),
        sa.Column("message", sa.String()),
        sa.PrimaryKeyConstraint("name", name="pk_markers"),
    )


def _create_figures() -> None:
    op.create_table(
        "figures",
        sa.Column("low", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", MOMENT, nullable=False),
        sa.Column("figures", JSON, nullable=False),
        sa.PrimaryKeyConstraint("low", name="pk_figures"),
    )
