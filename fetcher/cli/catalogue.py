"""``fetcher import``: the command that adds packages to the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fetcher.cli.importing import Sum, every_rejected, import_all
from fetcher.cli.screen import err, out, print_json
from fetcher.settings import read_settings
from fetcher.wiring import open_store


def import_(
    inputs: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER|URL|-...", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    rejected: Annotated[
        Path | None,
        typer.Option("--rejected", metavar="FILE", help="Write every rejected record to FILE, as JSON lines."),
    ] = None,
) -> None:
    """Import packages: v4 documents, CSV or repository addresses; from files, folders, a directory's API or, -, stdin.

    Importing again changes nothing and skips stored packages quickly. After an interruption, run the same command
    again. A bad record is reported and skipped, the good ones are stored, and the exit status is 1.

    Examples: fetcher import packages.json · fetcher import seeds/ · fetcher import https://directory.example/api/v4/packages/
    """
    settings = read_settings()
    total = Sum()
    with every_rejected(total, rejected):
        try:
            with open_store(settings) as store:
                import_all(store, settings, inputs, total)
        except KeyboardInterrupt:
            err.print(f"interrupted: {total.stored:,} packages are stored; run the same command again to continue")
            raise
    if json:
        print_json(total.as_json())
    else:
        out.print(total.in_words())
    if total.rejected.count:
        raise typer.Exit(1)
