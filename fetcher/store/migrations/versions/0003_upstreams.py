"""Give each source its upstream, repositories a path and an opaque id; rename tables and columns."""

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
    _name_sources({"github": "repository", "pypi": "index"})
    _add_upstreams()
    _join_paths()
    _rename("observations", "node_id", "handle")
    _retype_repository_id("database_id", "repository_id", sa.String())
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
    _retype_repository_id("repository_id", "database_id", sa.BigInteger())
    _rename("observations", "handle", "node_id")
    _split_paths()
    _remove_upstreams()
    _name_sources({"repository": "github", "index": "pypi"})
    _rename("source_states", "full_fetch_at", "whole_at")


def _name_sources(names: dict[str, str]) -> None:
    for before, after in names.items():
        for table in ("source_states", "events"):
            op.execute(f"UPDATE {table} SET source = '{after}' WHERE source = '{before}'")  # noqa: S608  (constants)
        before_each, after_each = f'["{before}",', f'["{after}",'
        replaced = f"REPLACE(CAST(failures AS TEXT), '{before_each}', '{after_each}')"
        update = f"UPDATE refresh_requests SET failures = CAST({replaced} AS {_json()})"  # noqa: S608  (constants)
        op.execute(f"{update} WHERE failures IS NOT NULL")


def _json() -> str:
    """Return the type to cast stored JSON to."""
    return "JSON" if op.get_bind().dialect.name == "postgresql" else "TEXT"


def _add_upstreams() -> None:
    _drop_indexes()
    op.add_column("source_states", sa.Column("upstream", sa.String(), nullable=False, server_default="github"))
    op.execute("UPDATE source_states SET upstream = 'pypi' WHERE source = 'index'")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("source_states", "upstream", server_default=None)
    _create_indexes("upstream", "source")


def _remove_upstreams() -> None:
    _drop_indexes()
    op.drop_column("source_states", "upstream")
    _create_indexes("source")


def _drop_indexes() -> None:
    op.drop_index("ix_source_states_due", "source_states")
    op.drop_index("ix_source_states_leased", "source_states")


def _create_indexes(*keys: str) -> None:
    due, leased = sa.text("due_at IS NOT NULL"), sa.text("lease IS NOT NULL")
    op.create_index(
        "ix_source_states_due", "source_states", [*keys, "due_at", "package_id"], postgresql_where=due, sqlite_where=due
    )
    op.create_index(
        "ix_source_states_leased",
        "source_states",
        ["lease_until", *keys, "package_id"],
        postgresql_where=leased,
        sqlite_where=leased,
    )


def _join_paths() -> None:
    op.add_column("packages", sa.Column("repo_path", sa.String()))
    op.execute("UPDATE packages SET repo_path = repo_owner || '/' || repo_name WHERE repo_owner IS NOT NULL")
    op.drop_column("packages", "repo_owner")
    op.drop_column("packages", "repo_name")


def _split_paths() -> None:
    """Split paths at their first slash, which is exact for GitHub's; earlier versions know no nested ones."""
    op.add_column("packages", sa.Column("repo_owner", sa.String()))
    op.add_column("packages", sa.Column("repo_name", sa.String()))
    place = "strpos" if op.get_bind().dialect.name == "postgresql" else "instr"
    op.execute(
        f"UPDATE packages SET repo_owner = substr(repo_path, 1, {place}(repo_path, '/') - 1), "  # noqa: S608  (constants)
        f"repo_name = substr(repo_path, {place}(repo_path, '/') + 1) WHERE repo_path IS NOT NULL"
    )
    op.drop_column("packages", "repo_path")


def _retype_repository_id(before: str, after: str, kind: sa.types.TypeEngine[str] | sa.types.TypeEngine[int]) -> None:
    op.add_column("observations", sa.Column(after, kind))
    text = isinstance(kind, sa.String)
    op.execute(f"UPDATE observations SET {after} = CAST({before} AS {'VARCHAR' if text else 'BIGINT'})")  # noqa: S608
    op.drop_column("observations", before)


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
