"""The root command: lists the commands and reports each expected failure in one line."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from fetcher import __version__
from fetcher.cli.lazy import LazyCommand, lazy_group
from fetcher.cli.streams import accept_every_character, end_without_output, is_output_error
from fetcher.domain.errors import FetcherError

COMMANDS = (
    LazyCommand(
        "import",
        "fetcher.cli.catalogue",
        "import_",
        "Import packages: v4 documents, CSV or repository addresses; "
        "from files, folders, a directory's API or, -, stdin.",
    ),
    LazyCommand(
        "export",
        "fetcher.cli.export",
        "export",
        "Export every package's v4 document: JSON lines, one document a line, or a Parquet file with typed columns.",
    ),
    LazyCommand("add", "fetcher.cli.editing", "add", "Add one package by its repository address, and print its slug."),
    LazyCommand(
        "list",
        "fetcher.cli.listing",
        "list_",
        "List packages with their state, last fetch and address, one a line; in a pipe separated by tabs.",
    ),
    LazyCommand(
        "search",
        "fetcher.cli.listing",
        "search",
        "List packages with all of these words in slug, title, description or repository address, ignoring case.",
    ),
    LazyCommand(
        "set-address",
        "fetcher.cli.editing",
        "set_address",
        "Correct a package's addresses. Sources of a changed address are fetched again now, as after an import.",
    ),
    LazyCommand(
        "remove",
        "fetcher.cli.editing",
        "remove",
        "Delete packages with everything stored of them: values, releases, history, timeline and refresh requests.",
    ),
    LazyCommand(
        "refresh",
        "fetcher.cli.refresh",
        "refresh",
        "Refresh packages in this process with a progress bar, or by the workers with --queue.",
    ),
    LazyCommand(
        "show",
        "fetcher.cli.show",
        "show",
        "Print a package: its values with their source and age, and its commits of 52 weeks.",
    ),
    LazyCommand(
        "explain",
        "fetcher.cli.explain",
        "explain",
        "Explain a package's state: its addresses, each source's last response, next due time and the reason.",
    ),
    LazyCommand(
        "status",
        "fetcher.cli.status",
        "status",
        "Show freshness, due packages, the expected end of the pass, failures, quota, beat and workers.",
    ),
    LazyCommand(
        "queues",
        "fetcher.cli.queues",
        "queues",
        "Show each queue's waiting and running messages, oldest message, throughput a minute and consumers.",
    ),
    LazyCommand(
        "retire",
        "fetcher.cli.failures",
        "retire",
        "Stop fetching these packages. Their stored data is kept. `revive` undoes it.",
    ),
    LazyCommand("revive", "fetcher.cli.failures", "revive", "Resume fetching retired packages now."),
    LazyCommand(
        "pause",
        "fetcher.cli.pausing",
        "pause",
        "Stop claiming packages, on all machines, until `resume` or for a time. Requests in progress end normally.",
    ),
    LazyCommand(
        "resume",
        "fetcher.cli.pausing",
        "resume",
        "End every pause. Due packages are claimed, and a site's rows compared, within a minute.",
    ),
    LazyCommand(
        "drain",
        "fetcher.cli.pausing",
        "drain",
        "Pause background work and wait until no worker holds a package: for an upgrade or a backup.",
    ),
    LazyCommand(
        "audit",
        "fetcher.cli.audit",
        "audit",
        "List the operators' actions: user, time, action and package. Entries are kept for 90 days.",
    ),
    LazyCommand(
        "doctor",
        "fetcher.cli.doctor",
        "doctor",
        "Check the database, Redis, the upstreams, tokens and their quotas, "
        "the clock, beat and workers; print remedies.",
    ),
    LazyCommand(
        "settings",
        "fetcher.cli.settings",
        "settings",
        "Print the effective value and the origin of each setting. Secrets are masked.",
    ),
    LazyCommand(
        "verify",
        "fetcher.cli.verify",
        "verify",
        "Compare weekly commits with GitHub's participation, with and without merges; "
        "count as GitHub does from now on.",
    ),
    LazyCommand(
        "up",
        "fetcher.cli.run",
        "up",
        "Run all processes on this machine until Ctrl-C: Redis, workers, beat and the page.",
    ),
    LazyCommand(
        "web",
        "fetcher.cli.web",
        "web",
        "Serve the page and the API until Ctrl-C. They are reachable from this machine only, unless --host is set.",
    ),
    LazyCommand(
        "simulate",
        "fetcher.cli.simulate",
        "simulate",
        "Serve simulated forges and PyPI on loopback, limits and faults included, until Ctrl-C.",
        cls="Simulate",
    ),
    LazyCommand(
        "estimate",
        "fetcher.cli.estimate",
        "estimate",
        "Print the computed duration and cost of a pass over a catalogue; request and serve nothing.",
    ),
    LazyCommand(
        "demo",
        "fetcher.cli.demo",
        "demo",
        "Refresh eight packages on four forges against the simulator, without a token, a network or leftover files.",
    ),
    LazyCommand(
        "failures",
        "fetcher.cli.failures",
        "app",
        "List failing packages: the kind, the first failure and the next try, then the reason of each failing source.",
    ),
    LazyCommand(
        "site",
        "fetcher.cli.site",
        "app",
        "Keep a directory's own database up to date: check, dry run, passes, and the way back.",
    ),
    LazyCommand(
        "sync",
        "fetcher.cli.sync",
        "sync",
        "Import a source, retire packages that vanished from it, and revive packages that returned.",
    ),
    LazyCommand(
        "webhooks",
        "fetcher.cli.webhooks",
        "app",
        "Send signed webhooks about changed packages, and follow their delivery.",
    ),
    LazyCommand("db", "fetcher.cli.database", "app", "Manage the database schema."),
)
"""The commands in the order of the help. Each is imported when it is invoked."""

app = typer.Typer(
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Keep a package directory fresh: GitHub statistics and PyPI versions.",
    epilog="Settings are environment variables that begin with FETCHER_; `fetcher settings` lists them.",
)


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
    from fetcher.cli import service_lines  # noqa: PLC0415  (the help needs no structlog)
    from fetcher.misspelt import spelling_warnings  # noqa: PLC0415
    from fetcher.settings import read_settings  # noqa: PLC0415

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
        from fetcher.cli import service_lines  # noqa: PLC0415

        service_lines.report_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
