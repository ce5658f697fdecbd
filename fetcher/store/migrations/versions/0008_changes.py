"""Add the change feed, webhooks and synchronized sources.

Only new tables: workers of the previous version continue to run over this schema. The changes that they record are
missing from the feed, which begins when the last of them is stopped.
"""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _add_feed()
    _add_webhooks()
    op.create_table(
        "synced_packages",
        sa.Column("package_id", ID, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("absences", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("package_id", "source", name="pk_synced_packages"),
        sa.ForeignKeyConstraint(
            ["package_id"],
            ["packages.id"],
            name="fk_synced_packages_package_id_packages",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )


def _add_feed() -> None:
    feed = op.create_table(
        "change_feed",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(16), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_change_feed"),
    )
    op.bulk_insert(feed, [{"id": 1, "epoch": uuid4().hex[:12], "position": 0, "floor": 0}])
    op.create_table(
        "pending_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("package_id", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("slug", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_pending_changes"),
    )
    op.create_table(
        "changes",
        sa.Column("package_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("numbered_at", MOMENT, nullable=False),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("slug", sa.String()),
        sa.PrimaryKeyConstraint("package_id", name="pk_changes"),
    )
    op.create_index("ix_changes_position", "changes", ["position"])


def _add_webhooks() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("events", sa.JSON()),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("former_secret", sa.String()),
        sa.Column("former_until", MOMENT),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        *(sa.Column(name, MOMENT) for name in ("failing_since", "held_until", "disabled_at")),
        sa.Column("disabled_reason", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_endpoints"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("endpoint_id", sa.String(32), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("package", sa.String()),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempted_at", MOMENT),
        sa.Column("status", sa.Integer()),
        sa.Column("message", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name="fk_webhook_deliveries_endpoint_id_webhook_endpoints",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_webhook_deliveries_created_at", "webhook_deliveries", ["created_at"])
    op.create_index("ix_webhook_deliveries_endpoint_id", "webhook_deliveries", ["endpoint_id"])
    due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["endpoint_id", "due_at"],
        postgresql_where=due,
        sqlite_where=due,
    )


def downgrade() -> None:
    for table in (
        "synced_packages",
        "webhook_deliveries",
        "webhook_endpoints",
        "changes",
        "pending_changes",
        "change_feed",
    ):
        op.drop_table(table)
