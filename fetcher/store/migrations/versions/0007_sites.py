"""Add the packages and the last pass of a site's own database, and the licences that its rows show.

Validators of projects are cleared: the next response of each has to be complete, because the stored values lack the
licences.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LICENCES = ("pypi_licence_expression", "pypi_licence_text")


def upgrade() -> None:
    op.create_table(
        "site_packages",
        sa.Column("package_id", ID, nullable=False),
        sa.Column("missing_since", MOMENT),
        sa.Column("retired", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("skipped", sa.String()),
        sa.Column("before", sa.JSON()),
        sa.Column("written", sa.JSON()),
        sa.PrimaryKeyConstraint("package_id", name="pk_site_packages"),
        sa.ForeignKeyConstraint(
            ["package_id"],
            ["packages.id"],
            name="fk_site_packages_package_id_packages",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "site_passes",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("finished_at", MOMENT, nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("site", name="pk_site_passes"),
    )
    for name in LICENCES:
        op.add_column("observations", sa.Column(name, sa.String()))
    for table in ("source_states", "retired_sources"):
        op.execute(f"UPDATE {table} SET etag = NULL, last_modified = NULL WHERE source = 'index'")  # noqa: S608


def downgrade() -> None:
    for name in reversed(LICENCES):
        op.drop_column("observations", name)
    op.drop_table("site_passes")
    op.drop_table("site_packages")
