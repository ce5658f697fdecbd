"""``python -m benchmarks.limits``: many workers on one identity with more work than quota.

It checks that no limit is tripped and the quota is used up. Real Celery workers and a real beat share one ledger in
Redis. Each run starts a first pass that needs more REST requests than the measured hours allow. GitHub's hours are read
from the simulator's log: one begins with the first request after the last reset. Only hours that end while work still
waits count, and the worst of them is the result.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.engine import import_packages, settings_for, settings_of
from benchmarks.processes import end_well
from benchmarks.simulated import Counted, SimulatorProcess, simulator
from benchmarks.workers import Workers, workers
from fetcher.wiring import open_store
from tests.harness.redis_server import running_redis

CORE_PER_HOUR = 5_000
"""GitHub's primary REST quota of a token, in points an hour: the limit of a first pass (``fetcher.quota.limits``)."""

REQUESTS_A_PACKAGE = 1
"""REST requests a package: a list of contributors. Histories and statistics come over GraphQL."""
LEAST_USE = 0.95
_MARGIN = 0.25
"""Share of an hour added to the run, so that the last measured hour is complete."""
_STARTS_WITHIN = 180.0
REST_ROUTES = ("contributors", "repository", "participation", "user")


@dataclass(frozen=True, slots=True)
class Run:
    """Measurements with ``processes`` worker processes. ``hours``: REST points used in each full hour of GitHub's."""

    processes: int
    hours: tuple[int, ...]
    counted: Counted
    most_in_flight: int
    cpu: float
    simulator_cpu: float
    seconds: float

    @property
    def use(self) -> float:
        return min(self.hours, default=0) / CORE_PER_HOUR


def measure(processes: int, hours: int, hour: float, folder: Path) -> Run:
    """Run until ``hours`` full hours of GitHub's have passed."""
    packages = (hours + 1) * CORE_PER_HOUR // REQUESTS_A_PACKAGE
    with running_redis() as redis_url, simulator(packages, hour=hour) as upstreams:
        environment = settings_for(upstreams, folder, redis_url)
        _import(environment, packages, folder)
        with workers(os.environ | environment, processes, folder) as running:
            began, cpu = time.monotonic(), upstreams.cpu()
            _wait(running, upstreams, (hours + _MARGIN) * hour)
            return Run(
                processes=processes,
                hours=tuple(hours_of(_rest_log(upstreams), timedelta(seconds=hour)))[:hours],
                counted=upstreams.summary(),
                most_in_flight=upstreams.most_in_flight("github"),
                cpu=running.cpu(),
                simulator_cpu=upstreams.cpu() - cpu,
                seconds=time.monotonic() - began,
            )


def hours_of(spent: Sequence[tuple[datetime, int]], hour: timedelta) -> Iterator[int]:
    """Return the points spent in each of GitHub's hours except the last, which is incomplete."""
    begin, points = None, 0
    for at, cost in spent:
        if begin is None or at >= begin + hour:
            if begin is not None:
                yield points
            begin, points = at, 0
        points += cost


def _import(environment: dict[str, str], packages: int, folder: Path) -> None:
    with open_store(settings_of(environment)) as store:
        import_packages(store, datetime.now(UTC), packages, folder)


def _wait(running: Workers, upstreams: SimulatorProcess, seconds: float) -> None:
    """Wait ``seconds`` from the first REST request on.

    The log is not read meanwhile, because that costs the simulator CPU.
    """
    deadline = time.monotonic() + _STARTS_WITHIN
    while not upstreams.summary().points.get("core"):
        if not running.run() or time.monotonic() > deadline:
            raise RuntimeError(f"the workers send no requests: {running.worker.output()[-2000:]}")
        time.sleep(0.5)  # each look costs the simulator CPU
    time.sleep(seconds)  # the measured time
    if not running.run():
        raise RuntimeError(f"the workers ended: {running.worker.output()[-2000:]}")


def _rest_log(upstreams: SimulatorProcess) -> list[tuple[datetime, int]]:
    entries: list[dict[str, Any]] = [entry for route in REST_ROUTES for entry in upstreams.log(route)]
    spent = ((datetime.fromisoformat(entry["at"]), int(entry["points"])) for entry in entries)
    return sorted(spent)


def table(runs: Sequence[Run], hour: float) -> Table:
    """Build a table with a row a number of worker processes."""
    found = Table(title=f"More work than quota, an hour in {hour:g} s", title_justify="left")
    columns: dict[str, Callable[[Run], str]] = {
        "worker\nprocesses": lambda run: str(run.processes),
        "REST points used of 5,000\nin each full hour": lambda run: ", ".join(f"{one:,}" for one in run.hours),
        "use of the\nquota": lambda run: f"{run.use:.1%}",
        f"≥ {LEAST_USE:.0%}": lambda run: "[green]yes[/]" if run.use >= LEAST_USE else "[red]NO[/]",
        "limits\ntripped": lambda run: str(run.counted.tripped),
        "requests in\na pause": lambda run: str(run.counted.asked_while_waiting),
        "most in\nflight": lambda run: str(run.most_in_flight),
        "requests\na second": lambda run: f"{run.counted.requests / run.seconds:.0f}",
        "worker CPU\nms a request": lambda run: f"{1000 * run.cpu / run.counted.requests:.2f}",
        "CPU of workers\n+ simulator": lambda run: (
            f"{run.cpu / run.seconds:.0%} + {run.simulator_cpu / run.seconds:.0%}"
        ),
    }
    for column in columns:
        found.add_column(column, justify="right")
    for run in runs:
        found.add_row(*(cell(run) for cell in columns.values()))
    return found


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def main(
    processes: Annotated[list[int] | None, typer.Option(help="Worker processes; repeatable.")] = None,
    hours: Annotated[int, typer.Option(min=1, help="Full hours of GitHub's to measure.")] = 2,
    hour: Annotated[float, typer.Option(min=10, help="Length of GitHub's hour in seconds.")] = 60,
) -> None:
    """Measure tripped limits and use of the quota with 1, 4 and 8 worker processes on one identity."""
    console = Console(width=180)
    runs = []
    for number in processes or (1, 4, 8):
        with _folder() as folder:
            runs.append(measure(number, hours, hour, folder))
        console.print(f"{number} done: {runs[-1].hours}")
    console.print(table(runs, hour))


if __name__ == "__main__":
    end_well()
    typer.run(main)
