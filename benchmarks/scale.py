"""``python -m benchmarks.scale``: packages a second by worker processes, and the cost in large catalogues.

Real Celery workers and beat refresh some thousand due packages out of catalogues of different sizes in PostgreSQL. The
simulator refuses nothing and the ledger's hour is seconds long, so that work is the only limit. On a machine with fewer
cores than processes (workers, simulator, PostgreSQL, Redis) the limit is the cores.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, make_url, text

from benchmarks.database import filled, postgres, written
from benchmarks.engine import settings_for
from benchmarks.filling import Filling
from benchmarks.processes import end_well
from benchmarks.simulated import simulator
from benchmarks.workers import workers
from fetcher.store import open_engine
from tests.harness.postgres import PostgresServer
from tests.harness.processes import family_of, memory_of
from tests.harness.redis_server import running_redis

SIZES = (10_000, 100_000, 1_000_000)
PROCESSES = (1, 2, 4)
_HOUR_SCALE = 0.001
_ENDS_WITHIN = 600.0

_FALL_DUE = text(
    "UPDATE source_states SET due_at = due_at - interval '2 days' WHERE source = 'repository' AND package_id IN (SELECT"
    " package_id FROM source_states WHERE source = 'repository' AND due_at > now() ORDER BY due_at LIMIT :count)"
)
_STILL_DUE = text("SELECT count(*) FROM source_states WHERE source = 'repository' AND due_at <= :now")


@dataclass(frozen=True, slots=True)
class Run:
    """Measurements of ``refreshed`` packages of a catalogue, with ``processes`` worker processes."""

    packages: int
    processes: int
    refreshed: int
    seconds: float
    cpu: float
    simulator_cpu: float
    log: int
    memory: tuple[int, ...]
    """Memory of the largest worker process in bytes, after each tenth of the packages."""


def measure(url: str, packages: int, processes: int, due: int, folder: Path) -> Run:
    """Measure from the first stored package to the last due one."""
    engine = open_engine(url)
    with running_redis() as redis_url, simulator(packages, "--no-limits") as upstreams:
        quick = {"window_scale": _HOUR_SCALE, "plan_interval": 1, "serial_threshold": 10**9}
        environment = settings_for(upstreams, folder, redis_url, url, **quick)
        with engine.begin() as connection:
            connection.execute(_FALL_DUE, {"count": due})
            connection.execute(text("ANALYZE source_states"))
        now = datetime.now(UTC)
        with workers(os.environ | environment, processes, folder) as running:
            left = _wait_until(engine, now, due - 1)
            began, cpu, theirs, before = time.monotonic(), running.cpu(), upstreams.cpu(), written(engine)
            memory = []
            for tenth in range(9, -1, -1):
                _wait_until(engine, now, left * tenth // 10)
                memory.append(max(memory_of(pid) for pid in family_of(running.worker.pid)))
            found = Run(
                packages=packages,
                processes=processes,
                refreshed=left,
                seconds=time.monotonic() - began,
                cpu=running.cpu() - cpu,
                simulator_cpu=upstreams.cpu() - theirs,
                log=written(engine).log_position - before.log_position,
                memory=tuple(memory),
            )
    engine.dispose()
    return found


def _wait_until(engine: Engine, now: datetime, most: int) -> int:
    """Wait until at most ``most`` packages are due; return the number of due packages."""
    deadline = time.monotonic() + _ENDS_WITHIN
    while True:
        began = time.monotonic()
        with engine.connect() as connection:
            remaining = int(connection.execute(_STILL_DUE, {"now": now}).scalar_one())
        if remaining <= most:
            return remaining
        if time.monotonic() > deadline:
            raise RuntimeError(f"{remaining} packages are still due")
        time.sleep(max(0.1, 10 * (time.monotonic() - began)))  # counting a million loads the server


def table(found: list[Run]) -> Table:
    """Build a table with a row a run."""
    shown = Table(title="Due packages, without a limit of the upstream", title_justify="left")
    for column in (
        "packages",
        "worker\nprocesses",
        "refreshed",
        "a second",
        "ratio to\none process",
        "worker CPU\nms a package",
        "simulator CPU\nms a package",
        "written, bytes\na package",
        "largest worker MB\nafter a tenth",
        "at the\nmost",
        "at the\nend",
    ):
        shown.add_column(column, justify="right")
    for one in found:
        alone = next((other for other in found if other.packages == one.packages and other.processes == 1), one)
        shown.add_row(
            f"{one.packages:,}",
            str(one.processes),
            f"{one.refreshed:,}",
            f"{one.refreshed / one.seconds:,.0f}",
            f"{one.refreshed / one.seconds / (alone.refreshed / alone.seconds):.2f}",
            f"{1000 * one.cpu / one.refreshed:.2f}",
            f"{1000 * one.simulator_cpu / one.refreshed:.2f}",
            f"{one.log / one.refreshed:,.0f}",
            *(f"{bytes_ / 2**20:.0f}" for bytes_ in (one.memory[0], max(one.memory), one.memory[-1])),
        )
    return shown


@contextmanager
def _copied(server: PostgresServer, url: str) -> Iterator[str]:
    """Copy a filled database; drop the copy afterwards."""
    copy = server.create(str(make_url(url).database))
    try:
        yield copy
    finally:
        server.drop(copy)


def _measure_copies(server: PostgresServer, url: str, packages: int, numbers: list[int], due: int) -> Iterator[Run]:
    for processes in numbers:
        with (
            _copied(server, url) as copy,
            tempfile.TemporaryDirectory(prefix="fetcher-bench-", ignore_cleanup_errors=True) as folder,
        ):
            yield measure(copy, packages, processes, due, Path(folder))


def main(
    sizes: Annotated[list[int] | None, typer.Option("--packages", help="Sizes of the catalogue; repeatable.")] = None,
    processes: Annotated[list[int] | None, typer.Option(help="Worker processes; repeatable.")] = None,
    due: Annotated[int, typer.Option(min=1000, help="Number of due packages.")] = 10_000,
    database: Annotated[str | None, typer.Option(help="URL of a filled PostgreSQL, for one size.")] = None,
) -> None:
    """Measure packages a second with 1, 2 and 4 processes at 10,000, and with one at 100,000 and 1,000,000 packages."""
    console, found = Console(width=160), []
    numbers = processes or list(PROCESSES)
    if database is not None:
        server = PostgresServer(make_url(database).set(database="postgres").render_as_string(hide_password=False))
        packages = (sizes or [10_000])[0]
        found += list(_measure_copies(server, database, packages, numbers, due))
    else:
        with postgres() as server:
            for packages in sizes or SIZES:
                url = filled(server, Filling(packages, datetime.now(UTC), details=False))
                some = numbers if packages == SIZES[0] or sizes or processes else [1]
                found += list(_measure_copies(server, url, packages, some, due))
    console.print(table(found))


if __name__ == "__main__":
    end_well()
    typer.run(main)
