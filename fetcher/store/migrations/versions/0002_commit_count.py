"""Add the number of commits, and count every repository's weeks again: merges count from this version on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("observations", sa.Column("commit_count", sa.Integer()))
    op.execute(
        "UPDATE source_states SET due_at = answered_at "
        "WHERE source = 'commits' AND answered_at IS NOT NULL AND failures = 0"
    )


def downgrade() -> None:
    with op.batch_alter_table("observations") as table:
        table.drop_column("commit_count")
