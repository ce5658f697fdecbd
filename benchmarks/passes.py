"""``python -m benchmarks.passes``: cost and correctness of each kind of pass over a catalogue.

Passes run against a simulator in its own process that enforces every documented limit. They are the first pass, an
unchanged one, and two in which 5 % of the heads have moved and 2 % of the projects have a new release. Heads are drawn
by their activity; in the second of the two, any head may move. Lists that a pass leaves to be confirmed a day later are
measured with it. Between passes both clocks advance by a day and a half, so that every slot recurs and all is due at
once, as after an outage. Finally, two days run minute by minute, as in production: one unchanged, one with 5 % of the
heads moved.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
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
from benchmarks.figures import Bound, CatalogueStats, at_most, bounds_table, extra_pages, passes_table, told_differences
from benchmarks.processes import end_well
from benchmarks.pushes import Changes, push_anywhere, push_where_active
from benchmarks.queries import QueryObserver, queries_table
from benchmarks.simulated import SimulatorProcess, latencies, simulator
from benchmarks.timeline import Timeline
from fetcher.wiring import Parts
from tests.harness.redis_server import running_redis

GROWTH = (500, 5_500, 55_000)
LARGEST_FIRST_PASS = 12_500
"""Points an hour for a first pass of 55,000 packages, which needs a day of a token's quota. An App installation has up
to 12,500 (``fetcher.quota.limits``), and the compressed day then takes some minutes."""

SERIALS = 501
"""FETCHER_SERIAL_THRESHOLD. Smaller catalogues request each project conditionally instead of the root."""

UPSTREAM = ("--statistics-cold", "--contributors-lag", "14400")
"""Each first request of statistics returns 202, and lists of contributors lag by four hours (14,400 s)."""

GRAPHQL_TAKES, OTHERS_TAKE = 1.5, 0.2
"""Seconds of a real hour that a response takes with ``--first``, besides the simulator's own work."""

FIRST, AFTER_FIRST = "first ever", "first ever, with the day after"
UNCHANGED = "nothing changed"
MOVED, AFTER_MOVED = "5 % moved, 2 % released", "5 % moved, with the day after"
ANY_MOVED, AFTER_ANY = "5 % of any heads moved, 2 % released", "5 % of any heads, with the day after"
BY_THE_MINUTE, MOVED_BY_THE_MINUTE = "nothing changed, by the minute", "5 % moved, by the minute"

ALL = (
    FIRST,
    AFTER_FIRST,
    UNCHANGED,
    MOVED,
    AFTER_MOVED,
    ANY_MOVED,
    AFTER_ANY,
    BY_THE_MINUTE,
    MOVED_BY_THE_MINUTE,
)

BOUNDS = (
    Bound(FIRST, "GraphQL points a package", lambda f: f.graphql, at_most(0.10)),
    Bound(FIRST, "answers 202", lambda f: f.stretch.counted.not_ready, at_most(0)),
    Bound(FIRST, "minutes of GitHub's time", lambda f: f.minutes, at_most(70), 0, GROWTH[1]),
    Bound(AFTER_FIRST, "REST points a package*", lambda f: f.rest, at_most(1.05)),
    Bound(UNCHANGED, "GraphQL points a package", lambda f: f.graphql, at_most(0.01), GROWTH[1]),
    Bound(UNCHANGED, "REST points", lambda f: f.rest_points, at_most(0)),
    Bound(UNCHANGED, "PyPI requests in all", lambda f: f.pypi, at_most(2), SERIALS),
    Bound(UNCHANGED, "worker CPU, ms a package", lambda f: f.cpu_ms, at_most(2)),
    *(
        Bound(name, what, figure, at_most(most), GROWTH[1])
        for name in (AFTER_MOVED, AFTER_ANY)
        for what, figure, most in (
            ("REST points a moved package", lambda f: f.rest_per_moved or 0, 0.20),
            ("GraphQL points a moved package", lambda f: f.graphql_per_moved or 0, 0.06),
        )
    ),
    Bound(MOVED, "PyPI requests in all", lambda f: f.pypi, lambda f: 2 + f.released, SERIALS),
    Bound(BY_THE_MINUTE, "GraphQL points a package", lambda f: f.graphql, at_most(0.02)),
    Bound(BY_THE_MINUTE, "REST points", lambda f: f.rest_points, at_most(0)),
    Bound(BY_THE_MINUTE, "PyPI requests in all", lambda f: f.pypi, at_most(2), SERIALS),
    Bound(BY_THE_MINUTE, "worker CPU, ms a package", lambda f: f.cpu_ms, at_most(2), GROWTH[1]),
    *(
        Bound(name, what, figure, at_most(0))
        for name in ALL
        for what, figure in (
            ("limits tripped", lambda f: f.stretch.counted.tripped + f.stretch.counted.asked_while_waiting),
            ("differences from the truth", lambda f: f.differences),
        )
    ),
)

CAPTION = "* without the contributors' pages beyond the first, which are counted beside it"


async def passes(
    packages: int, folder: Path, *, hour: float, sample: int, database: str | None = None, only_first: bool = False
) -> list[CatalogueStats]:
    """Run the first pass and those of the next days, over one catalogue in one simulated world."""
    options = [*UPSTREAM, *(latencies(hour, GRAPHQL_TAKES, OTHERS_TAKE) if only_first else ())]
    if packages > GROWTH[1]:
        options += ["--limit", f"core_per_hour={LARGEST_FIRST_PASS}"]
    with running_redis() as redis_url, simulator(packages, *options, hour=hour) as upstreams:
        settings = settings_of(settings_for(upstreams, folder, redis_url, database))
        timeline, queries = Timeline(upstreams), QueryObserver()
        async with engine(settings, timeline, observer=queries) as parts:
            slugs = import_packages(parts.store, timeline.now(), packages, folder)
            course = Course(parts, timeline, upstreams, packages, slugs[:: max(1, len(slugs) // sample)], queries)
            first = await course.all_due(FIRST)
            if only_first:
                return [first]
            after_first = await course.next_day(AFTER_FIRST, first)
            timeline.advance(ROUND)
            unchanged = await course.all_due(UNCHANGED)
            timeline.advance(ROUND)
            moved = await course.moved(MOVED, push_where_active(upstreams, parts, 1))
            after_moved = await course.next_day(AFTER_MOVED, moved)
            timeline.advance(ROUND)
            any_moved = await course.moved(ANY_MOVED, push_anywhere(upstreams, 2))
            after_any = await course.next_day(AFTER_ANY, any_moved)
            usual = await course.measured(BY_THE_MINUTE, refresh_by_the_minute(parts, timeline))
            changes = push_where_active(upstreams, parts, 3)
            busy = await course.moved(MOVED_BY_THE_MINUTE, changes, refresh_by_the_minute(parts, timeline))
            return [first, after_first, unchanged, moved, after_moved, any_moved, after_any, usual, busy]


@dataclass(frozen=True, slots=True)
class Course:
    """Passes of one engine over one world; ``sampled`` packages are compared with the truth after each."""

    parts: Parts
    timeline: Timeline
    upstreams: SimulatorProcess
    packages: int
    sampled: Sequence[str]
    queries: QueryObserver = field(default_factory=QueryObserver)

    async def all_due(self, name: str) -> CatalogueStats:
        """Measure a pass over everything that is due."""
        return await self.measured(name, refresh_all(self.parts, self.timeline))

    async def next_day(self, name: str, cause: CatalogueStats) -> CatalogueStats:
        """Measure the pass a day and a half after ``cause``, in which nothing has changed since."""
        self.timeline.advance(ROUND)
        return replace(await self.all_due(name), moved=cause.moved, cause=cause)

    async def moved(self, name: str, changes: Changes, work: Awaitable[None] | None = None) -> CatalogueStats:
        """Measure the pass after ``changes``, and compare all that they concern."""
        work = work or refresh_all(self.parts, self.timeline)
        found = await self.measured(name, work, sorted(changes.slugs))
        return replace(found, moved=len(changes.pushed), released=len(changes.released))

    async def measured(self, name: str, work: Awaitable[None], also: Sequence[str] = ()) -> CatalogueStats:
        """Return the measurements of ``work``; the truth is requested afterwards."""
        self.queries.take()
        stretch = await measured(self.upstreams, self.timeline, work)
        further = extra_pages(self.parts, self.upstreams)
        verdict = verify(self.parts, self.upstreams, [*self.sampled, *also])
        Console(stderr=True).log(f"{self.packages:,} packages, {name}: {stretch.seconds:.0f} s")
        return CatalogueStats(name, self.packages, stretch, further, verdict, self.upstreams.hour, self.queries.take())


def main(
    packages: Annotated[int, typer.Option(min=10, help="Number of packages.")] = 5_500,
    growth: Annotated[bool, typer.Option("--growth", help="500, 5,500 and 55,000 packages; some 25 minutes.")] = False,
    hour: Annotated[float, typer.Option(min=10, help="Length of GitHub's hour in seconds.")] = 200,
    sample: Annotated[int, typer.Option(min=1, help="Packages to compare with the truth after each pass.")] = 400,
    database: Annotated[str | None, typer.Option(help="An empty PostgreSQL instead of SQLite.")] = None,
    first: Annotated[bool, typer.Option("--first", help="Only the first pass, with GitHub's response times.")] = False,
) -> None:
    """Measure requests, points, CPU and correctness of each kind of pass."""
    console = Console(width=200)
    found: list[CatalogueStats] = []
    for size in GROWTH if growth else (packages,):
        with tempfile.TemporaryDirectory(prefix="fetcher-bench-") as folder:
            work = passes(size, Path(folder), hour=hour, sample=sample, database=database, only_first=first)
            found += asyncio.run(work)
    table = passes_table(f"Passes against the simulator, an hour in {hour:g} s", found)
    table.caption = CAPTION
    filled = queries_table((f"{one.name} ({one.packages:,})", one.queries) for one in found)
    console.print(table, filled, bounds_table(found, BOUNDS), *told_differences(found), sep="\n")


if __name__ == "__main__":
    end_well()
    typer.run(main)
