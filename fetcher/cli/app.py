"""The root command: registers the commands and reports each expected failure in one line."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from fetcher import __version__
from fetcher.cli import (
    catalogue,
    database,
    demo,
    doctor,
    editing,
    estimate,
    explain,
    export,
    failures,
    listing,
    queues,
    refresh,
    run,
    show,
    simulate,
    status,
    verify,
    web,
)
from fetcher.cli.examples import with_examples
from fetcher.cli.screen import complain
from fetcher.domain.errors import FetcherError
from fetcher.monitoring.logging import configure_logging
from fetcher.settings import read_settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Keep a package directory fresh: GitHub statistics and PyPI versions.",
    epilog="Settings are environment variables that begin with FETCHER_; see docs/settings.md.",
)
app.command("import")(catalogue.import_)
app.command()(editing.add)
app.command("list")(listing.list_)
app.command()(listing.search)
app.command("set-address")(editing.set_address)
app.command()(editing.remove)
app.command()(export.export)
app.command()(refresh.refresh)
app.command()(show.show)
app.command()(explain.explain)
app.command()(status.status)
app.command()(queues.queues)
app.add_typer(failures.app, name="failures")
app.command()(failures.retire)
app.command()(failures.revive)
app.command()(doctor.doctor)
app.command()(verify.verify)
app.command()(run.up)
app.command()(web.web)
app.command("simulate", cls=simulate.Simulate)(simulate.simulate)
app.command()(estimate.estimate)
app.command()(demo.demo)
app.add_typer(database.app, name="db")
with_examples(app)


def _version(wanted: bool) -> None:  # noqa: FBT001  (Typer's callback)
    if wanted:
        typer.echo(f"fetcher {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    # Commands report errors themselves. Log lines below ERROR are printed only if FETCHER_LOG_LEVEL is set.
    level = os.environ.get("FETCHER_LOG_LEVEL", "").strip()
    configure_logging(read_settings({"FETCHER_LOG_LEVEL": level}).log_level if level else "ERROR")


def main() -> None:
    """Run the command line (the console script ``fetcher``)."""
    try:
        app()
    except FetcherError as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
