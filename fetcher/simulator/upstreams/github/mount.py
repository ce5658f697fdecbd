"""The registry's entry of GitHub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fetcher.simulator.mount import CannotLaunchError, Mount, Upstream
from fetcher.simulator.upstreams.github.credentials import DEFAULT_IDENTITY, Credentials
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.github.node_ids import NodeIds
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.upstreams.github.settings import GitHubSettings
from fetcher.simulator.upstreams.github.statistics_jobs import EmptyAnswer, Participation, Statistics

if TYPE_CHECKING:
    from fetcher.simulator.world import World

Choice = TypeVar("Choice", bound=StrEnum)

LEAST_HOUR = 1.0
DETAILS = ("legacy-node-ids", "opaque-cursors", "since-stops")
FIGURES = tuple(one.name for one in fields(Limits) if one.type is int)


class GitHubMount(Mount):
    """GitHub under ``/github``, and under GitHub Enterprise's addresses."""

    name = "github"

    def read_options(  # noqa: PLR0913, PLR0917 - one parameter an option, as typer wants it
        self,
        hour: Annotated[
            float, typer.Option(help="Seconds in the hour of GitHub's limits; their minute shrinks in proportion.")
        ] = 3600,
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
        github: Annotated[
            list[str] | None,
            typer.Option(
                help="Detail of GitHub's responses: legacy-node-ids, opaque-cursors, since-stops. Repeatable."
            ),
        ] = None,
    ) -> Mapping[str, Any]:
        return {
            "limits": _limits(hour, limit or (), enforced=not no_limits),
            "statistics": Statistics(
                cold=statistics_cold,
                ready_after=timedelta(seconds=statistics_seconds),
                empty=_one_of(EmptyAnswer, "--statistics-empty", statistics_empty),
                participation=_one_of(Participation, "--participation", participation),
                contributors_lag=timedelta(seconds=contributors_lag),
            ),
            "github": _details(github or ()),
            "credentials": Credentials.of(_identities(token)) if token else Credentials(),
        }

    def open(self, world: World, settings: GitHubSettings) -> Upstream:
        from fetcher.simulator.upstreams.github.upstream import GitHub  # noqa: PLC0415 - see Mount

        return GitHub(world, settings)


def _one_of(kind: type[Choice], option: str, text: str) -> Choice:
    if text not in list(kind):
        raise CannotLaunchError(f"{option} {text}: expected one of {', '.join(kind)}")
    return kind(text)


def _limits(hour: float, given: Sequence[str], *, enforced: bool) -> Limits:
    if hour < LEAST_HOUR:
        raise CannotLaunchError(f"--hour {hour:g}: an hour lasts a second at least")
    figures: dict[str, int] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in FIGURES or not (value.isascii() and value.isdigit()):
            raise CannotLaunchError(f"--limit {text}: expected NAME=NUMBER with one of {', '.join(FIGURES)}")
        figures[name] = int(value)
    return Limits(hour=timedelta(seconds=hour), enforced=enforced, **figures)  # type: ignore[arg-type]


def _details(names: Sequence[str]) -> GitHubOptions:
    options = GitHubOptions()
    for name in names:
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
    pairs = [text.partition("=") for text in tokens]
    if not all(token for token, _, _ in pairs):
        raise CannotLaunchError("--token: a token cannot be empty; leave the option out to accept any usual one")
    return {token: identity or DEFAULT_IDENTITY for token, _, identity in pairs}
