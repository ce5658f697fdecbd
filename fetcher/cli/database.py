"""``fetcher db``: commands for the database schema."""

from __future__ import annotations

from typing import Annotated

import typer

from fetcher.cli.screen import err
from fetcher.settings import read_settings
from fetcher.store import current_revision, open_engine
from fetcher.store import downgrade as downgrade_tables
from fetcher.store import upgrade as upgrade_tables
from fetcher.wiring import open_store

app = typer.Typer(no_args_is_help=True, help="Manage the database schema.")


@app.callback()
def _root() -> None:
    """Manage the database schema."""


@app.command()
def upgrade(
    restored: Annotated[
        bool, typer.Option("--restored", help="The database is a backup: refuse the cursors issued since it was made.")
    ] = False,
) -> None:
    """Upgrade the database schema to this version. Running it again changes nothing.

    Examples: fetcher db upgrade · fetcher db upgrade --restored
    """
    settings = read_settings()
    engine = open_engine(settings.database)
    try:
        before = current_revision(engine)
        upgrade_tables(engine)
        after = current_revision(engine)
    finally:
        engine.dispose()
    err.print(f"database at revision {after}" + (" already" if before == after else f" (was {before or 'empty'})"))
    if restored:
        with open_store(settings) as store:
            store.changes.begin_again()
        err.print("every cursor of the change feed issued so far gets status 410")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Revision of the older version, such as 0003.", show_default=False)],
) -> None:
    """Revert the database schema to an older revision, before an older version is installed. Newer data is deleted.

    Stop all processes first. The notes on upgrades state what is deleted.

    Example: fetcher db downgrade 0003
    """
    engine = open_engine(read_settings().database)
    try:
        before = current_revision(engine)
        downgrade_tables(engine, revision)
        after = current_revision(engine)
    finally:
        engine.dispose()
    err.print(f"database at revision {after}" + (" already" if before == after else f" (was {before})"))
