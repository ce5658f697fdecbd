"""``fetcher db``: commands for the database schema."""

from __future__ import annotations

import typer

from fetcher.cli.screen import err
from fetcher.settings import read_settings
from fetcher.store import current_revision, open_engine
from fetcher.store import upgrade as upgrade_tables

app = typer.Typer(no_args_is_help=True, help="Manage the database schema.")


@app.callback()
def _root() -> None:
    """Keep ``upgrade`` a subcommand: Typer would otherwise merge the only command into ``db``."""


@app.command()
def upgrade() -> None:
    """Upgrade the database schema to this version. Running it again changes nothing.

    Example: fetcher db upgrade
    """
    engine = open_engine(read_settings().database)
    try:
        before = current_revision(engine)
        upgrade_tables(engine)
        after = current_revision(engine)
    finally:
        engine.dispose()
    err.print(f"database at revision {after}" + (" already" if before == after else f" (was {before or 'empty'})"))
