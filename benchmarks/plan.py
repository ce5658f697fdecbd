"""``python -m benchmarks.plan``: what `fetcher simulate --plan` says beside what the simulator counts, pass by pass.

The plan is given what no constant can tell — how many heads moved, how many lists had a second page — from the
simulated world itself; what is compared is how many requests and points the engine makes of that. A day takes 1,440
plans a minute apart, so that batches fill as in production.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.engine import (
    ROUND,
    engine,
    import_packages,
    refresh_all,
    refresh_by_the_minute,
    settings_for,
    settings_of,
)
from benchmarks.figures import Figures
from benchmarks.passes import NEWCOMER_EVERY, Course
from benchmarks.processes import end_well, redis_server
from benchmarks.simulated import simulator
from benchmarks.timeline import Timeline
from fetcher.domain.scheduling import Cadence
from fetcher.sizing import Answers, Catalogue, Cost, Pass, Policy, Workers, daily_pass, first_pass

WITHIN = 0.05
"""The plan may be wrong by so much, or by ``A_FEW``."""
A_FEW = 5
_NEVER = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a pass, on paper and as counted."""

    of: str
    what: str
    planned: int
    counted: int

    @property
    def holds(self) -> bool:
        return abs(self.planned - self.counted) <= max(A_FEW, WITHIN * self.counted)


async def compare(packages: int, folder: Path, hour: float, *, a_day: bool = True) -> list[Line]:
    """A first pass, a day in which nothing moves, and a pass after 5 % of heads have moved and 2 % were released."""
    with redis_server() as redis_url, simulator(packages, hour=hour) as upstreams:
        settings = settings_of(settings_for(upstreams, folder, redis_url))
        timeline = Timeline(upstreams)
        async with engine(settings, timeline) as parts:
            slugs = import_packages(parts.store, timeline.now(), packages, folder)
            course = Course(parts, timeline, upstreams, packages, ())
            policy = Policy(Cadence(recheck=_NEVER), settings.serial_threshold)
            given = (policy, Answers(), Workers(1, 1, 1))
            world = Catalogue(packages, moved=0, released=0)

            first = await course.measured("first pass", refresh_all(parts, timeline))
            world = replace(world, further_pages=first.extra_pages / packages)
            lines = _lines(first, first_pass(world, *given, cold=False))

            if a_day:
                timeline.advance(ROUND)
                await refresh_all(parts, timeline)
                still = await course.measured("a day, nothing moved", refresh_by_the_minute(parts, timeline))
                lines += _lines(still, daily_pass(world, *given))

            timeline.advance(ROUND)
            moved = await course.churned(slugs)
            churned = replace(
                world,
                moved=moved.moved / packages,
                released=moved.released / packages,
                newcomers=1 / NEWCOMER_EVERY,
            )
            lines += _lines(replace(moved, name="5 % moved, 2 % released"), daily_pass(churned, *given), at_once=True)
            return lines


def _lines(found: Figures, planned: Pass, *, at_once: bool = False) -> list[Line]:
    """``at_once``: all was due in one moment, so that every batch was full, which a day's are not."""
    cost = replace(planned.cost, graphql=-(-found.packages // 100)) if at_once else planned.cost
    counted = Cost(found.stretch.counted.points.get("graphql", 0), found.rest_points, found.pypi)
    return [
        Line(found.name, what, getattr(cost, name), getattr(counted, name))
        for name, what in (("graphql", "GraphQL points"), ("rest", "REST points"), ("pypi", "PyPI requests"))
    ]


def table(lines: Sequence[Line]) -> Table:
    """A row a figure."""
    found = Table("pass", "", "on paper", "counted", f"within {WITHIN:.0%} or {A_FEW}")
    for line in lines:
        verdict = "[green]yes[/]" if line.holds else "[red]NO[/]"
        found.add_row(line.of, line.what, f"{line.planned:,}", f"{line.counted:,}", verdict)
    return found


def main(
    packages: Annotated[int, typer.Option(min=10, help="How many packages.")] = 600,
    hour: Annotated[float, typer.Option(min=10, help="Seconds that GitHub's hour lasts.")] = 60,
) -> None:
    """The plan on paper beside a simulated run."""
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-") as folder:
        lines = asyncio.run(compare(packages, Path(folder), hour))
    Console(width=120).print(table(lines))


if __name__ == "__main__":
    end_well()
    typer.run(main)
