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
    estimate,
    explain,
    export,
    failures,
    queues,
    refresh,
    run,
    service_lines,
    settings,
    show,
    simulate,
    status,
    verify,
    web,
)
from fetcher.cli.examples import with_examples
from fetcher.cli.streams import accept_every_character, end_without_output, is_output_error
from fetcher.domain.errors import FetcherError
from fetcher.misspelt import spelling_warnings
from fetcher.settings import read_settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Keep a package directory fresh: GitHub statistics and PyPI versions.",
    epilog="Settings are environment variables that begin with FETCHER_; `fetcher settings` lists them.",
)
app.command("import")(catalogue.import_)
app.command()(catalogue.add)
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
app.command()(settings.settings)
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
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    # Commands report errors themselves. Log lines below ERROR are printed only if FETCHER_LOG_LEVEL is set.
    variables = ("FETCHER_LOG_LEVEL", "FETCHER_LOG_FORMAT")
    given = {name: text for name in variables if (text := os.environ.get(name, "").strip())}
    logs = read_settings(given)
    level = logs.log_level if "FETCHER_LOG_LEVEL" in given else ""
    service_lines.configure(context.invoked_subcommand, level, logs.log_format)
    if context.invoked_subcommand not in ("settings", "doctor"):
        for line in spelling_warnings(os.environ):
            service_lines.warn(line)


def main() -> None:
    """Run the command line (the console script ``fetcher``)."""
    accept_every_character()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not is_output_error(error):
            raise
        end_without_output(error)
    except FetcherError as error:
        service_lines.report_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
