"""``python -m benchmarks.cpu``: a worker's CPU in an unchanged pass, its profile, and the CPU of httpx alone.

No latency is added and no request is refused, so that only work counts. Passes of Fetcher and the bare queries
alternate in one run. Machines are noisy, so the result is the median of the ratios. The profile is of an additional
pass, because a profiler slows the code.
"""

from __future__ import annotations

import asyncio
import cProfile
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import bare, profiles
from benchmarks.engine import ROUND, Stretch, engine, import_packages, measured, refresh_all, settings_for, settings_of
from benchmarks.processes import end_well, own_cpu
from benchmarks.simulated import SimulatorProcess, simulator
from benchmarks.timeline import Timeline
from fetcher.wiring import Parts
from tests.harness.redis_server import running_redis

MOST_CPU_MS = 2.0
MOST_RATIO = 2.0
_FILLING = 0.001
"""Window scale while the catalogue is filled, which is not measured: an hour in 3.6 s."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One pass of Fetcher, followed by the same queries by httpx alone."""

    fetcher: Stretch
    bare_seconds: float
    bare_cpu: float

    @property
    def ratio(self) -> float:
        return self.fetcher.seconds / self.bare_seconds


@asynccontextmanager
async def filled(
    upstreams: SimulatorProcess, packages: int, folder: Path, redis_url: str
) -> AsyncIterator[tuple[Parts, Timeline]]:
    """Yield an engine after its first pass, with a fresh ledger at the documented limits."""
    timeline = Timeline(upstreams)
    fast = settings_of(settings_for(upstreams, folder, f"{redis_url}/1", window_scale=_FILLING, plan_interval=1))
    async with engine(fast, timeline) as parts:
        import_packages(parts.store, timeline.now(), packages, folder)
        await refresh_all(parts, timeline)
    async with engine(settings_of(settings_for(upstreams, folder, f"{redis_url}/0")), timeline) as parts:
        yield parts, timeline


async def compare(packages: int, times: int, folder: Path) -> tuple[list[Pair], cProfile.Profile]:
    """Alternate passes and bare queries ``times`` times, then profile one pass."""
    with running_redis() as server, simulator(packages, "--no-limits") as upstreams:
        async with filled(upstreams, packages, folder, server.rpartition("/")[0]) as (parts, timeline):
            pairs = []
            for _ in range(times):
                timeline.advance(ROUND)
                stretch = await measured(upstreams, timeline, refresh_all(parts, timeline))
                requests = bare.queries(parts)
                cpu, began = own_cpu(), time.monotonic()
                await bare.ask(requests, upstreams.token)
                pairs.append(Pair(stretch, time.monotonic() - began, own_cpu() - cpu))
            timeline.advance(ROUND)
            profile = cProfile.Profile()
            with profile:
                await refresh_all(parts, timeline)
            return pairs, profile


def pairs_table(pairs: list[Pair], packages: int) -> Table:
    """Build a table with a row a pair, and the medians."""
    table = Table(title=f"{packages:,} packages, nothing changed, no latency added", title_justify="left")
    for column in (
        "",
        "Fetcher's\nrequests",
        "Fetcher\nseconds",
        "httpx alone\nseconds",
        "ratio",
        "Fetcher CPU\nms a package",
        "httpx alone CPU\nms a package",
    ):
        table.add_column(column, justify="right")
    for number, pair in enumerate(pairs, start=1):
        table.add_row(
            str(number),
            f"{pair.fetcher.counted.requests:,}",
            f"{pair.fetcher.seconds:.2f}",
            f"{pair.bare_seconds:.2f}",
            f"{pair.ratio:.2f}",
            f"{1000 * pair.fetcher.cpu / packages:.3f}",
            f"{1000 * pair.bare_cpu / packages:.3f}",
        )
    ratio = median(pair.ratio for pair in pairs)
    cpu = median(1000 * pair.fetcher.cpu / packages for pair in pairs)
    table.add_section()
    table.add_row("median", "", "", "", f"[bold]{ratio:.2f}[/]", f"[bold]{cpu:.3f}[/]", "")
    table.add_row("at most", "", "", "", f"{MOST_RATIO:g}", f"{MOST_CPU_MS:g}", "")
    table.add_row("met", "", "", "", _met(ratio <= MOST_RATIO), _met(cpu <= MOST_CPU_MS), "")
    return table


def _met(holds: bool) -> str:  # noqa: FBT001 - formats a verdict
    return "[green]yes[/]" if holds else "[red]NO[/]"


def main(
    packages: Annotated[int, typer.Option(min=10, help="Number of packages.")] = 5_500,
    times: Annotated[int, typer.Option(min=1, help="Pairs of a pass and the bare queries.")] = 5,
) -> None:
    """Measure CPU a package in an unchanged pass, with a profile, beside httpx alone."""
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-") as folder:
        pairs, profile = asyncio.run(compare(packages, times, Path(folder)))
    console = Console(width=150)
    console.print(
        pairs_table(pairs, packages), profiles.by_part(profile, packages), profiles.dearest(profile, packages), sep="\n"
    )


if __name__ == "__main__":
    end_well()
    typer.run(main)
