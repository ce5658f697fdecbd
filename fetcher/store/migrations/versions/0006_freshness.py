"""Add the last activity of repositories, and the computed intervals of their sweeps.

Only new tables: workers of the previous version continue to run over this schema until they are restarted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "activities",
        sa.Column("package_id", ID, nullable=False),
        sa.Column("active_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("package_id", name="pk_activities"),
        sa.ForeignKeyConstraint(
            ["package_id"],
            ["packages.id"],
            name="fk_activities_package_id_packages",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )
    op.execute(
        "INSERT INTO activities (package_id, active_at)"
        " SELECT package_id, COALESCE(pushed_at, head_committed_at) FROM observations"
        " WHERE COALESCE(pushed_at, head_committed_at) IS NOT NULL"
    )
    op.create_table(
        "sweeps",
        sa.Column("upstream", sa.String(), nullable=False),
        sa.Column("unit_ms", sa.BigInteger(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("computed_at", MOMENT, nullable=False),
        sa.Column("placed_after", sa.BigInteger()),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("upstream", name="pk_sweeps"),
    )


def downgrade() -> None:
    op.drop_table("sweeps")
    op.drop_table("activities")
