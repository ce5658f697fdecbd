"""Add the hosts of repositories and their kinds.

Only a new table: workers of the previous version continue to run over this schema until they are restarted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "forges",
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("kind", sa.String(16)),
        sa.Column("known_by", sa.String(16)),
        sa.Column("known_at", MOMENT),
        sa.Column("due_at", MOMENT),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("message", sa.String()),
        sa.PrimaryKeyConstraint("host", name="pk_forges"),
    )


def downgrade() -> None:
    op.drop_table("forges")
