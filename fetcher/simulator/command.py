"""``fetcher simulate``: the simulator as a process. Also ``python -m fetcher.simulator``."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from fetcher.simulator.mount import CannotLaunchError
from fetcher.simulator.repository import DEFAULT_HOST
from fetcher.simulator.upstreams.registry import MOUNTS

DEFAULT_PORT = 8990


def _simulate(  # noqa: PLR0913, PLR0917 - one parameter an option, as typer wants it
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = DEFAULT_PORT,
    host: Annotated[
        str, typer.Option(help="Address to listen on; every client that reaches it can control the simulator.")
    ] = "127.0.0.1",
    catalogue: Annotated[Path | None, typer.Option(help="Folder of package documents to serve.")] = None,
    packages: Annotated[
        int, typer.Option(min=0, help="Number of invented packages to serve instead of the five documents.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the invented packages and of faults with a probability.")] = 0,
    at: Annotated[
        list[str] | None, typer.Option("--at", help="Host of the invented packages. Repeatable: they take turns.")
    ] = None,
    no_git: Annotated[
        bool, typer.Option("--no-git", help="Invent the commits' ids. Saves the simulator time; git is not served.")
    ] = False,
    latency: Annotated[float, typer.Option(min=0, help="Seconds added to each response.")] = 0,
    fault: Annotated[list[str] | None, typer.Option(help="Fault as JSON, see the example below. Repeatable.")] = None,
    write_catalogue: Annotated[
        Path | None,
        typer.Option(help="Write a catalogue to import (.json or .jsonl: documents, .txt: addresses) and exit."),
    ] = None,
    access_log: Annotated[bool, typer.Option("--access-log", help="Print each request.")] = False,
    **upstreams: Any,
) -> None:
    """Serve simulated forges and PyPI on loopback, limits and faults included, until Ctrl-C.

    The forges are GitHub, GitLab, Forgejo and Bitbucket. Each also serves its repositories over git.

    `fetcher simulate --plan` serves nothing: it is `fetcher estimate`, the computed cost of refreshing a catalogue.

    Examples: fetcher simulate --packages 500 · fetcher simulate --hour 60
    · fetcher simulate --fault '{"kind": "status", "status": 500, "times": 9}'
    """
    # The import of the server takes a quarter of a second, which would delay every other command of Fetcher.
    from fetcher.simulator.launch import Options, launch  # noqa: PLC0415

    options = Options(
        port=port,
        host=host,
        catalogue=catalogue,
        packages=packages,
        seed=seed,
        hosts=tuple(at or (DEFAULT_HOST,)),
        real_ids=not no_git,
        latency=latency,
        faults=tuple(fault or ()),
        write_catalogue=write_catalogue,
        access_log=access_log,
        upstreams=upstreams,
    )
    try:
        launch(options, typer.echo)
    except ModuleNotFoundError as error:
        if error.name != "graphql":
            raise
        typer.echo(
            "error: the simulator needs graphql-core. Run pip install '.[simulator]' in Fetcher's clone", err=True
        )
        raise typer.Exit(1) from None
    except CannotLaunchError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def with_parameters(command: Callable[..., Any], parameters: Iterable[inspect.Parameter]) -> Callable[..., Any]:
    """Declare the parameters of a command that takes keywords, for Typer to read."""
    signature = inspect.Signature(list(parameters))
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    return command


def _parameters() -> Iterable[inspect.Parameter]:
    """Yield the parameters of the command itself, then those of each upstream."""
    sources: list[Callable[..., Any]] = [_simulate, *(mount.read_options for mount in MOUNTS)]
    for source in sources:
        for one in inspect.signature(source, eval_str=True).parameters.values():
            if one.kind is not one.VAR_KEYWORD:
                yield one


simulate = with_parameters(_simulate, _parameters())
