"""Bringing a database to the schema of this version, by Alembic's API: no ini file, safe to start several at once."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from fetcher.errors import StoreError
from fetcher.store.connect import WRITING
from fetcher.store.dialects import MIGRATING, one_at_a_time
from fetcher.store.faults import explain, shown


def upgrade(engine: Engine) -> None:
    """Apply what is missing, in one transaction. Who comes second waits, and finds nothing to do."""
    try:
        with engine.execution_options(**{WRITING: True}).begin() as connection:
            one_at_a_time(connection, MIGRATING)
            config = _config()
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
    return current_revision(engine) == ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "fetcher.store:migrations")
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
