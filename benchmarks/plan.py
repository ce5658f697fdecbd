"""``python -m benchmarks.plan``: the figures of ``fetcher estimate`` beside the simulator's, by pass.

Numbers that no constant states are passed to the plan from the simulated world: moved heads, and lists and histories
with further pages. Compared are the requests and points of the engine. A day takes 1,440 plans a minute apart, so that
batches fill as in production.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from benchmarks.engine import (
    ROUND,
    engine,
    import_packages,
    refresh_all,
    refresh_by_the_minute,
    settings_for,
    settings_of,
)
from benchmarks.figures import CatalogueStats
from benchmarks.passes import Course
from benchmarks.processes import end_well
from benchmarks.pushes import push_anywhere
from benchmarks.simulated import simulator
from benchmarks.timeline import Timeline
from fetcher.domain.model import DueReason, Source
from fetcher.domain.scheduling import Cadence
from fetcher.sizing import Answers, Catalogue, Cost, Policy, Workers, daily_pass, first_pass
from fetcher.store.schema import source_states
from fetcher.upstreams.github.queries import PAGE_SIZE
from fetcher.wiring import Parts
from tests.harness.redis_server import running_redis

WITHIN = 0.05
"""Largest allowed relative error of the plan, unless the absolute one is within ``A_FEW``."""
A_FEW = 5
_NEVER = timedelta(days=36_500)
_CONFIRMS = (DueReason.SETTLING, DueReason.ORDER)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a pass, as planned and as counted."""

    of: str
    what: str
    planned: int
    counted: int

    @property
    def holds(self) -> bool:
        return abs(self.planned - self.counted) <= max(A_FEW, WITHIN * self.counted)


async def compare(packages: int, folder: Path, hour: float, *, a_day: bool = True) -> list[Line]:
    """Measure a first pass, an unchanged day, a day with 5 % of heads moved and 2 % released, and the day after."""
    with running_redis() as redis_url, simulator(packages, hour=hour) as upstreams:
        settings = settings_of(settings_for(upstreams, folder, redis_url))
        timeline = Timeline(upstreams)
        async with engine(settings, timeline) as parts:
            slugs = import_packages(parts.store, timeline.now(), packages, folder)
            course = Course(parts, timeline, upstreams, packages, ())
            policy = Policy(Cadence(recheck=_NEVER), settings.serial_threshold)
            given = (policy, Answers(), Workers(1, 1, 1))
            world = Catalogue(packages, moved=0, released=0)

            first = await course.measured("first pass", refresh_all(parts, timeline))
            pages = _commit_pages(parts, slugs)
            world = replace(world, further_pages=first.extra_pages / packages, commit_pages=sum(pages) / packages)
            lines = _lines(first, first_pass(world, *given).cost)
            timeline.advance(ROUND)
            await refresh_all(parts, timeline)

            if a_day:
                still = await course.measured("a day, nothing moved", refresh_by_the_minute(parts, timeline))
                lines += _lines(still, daily_pass(world, *given).cost)

            timeline.advance(ROUND)
            moved = await course.moved("5 % moved, 2 % released", push_anywhere(upstreams, 0))
            waiting = _waiting_lists(parts)
            after = await course.next_day("5 % moved, 2 % released, and the day after", moved)
            churned = replace(
                world,
                moved=moved.moved / packages,
                released=moved.released / packages,
                newcomers=waiting / moved.moved,
                moved_commit_pages=world.commit_pages,
            )
            planned = [daily_pass(one, *given, at_once=True).cost for one in (churned, world)]
            both = Cost(*(sum(figures) for figures in zip(*map(astuple, planned), strict=True)))
            return lines + _lines(after, both)


def _waiting_lists(parts: Parts) -> int:
    """Return the number of contributors' lists that are to confirm an undecided history."""
    confirms = select(func.count()).where(
        source_states.c.source == Source.CONTRIBUTORS, source_states.c.due_reason.in_(_CONFIRMS)
    )
    with parts.store.engine.connect() as connection:
        return connection.execute(confirms).scalar_one()


def _commit_pages(parts: Parts, slugs: Sequence[str]) -> list[int]:
    """Return the number of pages of commits beyond the first in the history of each package."""
    stored = [package.commit_days for package in map(parts.store.packages.get, slugs) if package is not None]
    return [max(0, math.ceil(sum(days.counts) / PAGE_SIZE) - 1) for days in stored if days is not None]


def _lines(found: CatalogueStats, planned: Cost) -> list[Line]:
    """Return a line a figure of ``found`` and the pass that caused it."""
    counted = [one.stretch.counted for one in (found, found.cause) if one is not None]
    figures = {
        "GraphQL points": (planned.graphql, sum(one.points.get("graphql", 0) for one in counted)),
        "GraphQL queries": (planned.queries, sum(one.asked("github", "graphql") for one in counted)),
        "REST points": (planned.rest, sum(one.points.get("core", 0) for one in counted)),
        "PyPI requests": (planned.pypi, sum(one.asked("pypi") for one in counted)),
    }
    return [Line(found.name, what, *pair) for what, pair in figures.items()]


def table(lines: Sequence[Line]) -> Table:
    """Build a table with a row a figure."""
    found = Table("pass", "", "on paper", "counted", f"within {WITHIN:.0%} or {A_FEW}")
    for line in lines:
        verdict = "[green]yes[/]" if line.holds else "[red]NO[/]"
        found.add_row(line.of, line.what, f"{line.planned:,}", f"{line.counted:,}", verdict)
    return found


def main(
    packages: Annotated[int, typer.Option(min=10, help="Number of packages.")] = 600,
    hour: Annotated[float, typer.Option(min=10, help="Length of GitHub's hour in seconds.")] = 60,
) -> None:
    """Compare the plan with a simulated run."""
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-") as folder:
        lines = asyncio.run(compare(packages, Path(folder), hour))
    Console(width=120).print(table(lines))


if __name__ == "__main__":
    end_well()
    typer.run(main)
