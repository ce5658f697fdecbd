"""``fetcher simulate``: the simulator as a process. Also ``python -m fetcher.simulator``."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_PORT = 8990


def simulate(  # noqa: PLR0913, PLR0917 - one parameter an option, as typer wants it
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="Address to listen on. Whoever reaches it controls it.")] = "127.0.0.1",
    catalogue: Annotated[Path | None, typer.Option(help="Folder of package documents to serve.")] = None,
    packages: Annotated[int, typer.Option(min=0, help="Serve so many invented packages instead.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the invented packages and of the faults' chance.")] = 0,
    hour: Annotated[float, typer.Option(help="Seconds that GitHub's hour lasts; its minute shrinks alike.")] = 3600,
    latency: Annotated[float, typer.Option(min=0, help="Seconds that every answer takes longer.")] = 0,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="Refuse nothing.")] = False,
    limit: Annotated[list[str] | None, typer.Option(help="Change a figure: core_per_hour=12500. Repeatable.")] = None,
    token: Annotated[list[str] | None, typer.Option(help="Accept TOKEN or TOKEN=IDENTITY. Repeatable.")] = None,
    statistics_cold: Annotated[
        bool, typer.Option("--statistics-cold/--statistics-warm", help="Answer 202 first after each push.")
    ] = False,
    statistics_seconds: Annotated[float, typer.Option(min=0, help="How long cold statistics take.")] = 2,
    statistics_empty: Annotated[
        str, typer.Option(help="Statistics of an empty repository: zeros, 204, 202.")
    ] = "zeros",
    participation: Annotated[
        str, typer.Option(help="Weekly counts hold merge commits: with, without, or wrong (counts fit neither).")
    ] = "with",
    contributors_lag: Annotated[
        float, typer.Option(min=0, help="Seconds by which lists of contributors are behind.")
    ] = 0,
    mirror: Annotated[
        list[str] | None,
        typer.Option(help="The index lacks: etags, serials, json-api, simple-json. Repeatable."),
    ] = None,
    github: Annotated[
        list[str] | None,
        typer.Option(help="GitHub's answers have: legacy-node-ids, opaque-cursors, since-stops. Repeatable."),
    ] = None,
    fault: Annotated[list[str] | None, typer.Option(help="A fault as JSON, see docs/simulator.md. Repeatable.")] = None,
    write_catalogue: Annotated[
        Path | None, typer.Option(help="Write what to import (.json documents, .txt addresses) and end.")
    ] = None,
    access_log: Annotated[bool, typer.Option("--access-log", help="Print each request.")] = False,
) -> None:
    """Serve GitHub's and PyPI's APIs on loopback, limits and faults included, until Ctrl-C."""
    # The server takes a quarter of a second to import, which every other command of Fetcher's would pay for.
    from fetcher.simulator.launch import CannotLaunchError, Options, launch  # noqa: PLC0415

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
