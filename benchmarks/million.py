"""``python -m benchmarks.million``: part of a day of a million packages on one token, with real workers.

A catalogue in the state after its first pass is written into PostgreSQL. Since then 5 % of its heads have moved and 1 %
of its projects have a new release. Celery workers and beat refresh it in compressed time: the day, GitHub's hour and
minute, all waits and responses are shorter by one factor. A period of the day is run and its parts are measured
separately. A package costs the same in all of them, so the day is the period repeated.

``--shrink 8`` fills an eighth of the packages and gives them intervals an eighth as long. As many fall due, move and
are re-checked in an hour, so the load on quotas and workers is the same and the database is smaller.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import redis
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from benchmarks.database import Written, filled, postgres, written
from benchmarks.engine import settings_for, settings_of
from benchmarks.filling import Filling, compress
from benchmarks.processes import end_well, own_cpu
from benchmarks.simulated import Counted, SimulatorProcess, latencies, simulator
from benchmarks.workers import Workers, workers
from fetcher.store import open_engine
from fetcher.wiring import open_parts
from tests.harness.processes import family_of, memory_of
from tests.harness.redis_server import running_redis

DAY = timedelta(days=1)
RECHECKS = 30
"""Days between two full re-checks: the default of ``FETCHER_RECHECK_INTERVAL``."""
NEWCOMERS = 0.2
"""Share of the moved heads whose history is confirmed by the list of contributors a day later."""
RELEASED = 0.01
STATISTICS_TAKE, OTHERS_TAKE = 2.0, 0.2
"""Seconds of a real hour for a response, in addition to the simulator's own time: a hundred repositories by GraphQL,
and any other request. The simulator's and the network's own time weighs more by the factor of compression."""
_WARM = 0.25
"""Hours before the first part is measured: workers start, and moved serials of the index are found."""


@dataclass(frozen=True, slots=True)
class Sample:
    """State of all processes at one moment."""

    at: float
    written: Written
    cpu: float
    largest_worker: int
    redis: int
    waiting: int
    """Messages in the queue ``background``."""
    late: timedelta
    """Time for which the longest-due package has been due, in the day's own time."""


@dataclass(frozen=True, slots=True)
class Root:
    """Cost of requesting the index's root and comparing a million serials with the stored ones, in one process."""

    seconds: float
    cpu: float
    resident_before: int
    resident_most: int


@dataclass(frozen=True, slots=True)
class Day:
    """All measurements."""

    samples: list[Sample]
    counted: Counted
    root: Root
    ages: list[float]
    """Age of repositories' last responses (median, 95th percentile, maximum), in hours of the day's own time."""
    redis_peak: int
    most_in_flight: int


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@dataclass(frozen=True, slots=True)
class Plan:
    """Parameters: a catalogue of ``packages``, ``shrink`` times smaller and faster, with a share ``moved``."""

    packages: int
    hour: float
    hours: float
    parts: int
    processes: int
    moved: float
    shrink: int

    @property
    def stored(self) -> int:
        return self.packages // self.shrink


def measure(url: str, plan: Plan, folder: Path) -> Day:
    """Refresh for a number of hours of the day's own time."""
    hour, scale = plan.hour, plan.hour / 3600
    options = latencies(hour, STATISTICS_TAKE, OTHERS_TAKE)
    with running_redis() as redis_url, simulator(plan.stored, *options, hour=hour) as upstreams:
        day = DAY * scale / plan.shrink
        more: dict[str, object] = {
            "refresh_interval": round(day.total_seconds()),
            "recheck_interval": round((RECHECKS * day).total_seconds()),
        }
        environment = settings_for(upstreams, folder, redis_url, url, **more)
        environment["FETCHER_LOG_LEVEL"] = "WARNING"
        say = Console(stderr=True).log
        churned = upstreams.act("churn", heads=plan.moved, releases=RELEASED)
        say(f"{len(churned['pushed']):,} heads moved, {len(churned['released']):,} releases")
        engine = open_engine(url)
        compress(engine, datetime.now(UTC), scale / plan.shrink, RECHECKS * DAY, plan.moved * NEWCOMERS)
        say("slots compressed")
        root = asyncio.run(_ask_root(environment))
        say(f"root: {root}")
        upstreams.forget()
        server = redis.Redis.from_url(redis_url)
        with workers(os.environ | environment, plan.processes, folder) as running:
            time.sleep(_WARM * hour)  # until the workers run evenly
            samples = [_sample(engine, running, server, day)]
            for _ in range(plan.parts):
                time.sleep(plan.hours * hour / plan.parts)  # the measured time
                if not running.run():
                    raise RuntimeError(f"the workers ended: {running.worker.output()[-2000:]}")
                samples.append(_sample(engine, running, server, day))
                say(str(samples[-1]))
            ages = _ages(engine, day)
        info: Any = server.info("memory")
        found = Day(samples, upstreams.summary(), root, ages, info["used_memory_peak"], _in_flight(upstreams))
        engine.dispose()
        return found


async def _ask_root(environment: dict[str, str]) -> Root:
    """Check the index's root in this process, which has a worker's imports and thus a worker's memory."""
    parts = await open_parts(settings_of(environment))
    before, cpu, began = memory_of(os.getpid()), own_cpu(), time.monotonic()
    most = before
    watching = True

    async def watch() -> None:
        nonlocal most
        while watching:
            most = max(most, memory_of(os.getpid()))
            await asyncio.sleep(0.05)  # between two samples of the memory

    watcher = asyncio.create_task(watch())
    await parts.find_changes()
    watching = False
    await watcher
    found = Root(time.monotonic() - began, own_cpu() - cpu, before, max(most, memory_of(os.getpid())))
    await parts.aclose()
    return found


def _in_flight(upstreams: SimulatorProcess) -> int:
    return upstreams.most_in_flight("github")


def _sample(engine: Engine, running: Workers, server: redis.Redis, day: timedelta) -> Sample:
    children = family_of(running.worker.pid)
    memory: Any = server.info("memory")
    waiting: Any = server.llen("background")
    with engine.connect() as connection:
        first = connection.execute(
            text("SELECT min(due_at) FROM source_states WHERE source = 'repository' AND due_at IS NOT NULL")
        ).scalar_one()
    return Sample(
        at=time.monotonic(),
        written=written(engine),
        cpu=running.cpu(),
        largest_worker=max(memory_of(pid) for pid in children),
        redis=memory["used_memory"],
        waiting=waiting,
        late=max(datetime.now(UTC) - first, timedelta(0)) * (DAY / day),
    )


def _ages(engine: Engine, day: timedelta) -> list[float]:
    with engine.connect() as connection:
        ages = connection.execute(
            text(
                "SELECT percentile_cont(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM now() -"
                " answered_at)) FROM source_states WHERE source = 'repository'"
            )
        ).scalar_one()
    return [age / day.total_seconds() * 24 for age in ages]


def parts_table(found: Day, hour: float) -> Table:
    """Build a table with a row a part of the period: the cost of a package in it."""
    table = Table(title=f"Parts of the day, an hour in {hour:g} s", title_justify="left")
    for column in (
        "hours of\nthe day",
        "packages\nrefreshed",
        "an hour\n(41,667)",
        "worker CPU\nms a package",
        "written, bytes\na package",
        "states in\nplace",
        "largest\nworker MB",
        "Redis\nMB",
        "batches\nwaiting",
        "longest due\nminutes",
    ):
        table.add_column(column, justify="right")
    for one, other in zip(found.samples, found.samples[1:], strict=False):
        count = other.written.refreshed - one.written.refreshed
        hours = (other.at - one.at) / hour
        updated = other.written.updated - one.written.updated
        table.add_row(
            f"{(one.at - found.samples[0].at) / hour:.2f} + {hours:.2f}",
            f"{count:,}",
            f"{count / hours:,.0f}",
            f"{1000 * (other.cpu - one.cpu) / max(count, 1):.2f}",
            f"{(other.written.log_position - one.written.log_position) / max(count, 1):,.0f}",
            f"{(other.written.in_place - one.written.in_place) / max(updated, 1):.0%}",
            f"{other.largest_worker / 2**20:.0f}",
            f"{other.redis / 2**20:.1f}",
            f"{other.waiting:,}",
            f"{other.late / timedelta(minutes=1):.1f}",
        )
    return table


def lines(found: Day, packages: int, hour: float) -> list[str]:
    """Return the results of the full period as sentences."""
    first, last = found.samples[0], found.samples[-1]
    count, hours = last.written.refreshed - first.written.refreshed, (last.at - first.at) / hour
    counted, root = found.counted, found.root
    median, most, oldest = found.ages
    log = (last.written.log_position - first.written.log_position) / max(count, 1)
    return [
        f"{count:,} packages in {hours:.2f} hours of the day: a million in {packages / (count / hours):.1f} hours",
        f"points: {counted.points}; limits tripped {counted.tripped}, sent in a pause {counted.asked_while_waiting}",
        f"requests: {', '.join(f'{route} {sum(of.values()):,}' for route, of in counted.routes.items())}",
        f"most requests in flight {found.most_in_flight}",
        f"age in hours: p50 {median:.1f}, p95 {most:.1f}, oldest {oldest:.1f}",
        f"worker CPU {1000 * (last.cpu - first.cpu) / max(count, 1):.2f} ms a package",
        f"PostgreSQL {last.written.size / 2**20:,.0f} MB; written {log:,.0f} bytes a package",
        f"Redis peak {found.redis_peak / 2**20:.1f} MB",
        f"the index's root: {root.seconds:.0f} s, {root.cpu:.0f} s of CPU",
        f"memory meanwhile: {root.resident_before / 2**20:.0f} MB before, {root.resident_most / 2**20:.0f} MB at most",
    ]


def main(  # noqa: PLR0913, PLR0917 - one parameter an option, as Typer reads them
    packages: Annotated[int, typer.Option(min=1000, help="Number of packages.")] = 1_000_000,
    hour: Annotated[float, typer.Option(min=10, help="Length of an hour in seconds.")] = 240,
    hours: Annotated[float, typer.Option(min=0.1, help="Hours of the day to run, in its own time.")] = 2,
    parts: Annotated[int, typer.Option(min=1, help="Parts of the period to measure separately.")] = 4,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    moved: Annotated[float, typer.Option(min=0, max=1, help="Share of the heads that move in a day.")] = 0.05,
    shrink: Annotated[
        int, typer.Option(min=1, help="Factor by which packages are fewer and refreshed more often.")
    ] = 1,
    database: Annotated[str | None, typer.Option(help="URL of a filled PostgreSQL; it is changed.")] = None,
) -> None:
    """Measure parts of a day of a million packages, and whether their cost is constant."""
    console = Console(width=180)
    plan = Plan(packages, hour, hours, parts, processes, moved, shrink)
    with _folder() as folder:
        if database is not None:
            found = measure(database, plan, folder)
        else:
            with postgres() as server:
                url = filled(server, Filling(plan.stored, datetime.now(UTC), recheck=RECHECKS * DAY))
                found = measure(url, plan, folder)
    console.print(parts_table(found, hour), *lines(found, packages, hour), sep="\n")


if __name__ == "__main__":
    end_well()
    typer.run(main)
