"""``fetcher db``: the tables."""

from __future__ import annotations

import typer

from fetcher.cli.screen import err
from fetcher.settings import read_settings
from fetcher.store import current_revision, open_engine
from fetcher.store import upgrade as upgrade_tables

app = typer.Typer(no_args_is_help=True, help="The database's tables.")


@app.callback()
def _root() -> None:
    """Keeps ``upgrade`` a command of its own, though it is the only one."""


@app.command()
def upgrade() -> None:
    """Bring the tables to this version's form. Running it again changes nothing.

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
