"""Add operators' pauses, the audit log, and the kept states of retired packages' sources.

Only new tables: workers of the previous version continue to run over this schema until they are restarted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pauses",
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_pauses"),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("package", sa.String()),
        sa.Column("detail", sa.String()),
        sa.Column("address", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at"])
    op.create_table(
        "retired_sources",
        sa.Column("package_id", ID, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("upstream", sa.String(), nullable=False),
        *(sa.Column(name, MOMENT) for name in ("answered_at", "observed_at")),
        *(sa.Column(name, sa.String()) for name in ("revision", "expected", "etag", "last_modified", "credential")),
        sa.Column("full_fetch_at", MOMENT),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        *(sa.Column(name, MOMENT) for name in ("first_failed_at", "last_failed_at")),
        sa.Column("outcome", sa.String(16)),
        sa.Column("message", sa.String()),
        sa.Column("due_at", MOMENT),
        sa.Column("due_reason", sa.String(16)),
        sa.Column("lease", sa.String(32)),
        sa.Column("lease_until", MOMENT),
        sa.PrimaryKeyConstraint("package_id", "source", name="pk_retired_sources"),
        sa.ForeignKeyConstraint(
            ["package_id"],
            ["packages.id"],
            name="fk_retired_sources_package_id_packages",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("retired_sources")
    op.drop_table("audit_log")
    op.drop_table("pauses")
