"""``fetcher estimate``: the computed cost of refreshing a catalogue, also as ``fetcher simulate --plan``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, TypeAlias

import typer
from rich.table import Table

from fetcher.cli.screen import out, plain_table, print_json
from fetcher.domain.presentation import sweep_facts, sweep_in_words
from fetcher.domain.scheduling import Cadence
from fetcher.settings import Settings, read_settings
from fetcher.sizing import (
    COMMIT_PAGES,
    HISTORIES,
    MOVED,
    MOVED_COMMIT_PAGES,
    NEWCOMERS,
    RELEASED,
    Answers,
    Bound,
    Catalogue,
    Pass,
    Policy,
    Workers,
    daily_pass,
    first_pass,
    intervals,
    most_packages,
)
from fetcher.upstreams.github import limits as github
from fetcher.upstreams.github.queries import MAX_NODES
from fetcher.upstreams.github.refresh import CONCURRENCY as REPOSITORY_CONCURRENCY
from fetcher.upstreams.pypi import limits as pypi
from fetcher.upstreams.pypi.upstream import CONCURRENCY as PROJECT_CONCURRENCY
from fetcher.wiring import DAY

Given: TypeAlias = tuple[Catalogue, Policy, Answers, Workers]


def share(text: str) -> float:
    """Parse a share of the packages: ``5%`` or ``0.05``."""
    text = str(text).strip()
    try:
        part = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        part = -1.0
    if not 0 <= part <= 1:
        raise typer.BadParameter(f"{text!r} is not a share: give 5% or 0.05")
    return part


def estimate(  # noqa: PLR0913, PLR0917 - one parameter an option, as Typer reads them
    packages: Annotated[int, typer.Option(min=1, help="Number of packages.")] = 1_000_000,
    latency: Annotated[
        float, typer.Option(min=0, help="Seconds of each upstream response; 0: measured values of each upstream.")
    ] = 0,
    moved: Annotated[
        float, typer.Option(parser=share, metavar="SHARE", help="Packages with new commits a day.")
    ] = MOVED,
    released: Annotated[
        float, typer.Option(parser=share, metavar="SHARE", help="Packages with a release a day.")
    ] = RELEASED,
    newcomers: Annotated[
        float, typer.Option(parser=share, metavar="SHARE", help="Moved packages with a new contributor.")
    ] = NEWCOMERS,
    commit_pages: Annotated[
        float, typer.Option(min=0, help="Further pages of 100 commits a year, per package.")
    ] = COMMIT_PAGES,
    moved_commit_pages: Annotated[
        float, typer.Option(min=0, help="The same for a package with new commits.")
    ] = MOVED_COMMIT_PAGES,
    histories: Annotated[int, typer.Option(min=1, max=MAX_NODES, help="Histories per query.")] = HISTORIES,
    without_merges: Annotated[
        bool, typer.Option("--without-merges", help="Assume that participation excludes merge commits.")
    ] = False,
    identities: Annotated[int, typer.Option(min=1, help="GitHub identities.")] = 1,
    quota: Annotated[
        int, typer.Option(min=1, help="Points an hour of each identity; up to 12500 for an App.")
    ] = github.REST.primary,
    workers: Annotated[int, typer.Option(min=1, help="Background worker processes.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the computed duration and cost of a pass over a catalogue; request and serve nothing.

    The figures follow from the quota's limits and this environment's settings. `fetcher simulate --plan` is the same
    command.

    Examples: fetcher estimate --packages 1000000 --moved 5% · fetcher estimate --packages 55000 --quota 12500 --json
    """
    catalogue = Catalogue(
        packages,
        moved,
        released,
        newcomers,
        commit_pages=commit_pages,
        moved_commit_pages=moved_commit_pages,
        merges=not without_merges,
    )
    answers = Answers(latency, latency, latency, histories) if latency else Answers(histories=histories)
    settings = read_settings()
    policy = _policy(settings, identities, quota)
    given = (catalogue, policy, answers, Workers(workers, REPOSITORY_CONCURRENCY, PROJECT_CONCURRENCY))
    passes = [first_pass(*given), daily_pass(*given)]
    most = most_packages(*given)
    if json:
        print_json(_as_json(given, passes, most))
    else:
        _print(given, passes, most)


def _policy(settings: Settings, identities: int, quota: int) -> Policy:
    cadence = Cadence(settings.fixed_interval or DAY, settings.recheck_interval)
    share = None if settings.fixed_interval else settings.quota_share
    limits, index = (policy.scaled(settings.window_scale) for policy in (github.with_primary(quota), pypi.POLICY))
    return Policy(cadence, settings.serial_threshold, settings.plan_interval, identities, share, limits, index)


def _print(given: Given, passes: list[Pass], most: int) -> None:
    catalogue, policy, answers, asking = given
    costs = plain_table("", *(one.name for one in passes))
    rows: dict[str, Callable[[Pass], str]] = {
        "GraphQL points": lambda one: f"{one.cost.graphql:,}",
        "GraphQL queries": lambda one: f"{one.cost.queries:,}",
        "GraphQL response time": lambda one: _span(timedelta(seconds=one.seconds.graphql)),
        "REST requests, a point each": lambda one: f"{one.cost.rest:,}",
        "PyPI requests": lambda one: f"{one.cost.pypi:,}",
        "takes": lambda one: _span(one.takes),
        "limited by": lambda one: _name(one.binding),
    }
    for name, cell in rows.items():
        costs.add_row(name, *map(cell, passes))
    bounds = plain_table("if this were the only limit", *(one.name for one in passes))
    for index, bound in enumerate(passes[0].bounds):
        bounds.add_row(_name(bound), *(_span(one.bounds[index].takes) for one in passes))
    interval, recheck = policy.cadence.interval, policy.cadence.recheck
    points = policy.github.resource(github.Resource.CORE).primary
    plan = intervals(catalogue, policy)
    each = f"each {_span(interval)}" if plan is None else f"{sweep_in_words(plan)}\nEach day"
    out.print(
        f"{catalogue.packages:,} packages {each}, {catalogue.moved:.1%} moved and "
        f"{catalogue.released:.1%} released; lists requested again each {_span(recheck)}\n"
        f"{answers.histories} histories a query; further pages of commits: {catalogue.commit_pages:g} a history, "
        f"{catalogue.moved_commit_pages:g} of the moved, of which {catalogue.newcomers:.0%} have a new contributor\n"
        f"{policy.identities} x {points:,} points an hour, {asking.processes} worker processes; "
        f"responses take {answers.graphql:g} s (GraphQL), {answers.rest:g} s (REST), {answers.pypi:g} s (PyPI)\n"
    )
    out.print(_right(costs), "", _right(bounds), "", sep="\n")
    day = passes[-1]
    verdict = "fits into" if day.takes <= interval else "does NOT fit into"
    out.print(f"{day.name}'s pass {verdict} its {_span(interval)}; such a catalogue may have up to {most:,} packages")
    if day.takes > interval:
        out.print(
            "Remedies: a longer FETCHER_RECHECK_INTERVAL or FETCHER_REFRESH_INTERVAL, another identity, more workers"
        )


def _right(table: Table) -> Table:
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = False
    return table


def _name(bound: Bound) -> str:
    resource = {None: "", "graphql": "GraphQL ", "core": "REST ", "pypi": "PyPI "}[bound.resource]
    return f"{resource}{bound.name}"


def _span(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    if hours >= 0.1:
        return f"{hours:,.1f} h"
    return f"{span.total_seconds():,.0f} s"


def _as_json(given: Given, passes: list[Pass], most: int) -> dict[str, Any]:
    catalogue, policy, answers, asking = given
    plan = intervals(catalogue, policy)
    return {
        "catalogue": asdict(catalogue),
        "interval": policy.cadence.interval,
        "recheck": policy.cadence.recheck,
        "identities": policy.identities,
        "workers": asdict(asking),
        "answers_seconds": asdict(answers),
        "passes": [
            {
                "name": one.name,
                "requests": asdict(one.cost),
                "answering_seconds": asdict(one.seconds),
                "hours": one.takes / timedelta(hours=1),
                "binds": _name(one.binding),
                "bounds_hours": {_name(bound): bound.takes / timedelta(hours=1) for bound in one.bounds},
            }
            for one in passes
        ],
        "intervals": None if plan is None else sweep_facts(plan),
        "most_packages": most,
    }
