"""Migration to the schema of this version through Alembic's API, without an ini file; safe to start concurrently.

Every command checks with one query whether the schema is current. Alembic takes 0.2 s to import and is imported only
if it is not.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from fetcher.domain.errors import StoreError
from fetcher.store.db_errors import UPGRADE, explain, shown
from fetcher.store.dialects import MIGRATING, one_at_a_time
from fetcher.store.engine import WRITING, is_missing

HEAD = "0008"
"""Revision of the newest migration in ``versions``."""
KNOWN = tuple(f"{number:04}" for number in range(1, int(HEAD) + 1))
"""Every revision in ``versions``, the oldest first."""


def upgrade(engine: Engine) -> None:
    """Apply the missing migrations in one transaction. A concurrent call waits, and finds nothing to do.

    Raises ``StoreError`` for a database of a newer version of Fetcher, or one that cannot be migrated.
    """
    current = current_revision(engine)
    if current not in (None, *KNOWN):
        raise mismatch(engine, current)
    if current != HEAD:
        _migrate(engine, "head", up=True)


def downgrade(engine: Engine, revision: str) -> None:
    """Revert the migrations after ``revision`` in one transaction.

    Raises ``StoreError`` for a database of a newer version of Fetcher or without tables, or an unknown revision.
    """
    current = current_revision(engine)
    if current not in KNOWN:
        raise mismatch(engine, current)
    earlier = KNOWN[: KNOWN.index(current) + 1]
    if revision not in earlier:
        raise StoreError(f"{revision} is not an earlier revision", f"Expected one of {', '.join(earlier)}")
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
        raise mismatch(engine, current_revision(engine)) from error


def current_revision(engine: Engine) -> str | None:
    """Return the database's revision; ``None`` for an empty one, or a missing file, which is not created."""
    if is_missing(engine.url):
        return None
    try:
        with engine.connect() as connection:
            return _revision(connection)
    except SQLAlchemyError as error:
        raise explain(error, engine.url) from error


def is_current(engine: Engine) -> bool:
    """Return whether the database has this version's schema."""
    return current_revision(engine) == HEAD


def require_current(engine: Engine) -> None:
    """Raise ``StoreError`` and close ``engine`` unless the database has this version's schema."""
    revision = current_revision(engine)
    if revision != HEAD:
        engine.dispose()
        raise mismatch(engine, revision)


def mismatch(engine: Engine, revision: str | None) -> StoreError:
    """Return the error for a database whose revision is not this version's: no tables, older tables or newer ones."""
    where = f"the database {shown(engine.url)}"
    if revision is None:
        return StoreError(f"{where} has no tables", "Check FETCHER_DATABASE_URL, or run `fetcher db upgrade`")
    if revision in KNOWN:
        return StoreError(f"{where} is at revision {revision}, and this version needs {HEAD}", UPGRADE)
    return StoreError(
        f"{where} is at revision {revision}, and this version knows {HEAD} at most",
        "Install the newer version of Fetcher, which can also downgrade it",
    )


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
