"""Migration to the schema of this version through Alembic's API, without an ini file; safe to start concurrently.

Every command checks with one query whether the schema is current. Alembic takes 0.2 s to import and is imported only
if it is not.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from fetcher.domain.errors import StoreError
from fetcher.store.db_errors import explain, shown
from fetcher.store.dialects import MIGRATING, one_at_a_time
from fetcher.store.engine import WRITING

HEAD = "0008"
"""Revision of the newest migration in ``versions``."""


def upgrade(engine: Engine) -> None:
    """Apply the missing migrations in one transaction. A concurrent call waits, and finds nothing to do.

    Raises ``StoreError`` for a database of another version of Fetcher, or one that cannot be migrated.
    """
    if not is_current(engine):
        _migrate(engine, "head", up=True)


def downgrade(engine: Engine, revision: str) -> None:
    """Revert the migrations after ``revision`` in one transaction.

    Raises ``StoreError`` for a database of another version of Fetcher, or an unknown or newer revision.
    """
    known = [f"{number:04}" for number in range(1, int(HEAD) + 1)]
    current = current_revision(engine)
    if current not in known:
        raise StoreError(f"the database {shown(engine.url)} is of another version of Fetcher or empty")
    if revision not in known[: known.index(current) + 1]:
        raise StoreError(
            f"{revision} is not an earlier revision", f"Expected one of {', '.join(known[: known.index(current) + 1])}"
        )
    _migrate(engine, revision, up=False)


def _migrate(engine: Engine, revision: str, *, up: bool) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    try:
        with engine.execution_options(**{WRITING: True}).begin() as connection:
            one_at_a_time(connection, MIGRATING)
            config = Config()
            config.set_main_option("script_location", "fetcher.store:migrations")
            config.attributes["connection"] = connection
            (command.upgrade if up else command.downgrade)(config, revision)
    except SQLAlchemyError as error:
        raise explain(error, engine.url) from error
    except CommandError as error:
        raise StoreError(
            f"the database {shown(engine.url)} is of another version of Fetcher", "Install the newer version"
        ) from error


def current_revision(engine: Engine) -> str | None:
    """Return the database's revision; ``None`` for an empty one."""
    try:
        with engine.connect() as connection:
            return _revision(connection)
    except SQLAlchemyError as error:
        raise explain(error, engine.url) from error


def is_current(engine: Engine) -> bool:
    """Return whether the database has this version's schema."""
    return current_revision(engine) == HEAD


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
