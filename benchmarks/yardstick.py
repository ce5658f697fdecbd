"""``python -m benchmarks.yardstick``: Fetcher beside a plain sequential updater (``benchmarks/plain.py``).

Both request the same packages of the same simulator, which enforces every limit: first with an empty store, then a day
later with nothing changed. With an hour in a minute, the limits per second exceed the plain updater's rate, although it
does not pace itself. Its points a package show the limits that it would trip (try ``--hour 120``). Fetcher's seconds of
the first pass are its pace, spread over the hour on purpose, not its speed.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import plain
from benchmarks.engine import ROUND, Stretch, engine, import_packages, measured, refresh_all, settings_for, settings_of
from benchmarks.processes import end_well
from benchmarks.simulated import SimulatorProcess, simulator
from benchmarks.timeline import Timeline
from fetcher.domain.model import RepoRef
from fetcher.wiring import Parts
from tests.harness.redis_server import running_redis

FETCHER, PLAIN = "Fetcher", "YARDSTICK: plain PyGithub"
FIRST, UNCHANGED = "first ever", "nothing changed"
CORE_PER_HOUR = 5_000


@dataclass(frozen=True, slots=True)
class Row:
    who: str
    name: str
    stretch: Stretch


async def compare(packages: int, hour: float, folder: Path) -> list[Row]:
    """Measure each updater's first pass and the next day's."""
    with running_redis() as redis_url, simulator(packages, hour=hour) as upstreams:
        timeline = Timeline(upstreams)
        async with engine(settings_of(settings_for(upstreams, folder, redis_url)), timeline) as parts:
            slugs = import_packages(parts.store, timeline.now(), packages, folder)
            wanted = _addresses(parts, slugs)
            rows = []
            for name in (FIRST, UNCHANGED):
                stretch = await measured(upstreams, timeline, refresh_all(parts, timeline))
                rows.append(Row(FETCHER, name, stretch))
                timeline.advance(ROUND)
                stretch = await measured(upstreams, timeline, _plainly(wanted, upstreams))
                rows.append(Row(PLAIN, name, stretch))
                timeline.advance(ROUND)
            return rows


async def _plainly(wanted: Sequence[tuple[str, str]], upstreams: SimulatorProcess) -> None:
    """Run the plain updater. It blocks this process, so that its CPU is counted like Fetcher's."""
    began = time.monotonic()
    found = plain.update(wanted, upstreams)
    refused = sum(one.stars is None for one in found)
    Console(stderr=True).log(f"{PLAIN}: {len(found)} packages, {refused} refused, {time.monotonic() - began:.0f} s")


def _addresses(parts: Parts, slugs: Sequence[str]) -> list[tuple[str, str]]:
    stored = [package for package in map(parts.store.packages.get, slugs) if package is not None]
    return [
        (package.repo.path, package.project)
        for package in stored
        if isinstance(package.repo, RepoRef) and isinstance(package.project, str)
    ]


def table(rows: Sequence[Row], packages: int) -> Table:
    """Build a table with a row for each updater's pass."""
    found = Table(title=f"{packages:,} packages on the same simulator", title_justify="left")
    found.add_column("pass")
    found.add_column("updater")
    for column in (
        "requests\na package",
        "REST points\na package",
        "GraphQL points\na package",
        "PyPI requests\na package",
        "limits\ntripped",
        "seconds",
        "CPU\nms a package",
        "packages an hour\nof quota",
    ):
        found.add_column(column, justify="right")
    for row in sorted(rows, key=lambda row: (row.name, row.who)):
        counted = row.stretch.counted
        rest, graphql = (counted.points.get(resource, 0) / packages for resource in ("core", "graphql"))
        found.add_row(
            row.name,
            row.who,
            f"{counted.requests / packages:.3f}",
            f"{rest:.3f}",
            f"{graphql:.3f}",
            f"{counted.asked('pypi') / packages:.3f}",
            str(counted.tripped),
            f"{row.stretch.seconds:.1f}",
            f"{1000 * row.stretch.cpu / packages:.2f}",
            f"{CORE_PER_HOUR / max(rest, graphql):,.0f}",
        )
    return found


def main(
    packages: Annotated[int, typer.Option(min=10, help="Number of packages.")] = 600,
    hour: Annotated[float, typer.Option(min=10, help="Length of GitHub's hour in seconds.")] = 60,
) -> None:
    """Measure requests, points, seconds and CPU a package of Fetcher and of a plain updater."""
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-") as folder:
        rows = asyncio.run(compare(packages, hour, Path(folder)))
    Console(width=170).print(table(rows, packages))


if __name__ == "__main__":
    end_well()
    typer.run(main)
