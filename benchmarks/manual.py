"""``python -m benchmarks.manual``: the latency of users' requests with 10,000 packages in the background queue.

The full stack is real: PostgreSQL, Redis, a worker, a worker of the queue ``manual``, beat, the web process. All
packages are in the queue ``background`` when the first request arrives. Users request different packages one after
another, over HTTP and by command. Measured is the time from the request until the package is stored, less the
upstream's response time. The simulator's log gives the latter; overlapping responses count once. A command's time
includes the start of its process.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from benchmarks.engine import import_packages, settings_for, settings_of
from benchmarks.processes import end_well
from benchmarks.simulated import SimulatorProcess, simulator
from fetcher.domain.views import OPEN, RequestState
from fetcher.store import SqlStore
from fetcher.store.schema import source_states
from fetcher.wiring import open_store
from tests.harness.postgres import PostgresProcess
from tests.harness.processes import BIN, Child, start_process, wait_until
from tests.harness.redis_server import running_redis

AT_MOST = 1.0
"""Largest allowed 95th percentile of the latency beyond the upstream's own time, in seconds."""
TOKEN = "of-the-benchmark"  # noqa: S105  (for loopback, for as long as it runs)
_LISTENS = re.compile(r"http://\S+/")
_GIVES_UP = timedelta(seconds=60)
_WARM = 200
"""Sources refreshed before the first request, so that the workers are busy by then."""
_CELERY = ("celery", "--quiet", "-A", "tasks")
_PROCESSES = {
    "worker": (*_CELERY, "worker", "--queues", "background,maintenance", "--hostname", "background@%h"),
    "manual": (*_CELERY, "worker", "--queues", "manual", "--hostname", "manual@%h", "--concurrency", "2"),
    "beat": (*_CELERY, "beat"),
    "web": ("fetcher", "web"),
}


@dataclass(frozen=True, slots=True)
class Wait:
    """Times of one request until its result is stored. ``names`` identify the package in the simulator's log."""

    names: frozenset[str]
    began: datetime
    requested: datetime
    """The time at which the request was stored, after the start of a command's process."""
    stored: datetime
    done: bool

    @property
    def elapsed(self) -> float:
        return (self.stored - self.began).total_seconds()

    def upstream(self, log: Sequence[Mapping[str, Any]]) -> float:
        """Return the seconds in which the upstream was responding for this package, to any worker."""
        spans = []
        for entry in log:
            at = datetime.fromisoformat(entry["at"])
            if self.began <= at <= self.stored and not self.names.isdisjoint(entry["packages"]):
                spans.append((at, min(at + timedelta(seconds=entry["took"] or 0), self.stored)))
        return covered(spans)


def covered(spans: Sequence[tuple[datetime, datetime]]) -> float:
    """Return the seconds covered by any of the spans."""
    total, end = timedelta(0), datetime.min.replace(tzinfo=UTC)
    for start, stop in sorted(spans):
        total += max(timedelta(0), stop - max(start, end))
        end = max(end, stop)
    return total.total_seconds()


@dataclass(frozen=True, slots=True)
class Deployment:
    """The running stack, with a client that sends requests to it."""

    store: SqlStore
    environment: Mapping[str, str]
    client: httpx.Client

    def by_http(self, slug: str) -> str:
        answer = self.client.post(f"/api/v4/packages/{slug}/refresh/")
        answer.raise_for_status()
        return str(answer.json()["id"])

    def by_command(self, slug: str) -> str:
        command = [str(BIN / "fetcher"), "refresh", slug, "--queue"]
        said = subprocess.run(command, env=dict(self.environment), check=True, capture_output=True, text=True)
        found = re.search(r"/refreshes/(\w+)/", said.stderr)
        assert found is not None, said.stderr
        return found[1]

    def wait(self, ask: Callable[[str], str], slug: str) -> Wait:
        """Request one package and wait until its result is stored."""
        package = self.store.packages.get(slug)
        assert package is not None
        assert package.entry.repo_url is not None
        names = frozenset({package.entry.slug, package.entry.repo_url.partition("github.com/")[2]})
        began = datetime.now(UTC)
        request_id = ask(slug)
        while True:
            request = self.store.requests.get(request_id)
            assert request is not None
            if request.state not in OPEN:
                stored = request.finished_at or datetime.now(UTC)
                return Wait(names, began, request.requested_at, stored, request.state is RequestState.DONE)
            if datetime.now(UTC) - began > _GIVES_UP:
                return Wait(names, began, request.requested_at, datetime.now(UTC), False)
            time.sleep(0.05)  # the precision of the measured waits

    def waiting(self) -> int:
        """Return the number of sources without a response yet."""
        never = select(func.count()).select_from(source_states).where(source_states.c.answered_at.is_(None))
        with self.store.engine.connect() as connection:
            return connection.execute(never).scalar_one()


@contextmanager
def deployment(packages: int, latency: float, folder: Path) -> Iterator[tuple[Deployment, SimulatorProcess, list[str]]]:
    """Run the stack with every package in the queue and the workers busy."""
    with ExitStack() as open_now:
        database = PostgresProcess(Path(tempfile.mkdtemp(prefix="fetcher-pg-", dir="/tmp")), {"listen_addresses": ""})
        open_now.callback(shutil.rmtree, database.folder, ignore_errors=True)
        database.start()
        open_now.callback(database.stop)
        redis_url = open_now.enter_context(running_redis())
        upstreams = open_now.enter_context(simulator(packages, "--latency", f"{latency:g}"))
        url = database.server.create()
        given = settings_for(upstreams, folder, redis_url, url, web_token=TOKEN, web_port=0, plan_interval=60)
        environment = os.environ | given
        store = open_now.enter_context(open_store(settings_of(given)))
        slugs = import_packages(store, datetime.now(UTC), packages, folder)
        started: dict[str, Child] = {}
        for name, command in _PROCESSES.items():
            started[name] = start_process(name, *command, environment=environment, folder=folder)
            open_now.callback(started[name].end)
        wait_until(lambda: _LISTENS.search(started["web"].output()), "the web process listens", within=30)
        listens = _LISTENS.search(started["web"].output())
        assert listens is not None
        address = listens[0]
        client = httpx.Client(base_url=address, headers={"authorization": f"Bearer {TOKEN}"}, timeout=30)
        found = Deployment(store, environment, open_now.enter_context(client))
        queue = [str(BIN / "fetcher"), "refresh", "--all", "--queue"]
        subprocess.run(queue, env=environment, check=True, stderr=subprocess.DEVNULL)
        before = found.waiting()
        while found.waiting() > before - _WARM:
            time.sleep(0.5)  # a look reads the database that is measured
        yield found, upstreams, slugs


def table(found: Mapping[str, tuple[Sequence[Wait], Sequence[float]]], latency: float) -> Table:
    """Build a table with a row for each way of requesting."""
    shown = Table(title=f"Upstream response time: {latency:g} s", title_justify="left")
    for column in (
        "asked",
        "waits",
        "failed",
        "whole p50",
        "whole p95",
        "beyond p50",
        "beyond p95",
        f"≤ {AT_MOST:g} s",
    ):
        shown.add_column(column, justify="right")
    for how, (waits, beyond) in found.items():
        elapsed = [wait.elapsed for wait in waits]
        verdict = "[green]yes[/]" if _rank(beyond, 95) <= AT_MOST else "[red]NO[/]"
        figures = [_rank(elapsed, 50), _rank(elapsed, 95), _rank(beyond, 50), _rank(beyond, 95)]
        failed = sum(not wait.done for wait in waits)
        shown.add_row(how, str(len(waits)), str(failed), *(f"{one:.2f} s" for one in figures), verdict)
    return shown


def _rank(values: Sequence[float], share: int) -> float:
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]


def main(
    packages: Annotated[int, typer.Option(min=100, help="Packages in the background queue.")] = 10_000,
    latency: Annotated[float, typer.Option(min=0, help="Seconds of each response.")] = 0.2,
    people: Annotated[int, typer.Option(min=1, help="Requests by HTTP; a third as many by command.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the requests' packages and times.")] = 6,
) -> None:
    """Measure the latency of users' requests beyond the upstream's own time."""
    console, rng = Console(width=120), random.Random(seed)  # noqa: S311  (no secret: the same each time)
    with (
        tempfile.TemporaryDirectory(prefix="fetcher-bench-") as folder,
        deployment(packages, latency, Path(folder)) as (requested, upstreams, slugs),
    ):
        console.print(f"{requested.waiting():,} sources of {packages:,} packages wait")
        ways = {"by HTTP": (requested.by_http, people), "by command": (requested.by_command, -(-people // 3))}
        waits: dict[str, list[Wait]] = {name: [] for name in ways}
        for name, (ask, number) in ways.items():
            for slug in rng.sample(slugs[packages // 2 :], number):
                time.sleep(rng.expovariate(2))  # random arrivals, two a second on average
                waits[name].append(requested.wait(ask, slug))
        console.print(f"{requested.waiting():,} sources wait still; limits tripped: {upstreams.summary().tripped}")
        log = upstreams.log_of_all()
        waits["by command, once it runs"] = [replace(one, began=one.requested) for one in waits["by command"]]
        found = {name: (few, [one.elapsed - one.upstream(log) for one in few]) for name, few in waits.items()}
        console.print(table(found, latency))


if __name__ == "__main__":
    end_well()
    typer.run(main)
