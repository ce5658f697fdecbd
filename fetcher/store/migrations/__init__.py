"""Bringing a database to the schema of this version, by Alembic's API: no ini file, safe to start several at once.

Every command looks whether there is anything to do, which is one query; Alembic, which takes a fifth of a second to
import, is needed only where there is.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from fetcher.domain.errors import StoreError
from fetcher.store.connect import WRITING
from fetcher.store.dialects import MIGRATING, one_at_a_time
from fetcher.store.faults import explain, shown

HEAD = "0002"
"""The newest of ``versions``."""


def upgrade(engine: Engine) -> None:
    """Apply what is missing, in one transaction. Who comes second waits, and finds nothing to do."""
    if is_current(engine):
        return
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    try:
        with engine.execution_options(**{WRITING: True}).begin() as connection:
            one_at_a_time(connection, MIGRATING)
            config = Config()
            config.set_main_option("script_location", "fetcher.store:migrations")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise explain(error, engine.url) from error
    except CommandError as error:
        raise StoreError(
            f"The database {shown(engine.url)} is of another version of Fetcher", "Install the newer version"
        ) from error


def current_revision(engine: Engine) -> str | None:
    """The revision that the database is at; ``None`` for an empty one."""
    try:
        with engine.connect() as connection:
            return _revision(connection)
    except SQLAlchemyError as error:
        raise explain(error, engine.url) from error


def is_current(engine: Engine) -> bool:
    """Whether the database has this version's schema."""
    return current_revision(engine) == HEAD


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
