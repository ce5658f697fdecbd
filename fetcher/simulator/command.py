"""``fetcher simulate``: the simulator as a process. Also ``python -m fetcher.simulator``."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_PORT = 8990


def simulate(  # noqa: PLR0913, PLR0917 - one parameter an option, as typer wants it
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = DEFAULT_PORT,
    host: Annotated[
        str, typer.Option(help="Address to listen on; every client that reaches it can control the simulator.")
    ] = "127.0.0.1",
    catalogue: Annotated[Path | None, typer.Option(help="Folder of package documents to serve.")] = None,
    packages: Annotated[
        int, typer.Option(min=0, help="Number of invented packages to serve instead of the five documents.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the invented packages and of faults with a probability.")] = 0,
    hour: Annotated[
        float, typer.Option(help="Seconds in the hour of GitHub's limits; their minute shrinks in proportion.")
    ] = 3600,
    latency: Annotated[float, typer.Option(min=0, help="Seconds added to each response.")] = 0,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="Enforce no rate limit.")] = False,
    limit: Annotated[
        list[str] | None, typer.Option(help="Change a limit, for example core_per_hour=12500. Repeatable.")
    ] = None,
    token: Annotated[list[str] | None, typer.Option(help="Accept TOKEN or TOKEN=IDENTITY. Repeatable.")] = None,
    statistics_cold: Annotated[
        bool, typer.Option("--statistics-cold/--statistics-warm", help="Respond with 202 first after each push.")
    ] = False,
    statistics_seconds: Annotated[float, typer.Option(min=0, help="Seconds until cold statistics are ready.")] = 2,
    statistics_empty: Annotated[
        str, typer.Option(help="Statistics of an empty repository: zeros, 204 or 202.")
    ] = "zeros",
    participation: Annotated[
        str, typer.Option(help="Merge commits in weekly counts: with, without, or wrong (counts that fit neither).")
    ] = "with",
    contributors_lag: Annotated[
        float, typer.Option(min=0, help="Age in seconds of the history that contributor lists show.")
    ] = 0,
    mirror: Annotated[
        list[str] | None,
        typer.Option(help="Missing from the package index: etags, serials, json-api, simple-json. Repeatable."),
    ] = None,
    github: Annotated[
        list[str] | None,
        typer.Option(help="Detail of GitHub's responses: legacy-node-ids, opaque-cursors, since-stops. Repeatable."),
    ] = None,
    fault: Annotated[list[str] | None, typer.Option(help="Fault as JSON, see docs/simulator.md. Repeatable.")] = None,
    write_catalogue: Annotated[
        Path | None,
        typer.Option(help="Write a catalogue to import (.json or .jsonl: documents, .txt: addresses) and exit."),
    ] = None,
    access_log: Annotated[bool, typer.Option("--access-log", help="Print each request.")] = False,
) -> None:
    """Serve GitHub's and PyPI's APIs on loopback, limits and faults included, until Ctrl-C.

    `fetcher simulate --plan` serves nothing: it is `fetcher estimate`, the computed cost of refreshing a catalogue.

    Examples: fetcher simulate --packages 500 · fetcher simulate --hour 60
    """
    # The import of the server takes a quarter of a second, which would delay every other command of Fetcher.
    try:
        from fetcher.simulator.launch import CannotLaunchError, Options, launch  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "graphql":
            raise
        typer.echo("error: the simulator needs graphql-core. pip install 'fetcher[simulator]'", err=True)
        raise typer.Exit(1) from None

    options = Options(
        port=port,
        host=host,
        catalogue=catalogue,
        packages=packages,
        seed=seed,
        hour=hour,
        latency=latency,
        enforced=not no_limits,
        figures=tuple(limit or ()),
        tokens=tuple(token or ()),
        cold=statistics_cold,
        ready_after=statistics_seconds,
        empty=statistics_empty,
        participation=participation,
        contributors_lag=contributors_lag,
        lacking=tuple(mirror or ()),
        github=tuple(github or ()),
        faults=tuple(fault or ()),
        write_catalogue=write_catalogue,
        access_log=access_log,
    )
    try:
        launch(options, typer.echo)
    except CannotLaunchError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
