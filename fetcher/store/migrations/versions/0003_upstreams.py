"""Rename tables and columns to the terms of the documentation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    _rename("source_states", "whole_at", "full_fetch_at")
    _rename("refresh_requests", "asked_at", "requested_at")
    op.drop_index("ix_refresh_requests_asked", "refresh_requests")
    op.create_index("ix_refresh_requests_requested", "refresh_requests", ["package_id", "requested_at"])
    _move_checkpoints("markers", "checkpoints")
    op.drop_table("figures")
    _create_statistics("catalogue_stats", "stats")


def downgrade() -> None:
    op.drop_table("catalogue_stats")
    _create_statistics("figures", "figures")
    _move_checkpoints("checkpoints", "markers")
    op.drop_index("ix_refresh_requests_requested", "refresh_requests")
    _rename("refresh_requests", "requested_at", "asked_at")
    op.create_index("ix_refresh_requests_asked", "refresh_requests", ["package_id", "asked_at"])
    _rename("source_states", "full_fetch_at", "whole_at")


def _rename(table: str, before: str, after: str) -> None:
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")


def _move_checkpoints(before: str, after: str) -> None:
    op.create_table(
        after,
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("observed_at", MOMENT),
        sa.Column("due_at", MOMENT),
        sa.Column("etag", sa.String()),
        sa.Column("last_modified", sa.String()),
        sa.Column("credential", sa.String()),
        sa.Column("outcome", sa.String()),
        sa.Column("message", sa.String()),
        sa.PrimaryKeyConstraint("name", name=f"pk_{after}"),
    )
    op.execute(f"INSERT INTO {after} SELECT * FROM {before}")  # noqa: S608  (constants)
    op.drop_table(before)


def _create_statistics(table: str, column: str) -> None:
    """Create an empty table of catalogue statistics: a worker fills it in the next minutes."""
    op.create_table(
        table,
        sa.Column("low", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", MOMENT, nullable=False),
        sa.Column(column, JSON, nullable=False),
        sa.PrimaryKeyConstraint("low", name=f"pk_{table}"),
    )
