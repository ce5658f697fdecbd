"""The start of a simulator from the command's options; each mistake is reported in one line."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from fetcher.simulator.catalogue import CatalogueError, from_folder, seeds, synthetic, write_catalogue
from fetcher.simulator.faults import Rule
from fetcher.simulator.server import GITHUB_ROOT, PYPI_ROOT, Service, Settings, address_of, listen, serve
from fetcher.simulator.upstreams.github.credentials import DEFAULT_IDENTITY, Credentials
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.github.node_ids import NodeIds
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.upstreams.github.statistics_jobs import EmptyAnswer, Participation, Statistics
from fetcher.simulator.upstreams.pypi.upstream import Index
from fetcher.simulator.world import World

Choice = TypeVar("Choice", bound=StrEnum)

LEAST_HOUR = 1.0
DETAILS = ("legacy-node-ids", "opaque-cursors", "since-stops")
FIGURES = tuple(one.name for one in fields(Limits) if one.type is int)


class CannotLaunchError(Exception):
    """An option that cannot be followed; the text is the one line that the user reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command's options as they were typed; seconds are floats here and durations from here on."""

    port: int
    host: str
    catalogue: Path | None
    packages: int
    seed: int
    hour: float
    latency: float
    enforced: bool
    figures: tuple[str, ...]
    tokens: tuple[str, ...]
    cold: bool
    ready_after: float
    empty: str
    participation: str
    contributors_lag: float
    lacking: tuple[str, ...]
    github: tuple[str, ...]
    faults: tuple[str, ...]
    write_catalogue: Path | None
    access_log: bool


def launch(options: Options, say: Callable[[str], None]) -> None:
    """Print the variables to export, then serve until SIGINT or SIGTERM; or only write the catalogue if so set."""
    world = _world(options)
    if options.write_catalogue is not None:
        say(f"{_written(world, options.write_catalogue)} packages written to {options.write_catalogue}")
        return
    settings = settings_of(options)
    try:
        bound = listen(options.host, options.port)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        raise CannotLaunchError(f"cannot listen on {where}: {error.strerror}; try another --port, or 0") from error
    address = address_of(bound)
    say(f"FETCHER_GITHUB_API_URL={address}{GITHUB_ROOT}")
    say(f"FETCHER_PYPI_URL={address}{PYPI_ROOT}")
    say(f"FETCHER_GITHUB_TOKEN={next(iter(settings.credentials.identities))}")
    serve(Service(world, settings), bound, access_log=options.access_log)


def _world(options: Options) -> World:
    if options.catalogue is None:
        return synthetic(options.packages, options.seed) if options.packages else seeds()
    if options.packages:
        raise CannotLaunchError("--catalogue and --packages exclude each other")
    try:
        return from_folder(options.catalogue)
    except CatalogueError as error:
        raise CannotLaunchError(str(error)) from error


def _written(world: World, path: Path) -> int:
    try:
        return write_catalogue(world, path)
    except OSError as error:
        raise CannotLaunchError(f"cannot write {path}: {error.strerror}") from error


def settings_of(options: Options) -> Settings:
    """Return the settings that the options stand for; CannotLaunchError names an option that is wrong."""
    return Settings(
        limits=_limits(options),
        statistics=_statistics(options),
        index=_index(options.lacking),
        github=_github(options.github),
        credentials=Credentials.of(_identities(options.tokens)) if options.tokens else Credentials(),
        faults=tuple(_rule(text) for text in options.faults),
        seed=options.seed,
        latency=timedelta(seconds=options.latency),
    )


def _statistics(options: Options) -> Statistics:
    return Statistics(
        cold=options.cold,
        ready_after=timedelta(seconds=options.ready_after),
        empty=_one_of(EmptyAnswer, "--statistics-empty", options.empty),
        participation=_one_of(Participation, "--participation", options.participation),
        contributors_lag=timedelta(seconds=options.contributors_lag),
    )


def _one_of(kind: type[Choice], option: str, text: str) -> Choice:
    if text not in list(kind):
        raise CannotLaunchError(f"{option} {text}: expected one of {', '.join(kind)}")
    return kind(text)


def _limits(options: Options) -> Limits:
    if options.hour < LEAST_HOUR:
        raise CannotLaunchError(f"--hour {options.hour:g}: an hour lasts a second at least")
    figures: dict[str, int] = {}
    for text in options.figures:
        name, _, value = text.partition("=")
        if name not in FIGURES or not (value.isascii() and value.isdigit()):
            raise CannotLaunchError(f"--limit {text}: expected NAME=NUMBER with one of {', '.join(FIGURES)}")
        figures[name] = int(value)
    return Limits(hour=timedelta(seconds=options.hour), enforced=options.enforced, **figures)  # type: ignore[arg-type]


def _index(lacking: Sequence[str]) -> Index:
    offered = {one.name.replace("_", "-"): one.name for one in fields(Index)}
    for name in lacking:
        if name not in offered:
            raise CannotLaunchError(f"--mirror {name}: expected one of {', '.join(offered)}")
    return Index(**{offered[name]: False for name in lacking})


def _github(details: Sequence[str]) -> GitHubOptions:
    options = GitHubOptions()
    for name in details:
        match name:
            case "legacy-node-ids":
                options.node_ids = NodeIds.LEGACY
            case "opaque-cursors":
                options.opaque_cursors = True
            case "since-stops":
                options.since_stops = True
            case _:
                raise CannotLaunchError(f"--github {name}: expected one of {', '.join(DETAILS)}")
    return options


def _identities(tokens: Sequence[str]) -> Mapping[str, str]:
    """Return the TOKEN=IDENTITY pairs as a mapping; a token alone is the usual user's."""
    pairs = (text.partition("=") for text in tokens)
    return {token: identity or DEFAULT_IDENTITY for token, _, identity in pairs}


def _rule(text: str) -> Rule:
    try:
        return Rule.read(json.loads(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise CannotLaunchError(f"--fault {text}: {error}") from error
