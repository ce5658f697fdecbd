"""The start of a simulator from the command's options; each mistake is reported in one line."""

import inspect
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from fetcher.simulator.catalogue import CatalogueError, from_folder, seeds, synthetic, write_catalogue
from fetcher.simulator.faults import Rule
from fetcher.simulator.mount import CannotLaunchError
from fetcher.simulator.repository import DEFAULT_HOST
from fetcher.simulator.server import Service, address_of, listen, serve
from fetcher.simulator.upstreams.registry import MOUNTS, Settings
from fetcher.simulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command's options as they were typed; seconds are floats here and durations from here on."""

    port: int
    host: str
    catalogue: Path | None
    packages: int
    seed: int
    hosts: tuple[str, ...] = (DEFAULT_HOST,)
    real_ids: bool = True
    latency: float
    faults: tuple[str, ...]
    write_catalogue: Path | None
    access_log: bool
    upstreams: Mapping[str, Any] = field(default_factory=dict)
    """The options of the upstreams by the names of their parameters."""


def launch(options: Options, say: Callable[[str], None]) -> None:
    """Print the settings to export, then serve until a signal; or only write the catalogue if so set."""
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
    service = Service(world, settings)
    for line in setting_lines(service.environment(address_of(bound)), for_shell=sys.stdout.isatty()):
        say(line)
    serve(service, bound, access_log=options.access_log)


def setting_lines(environment: Mapping[str, str], *, for_shell: bool) -> Iterator[str]:
    """Yield a line for each setting: to be pasted into a shell, or ``NAME=value`` as a program reads it."""
    for name, value in environment.items():
        yield f"export {name}={shlex.quote(value)}" if for_shell else f"{name}={value}"


def _world(options: Options) -> World:
    if options.catalogue is None:
        if not options.packages:
            return seeds()
        return synthetic(options.packages, options.seed, hosts=options.hosts, real_ids=options.real_ids)
    if options.packages:
        raise CannotLaunchError("--catalogue and --packages exclude each other")
    try:
        return from_folder(options.catalogue)
    except CatalogueError as error:
        raise CannotLaunchError(str(error)) from error


def _written(world: World, path: Path) -> int:
    try:
        return write_catalogue(world, path)
    except BrokenPipeError:
        raise  # the reader of a pipe has enough, as `head` does
    except OSError as error:
        raise CannotLaunchError(f"cannot write {path}: {error.strerror}") from error


def settings_of(options: Options) -> Settings:
    """Return the settings that the options stand for; CannotLaunchError names an option that is wrong."""
    fields: dict[str, Any] = {}
    for mount in MOUNTS:
        names = inspect.signature(mount.read_options).parameters
        fields |= mount.read_options(**{name: value for name, value in options.upstreams.items() if name in names})
    return Settings(
        **fields,
        faults=tuple(_rule(text) for text in options.faults),
        seed=options.seed,
        latency=timedelta(seconds=options.latency),
    )


_FAULT = """expected such as '{"kind": "status", "status": 500, "times": 9}'"""


def _rule(text: str) -> Rule:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise CannotLaunchError(f"--fault {text} is not JSON; {_FAULT}") from error
    if not isinstance(given, dict):
        raise CannotLaunchError(f"--fault {text} is not an object; {_FAULT}")
    try:
        return Rule.read(given, [mount.name for mount in MOUNTS])
    except (ValueError, TypeError) as error:
        raise CannotLaunchError(f"--fault {text}: {error}") from error
