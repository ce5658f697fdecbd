"""``python -m benchmarks.passes``: what each kind of pass over a catalogue costs the upstreams, and is it right.

Passes against a simulator in a process of its own that enforces every documented limit: the first ever with warm
and with cold statistics, one where nothing has changed, and one where 5 % of the heads have moved and 2 % of the
projects have a new release. Between passes both clocks move on by a day and a half, so that every slot comes again and
all is due at once, as after an outage. Last, one day in which nothing changes, minute by minute, as production sees it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.correctness import verify
from benchmarks.engine import (
    ROUND,
    engine,
    import_packages,
    measured,
    refresh_all,
    refresh_by_the_minute,
    settings_for,
    settings_of,
)
from benchmarks.figures import Bound, Figures, at_most, bounds_table, extra_pages, passes_table, told_differences
from benchmarks.processes import end_well, redis_server
from benchmarks.simulated import SimulatorProcess, simulator
from benchmarks.timeline import Timeline
from fetcher.wiring import Parts

GROWTH = (500, 5_500, 55_000)
LARGEST_FIRST_PASS = 12_500
"""55,000 packages need a day of GitHub's quota for their first pass, whoever asks. An App installation has up to 12,500
points an hour (FACTS.md): with it the compressed day takes some minutes."""

NEWCOMER_EVERY = 5
"""Of the moved heads, each fifth has a commit of somebody new, so that the contributors must be asked whole."""

SERIALS = 501
"""Smaller catalogues ask each project, conditionally, instead of the root: FETCHER_SERIAL_THRESHOLD."""

COMPUTING = 30.0
"""Seconds of a real hour that GitHub takes to compute cold statistics."""

GITHUB_HOUR = 3600.0

COLD, WARM = "first ever, cold", "first ever, warm"
UNCHANGED, CHURNED = "nothing changed", "5 % moved, 2 % released"
BY_THE_MINUTE = "nothing changed, by the minute"

BOUNDS = (
    Bound(WARM, "GraphQL points a package", lambda f: f.graphql, at_most(0.02)),
    Bound(WARM, "REST points a package*", lambda f: f.rest, at_most(2.1)),
    Bound(COLD, "GraphQL points a package", lambda f: f.graphql, at_most(0.02)),
    Bound(COLD, "REST points a package*", lambda f: f.rest, at_most(3.1)),
    Bound(UNCHANGED, "GraphQL points a package", lambda f: f.graphql, at_most(0.02)),
    Bound(UNCHANGED, "REST points", lambda f: f.rest_points, at_most(0)),
    Bound(UNCHANGED, "PyPI requests in all", lambda f: f.pypi, at_most(2), SERIALS),
    Bound(UNCHANGED, "worker CPU, ms a package", lambda f: f.cpu_ms, at_most(2)),
    Bound(CHURNED, "GraphQL points a package", lambda f: f.graphql, at_most(0.02)),
    Bound(CHURNED, "REST points a moved package", lambda f: f.rest_per_moved or 0, at_most(1.4)),
    Bound(CHURNED, "PyPI requests in all", lambda f: f.pypi, lambda f: 2 + f.released, SERIALS),
    Bound(BY_THE_MINUTE, "GraphQL points a package", lambda f: f.graphql, at_most(0.02)),
    Bound(BY_THE_MINUTE, "REST points", lambda f: f.rest_points, at_most(0)),
    Bound(BY_THE_MINUTE, "PyPI requests in all", lambda f: f.pypi, at_most(2), SERIALS),
    Bound(BY_THE_MINUTE, "worker CPU, ms a package", lambda f: f.cpu_ms, at_most(2), GROWTH[1]),
    *(
        Bound(name, what, figure, at_most(0))
        for name in (WARM, COLD, UNCHANGED, CHURNED, BY_THE_MINUTE)
        for what, figure in (
            ("limits tripped", lambda f: f.stretch.counted.tripped + f.stretch.counted.asked_while_waiting),
            ("differences from the truth", lambda f: f.differences),
        )
    ),
)

CAPTION = "* without the contributors' pages beyond the first, which are counted beside it"


async def passes(
    packages: int, folder: Path, *, hour: float, sample: int, cold: bool, database: str | None = None
) -> list[Figures]:
    """The first pass and those of the next days, over one catalogue in one simulated world."""
    computing = COMPUTING * hour / GITHUB_HOUR  # in the hour's own time, as the pauses between two asks are
    options = ["--statistics-cold", "--statistics-seconds", f"{computing:.3f}"] if cold else []
    if packages > GROWTH[1]:
        options += ["--limit", f"core_per_hour={LARGEST_FIRST_PASS}"]
    with redis_server() as redis_url, simulator(packages, *options, hour=hour) as upstreams:
        settings = settings_of(settings_for(upstreams, folder, redis_url, database))
        timeline = Timeline(upstreams)
        async with engine(settings, timeline) as parts:
            slugs = import_packages(parts.store, timeline.now(), packages, folder)
            course = Course(parts, timeline, upstreams, packages, slugs[:: max(1, len(slugs) // sample)])
            if cold:
                return [await course.all_due(COLD)]
            found = [await course.all_due(WARM)]
            timeline.advance(ROUND)
            found.append(await course.all_due(UNCHANGED))
            timeline.advance(ROUND)
            found.append(await course.churned(slugs))
            found.append(await course.measured(BY_THE_MINUTE, refresh_by_the_minute(parts, timeline)))
            return found


@dataclass(frozen=True, slots=True)
class Course:
    """The passes of one engine over one world; ``sampled`` packages are compared with the truth after each."""

    parts: Parts
    timeline: Timeline
    upstreams: SimulatorProcess
    packages: int
    sampled: Sequence[str]

    async def all_due(self, name: str) -> Figures:
        """A pass over everything that is due."""
        return await self.measured(name, refresh_all(self.parts, self.timeline))

    async def churned(self, slugs: Sequence[str]) -> Figures:
        """A pass after 5 % of heads have moved and 2 % of projects have a new release, each of which is compared."""
        changed = self.upstreams.act("churn")
        moved, released = changed["pushed"], changed["released"]
        for name in moved[::NEWCOMER_EVERY]:
            self.upstreams.act("push", target=name, login="a-newcomer")
        names = {name.rpartition("/")[2] for name in moved} | set(released)
        also = tuple(slug for slug in slugs if slug in names)
        found = await self.measured(CHURNED, refresh_all(self.parts, self.timeline), also)
        return replace(found, moved=len(moved), released=len(released))

    async def measured(self, name: str, work: Awaitable[None], also: Sequence[str] = ()) -> Figures:
        """What ``work`` came to; the truth is asked when it is over."""
        stretch = await measured(self.upstreams, self.timeline, work)
        further = extra_pages(self.parts, self.upstreams)
        verdict = verify(self.parts, self.upstreams, [*self.sampled, *also])
        Console(stderr=True).log(f"{self.packages:,} packages, {name}: {stretch.seconds:.0f} s")
        return Figures(name, self.packages, stretch, further, verdict)


def main(
    packages: Annotated[int, typer.Option(min=10, help="How many packages.")] = 5_500,
    growth: Annotated[bool, typer.Option("--growth", help="500, 5,500 and 55,000 packages; some 25 minutes.")] = False,
    hour: Annotated[float, typer.Option(min=10, help="Seconds that GitHub's hour lasts.")] = 60,
    sample: Annotated[int, typer.Option(min=1, help="Packages to compare with the truth after each pass.")] = 400,
    database: Annotated[str | None, typer.Option(help="An empty PostgreSQL instead of SQLite.")] = None,
    cold: Annotated[bool, typer.Option(help="Also the first pass with cold statistics.")] = True,
) -> None:
    """Requests, points, CPU and correctness of each kind of pass."""
    console = Console(width=180)
    found: list[Figures] = []
    for size in GROWTH if growth else (packages,):
        for is_cold in (False, True) if cold and not growth else (False,):
            with tempfile.TemporaryDirectory(prefix="fetcher-bench-") as folder:
                found += asyncio.run(
                    passes(size, Path(folder), hour=hour, sample=sample, cold=is_cold, database=database)
                )
    table = passes_table(f"Passes against the simulator, an hour in {hour:g} s", found)
    table.caption = CAPTION
    console.print(table, bounds_table(found, BOUNDS), *told_differences(found), sep="\n")


if __name__ == "__main__":
    end_well()
    typer.run(main)
