"""Add the number of commits and the reason of a due time; recount weeks, because merges now count."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("observations", sa.Column("commit_count", sa.Integer()))
    op.add_column("source_states", sa.Column("due_reason", sa.String(16)))
    op.execute(
        "UPDATE source_states SET due_at = answered_at, due_reason = 'out_of_turn' "
        "WHERE source = 'commits' AND answered_at IS NOT NULL AND failures = 0"
    )


def downgrade() -> None:
    op.drop_column("observations", "commit_count")
    op.drop_column("source_states", "due_reason")
