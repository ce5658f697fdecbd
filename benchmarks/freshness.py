"""``python -m benchmarks.freshness``: the time from a push, a star or a release to its values in the store.

A catalogue in the state after its first pass is written into PostgreSQL. Celery workers and beat refresh it with the
default settings. Meanwhile heads move, stars change and projects are released in the simulator, and 200 heads move
within a minute. The database is read several times a second for the values of each event. An hour of the simulator may
be compressed. A value that is not stored ten minutes after the last event counts as infinitely late.

With ``--by-class``, heads of packages of each class of activity move instead, and due times are where the intervals of
the classes put them. Only classes whose interval is at most half the period are measured. Each push is at least an
interval before the end.
"""

from __future__ import annotations

import asyncio
import math
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, Row, text

from benchmarks.database import filled, postgres
from benchmarks.engine import settings_for, settings_of
from benchmarks.filling import Filling
from benchmarks.freshness_model import NAMES
from benchmarks.processes import end_well
from benchmarks.simulated import Counted, SimulatorProcess, latencies, simulator
from benchmarks.workers import Workers, workers
from fetcher.domain.presentation import sweep_in_words
from fetcher.domain.sweeping import SHORTEST, Sweep, SweepPlan, class_of
from fetcher.store import open_engine
from fetcher.upstreams.github.limits import GITHUB
from fetcher.wiring import open_parts
from tests.harness.redis_server import running_redis

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
STATISTICS_TAKE, OTHERS_TAKE = 2.0, 0.2
"""Seconds of a real hour for a response, in addition to the simulator's own time."""
BURST = 200
"""Heads that move within a minute."""
WITHIN = (*(f"active within {name}" for name in NAMES[:-1]), "silent for longer")
OF_CLASS = 60
"""Pushes to packages of each class of activity."""
DETAILED = 100_000
"""Most packages that are filled with contributors and commits. Only a moved head needs them, and it brings its own."""
CANDIDATES_READ = 50_000
"""About the number of packages among which those with an event are chosen."""
SPREAD = {"push": 100, "star": 60, "description": 60, "release": 60}
"""Events that are spread over the measured period, more than a day has of them in that time."""
WARM = 2 * MINUTE
"""Time before the first event: workers start, and the intervals are computed."""
LOOK = 0.3
"""Seconds between two readings of the database."""
PATIENCE = 10 * MINUTE
"""Time after the last event for which missing values are awaited: two of the shortest intervals."""
OTHERS_A_MINUTE = 10
"""Releases of projects outside the catalogue, as in the feed of the full index."""
RELEASED_A_DAY = 0.01
"""Share of the projects released a day, for the requests and bytes of a day."""
ROOT_BYTES = 60_000_000
"""Size of the full index's root, which is requested once a day. The simulator's has the catalogue's projects only."""

STORED = text(
    "SELECT p.slug, o.head_oid, o.stars, o.description, o.pypi_latest, s.revision FROM packages p"
    " JOIN observations o ON o.package_id = p.id"
    " LEFT JOIN source_states s ON s.package_id = p.id AND s.source = 'commits' WHERE p.slug = ANY(:slugs)"
)
CANDIDATES = text(
    "SELECT p.slug, o.full_name, o.stars, o.pypi_name, a.active_at FROM packages p"
    " JOIN observations o ON o.package_id = p.id JOIN activities a ON a.package_id = p.id"
    " WHERE o.head_oid IS NOT NULL AND o.pypi_latest IS NOT NULL AND NOT o.archived AND p.id % :step = 0 ORDER BY p.id"
)
AGED = text("UPDATE activities SET active_at = now() - (now() - active_at) * :scale")
"""Compresses the time since the last activity as the hour is, so that each class keeps its packages."""
Events: TypeAlias = Iterator[tuple[float, Callable[[], None]]]


@dataclass(frozen=True, slots=True)
class Event:
    """One change in the simulator, and the value that shows it in the store."""

    kind: str
    slug: str
    column: str
    """Column of ``STORED``."""
    value: object
    at: float


@dataclass(slots=True)
class Watch:
    """The events that are not stored yet, and the seconds that the others took."""

    engine: Engine
    open: list[Event] = field(default_factory=list)
    took: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def look(self) -> None:
        """Read the values of the open events once."""
        if not self.open:
            return
        with self.engine.connect() as connection:
            rows = connection.execute(STORED, {"slugs": sorted({one.slug for one in self.open})}).all()
        now = time.monotonic()
        stored = {row.slug: row for row in rows}
        still = []
        for one in self.open:
            if getattr(stored[one.slug], one.column) == one.value:
                self.took[one.kind].append(now - one.at)
            else:
                still.append(one)
        self.open = still


@dataclass(frozen=True, slots=True)
class Run:
    """Parameters. ``length`` and ``warm`` are of the simulator's own time."""

    packages: int
    hour: float
    length: timedelta
    warm: timedelta
    by_class: bool

    @property
    def scale(self) -> float:
        return self.hour / 3600


@dataclass(frozen=True, slots=True)
class Period:
    """All measurements of one period."""

    took: dict[str, list[float]]
    lost: Counter[str]
    """Values of each kind that were not stored in the end."""
    counted: Counted
    cpu: float
    seconds: float
    hour: float
    words: Sequence[str]


def measure(run: Run, url: str, folder: Path) -> Period:
    """Change the simulator's world over the run's length, and watch the store."""
    hour, scale, packages = run.hour, run.scale, run.packages
    options = [*latencies(hour, STATISTICS_TAKE, OTHERS_TAKE), "--other-releases", f"{OTHERS_A_MINUTE / scale:g}"]
    with running_redis() as redis_url, simulator(packages, *options, hour=hour) as upstreams:
        environment = settings_for(upstreams, folder, redis_url, url, refresh_interval="auto", log_level="WARNING")
        engine = open_engine(url)
        if run.by_class:
            asyncio.run(_place(environment))
        with workers(os.environ | environment, 2, folder) as running:
            time.sleep(run.warm.total_seconds() * scale)
            upstreams.forget()
            cpu, began = running.cpu(), time.monotonic()
            watch = Watch(engine)
            seconds = run.length.total_seconds() * scale
            if run.by_class:
                plan = next(one for one in asyncio.run(_plans(environment)) if one.upstream == GITHUB)
                events = _pushes(upstreams, watch, run, plan.sweep)
            else:
                events = _events(upstreams, watch, run)
            _change(watch, events, seconds, running)
            counted, cpu, seconds = upstreams.summary(), running.cpu() - cpu, time.monotonic() - began
            _wait(watch, PATIENCE.total_seconds() * scale)
        words = [f"{plan.upstream} {_in_words(plan)}" for plan in asyncio.run(_plans(environment))]
        engine.dispose()
        lost = Counter(one.kind for one in watch.open)
        return Period(watch.took, lost, counted, cpu, seconds, hour, words)


def _change(watch: Watch, events: Events, seconds: float, running: Workers) -> None:
    """Carry out the events at their times, reading the store in between."""
    began = time.monotonic()
    for at, act in events:
        while time.monotonic() - began < at:
            watch.look()
            time.sleep(LOOK)
        act()
    if not running.run():
        raise RuntimeError(f"the workers ended: {running.worker.output()[-2000:]}")
    while time.monotonic() - began < seconds:
        watch.look()
        time.sleep(LOOK)


def _candidates(watch: Watch, run: Run) -> Sequence[Row[Any]]:
    with watch.engine.connect() as connection:
        return connection.execute(CANDIDATES, {"step": max(run.packages // CANDIDATES_READ, 1)}).all()


def _pushes(upstreams: SimulatorProcess, watch: Watch, run: Run, sweep: Sweep) -> Events:
    """Yield pushes to as many packages of each measured class of activity, in order of time."""
    rng, now = Random(14), datetime.now(UTC)  # noqa: S311 - chooses invented packages
    of_class: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in _candidates(watch, run):
        of_class[class_of((now - row.active_at) / run.scale)].append(row)
    length = run.length * run.scale
    pushed: list[tuple[float, Row[Any], int]] = []
    for place, rows in sorted(of_class.items()):
        interval = sweep.of_class(place)
        if interval <= length / 2:
            last = (length - interval).total_seconds()
            pushed += [(rng.random() * last, row, place) for row in rng.sample(rows, min(len(rows), OF_CLASS))]
    for at, row, place in sorted(pushed, key=lambda one: one[0]):
        yield at, partial(_act, upstreams, watch, "push", row, f", {WITHIN[place]}")


def _events(upstreams: SimulatorProcess, watch: Watch, run: Run) -> Events:
    """Yield the events in order of time, each of another package."""
    rng, rows = Random(14), _candidates(watch, run)  # noqa: S311 - chooses invented packages
    seconds = run.length.total_seconds() * run.scale
    chosen = iter(rng.sample(rows, min(len(rows), BURST + sum(SPREAD.values()))))
    times = [("push", seconds / 3 + rng.random() * 60 * run.scale) for _ in range(min(BURST, run.packages // 20))]
    times += [(kind, rng.random() * seconds) for kind, number in SPREAD.items() for _ in range(number)]
    for kind, at in sorted(times, key=lambda one: one[1]):
        row = next(chosen, None)
        if row is None:
            return
        yield at, partial(_act, upstreams, watch, kind, row)


def _act(upstreams: SimulatorProcess, watch: Watch, kind: str, row: Row[Any], of: str = "") -> None:
    now = time.monotonic()
    slug, name, stars, project = row.slug, row.full_name, row.stars, row.pypi_name
    if kind == "push":
        head = upstreams.act("push", target=name)["head"]
        watch.open += [
            Event(f"push{of}", slug, "head_oid", head, now),
            Event(f"push{of}, 52 weeks", slug, "revision", head, now),
        ]
    elif kind == "description":
        words = f"a description of {now:.3f}"
        upstreams.act("set", target=name, description=words)
        watch.open.append(Event("description", slug, "description", words, now))
    elif kind == "star":
        upstreams.act("set", target=name, stars=stars + 1)
        watch.open.append(Event("star", slug, "stars", stars + 1, now))
    else:
        upstreams.act("release", target=project, version="9999.1")
        watch.open.append(Event("release", slug, "pypi_latest", "9999.1", now))


def _wait(watch: Watch, seconds: float) -> None:
    """Read the store until every event is stored, or for ``seconds``."""
    end = time.monotonic() + seconds
    while watch.open and time.monotonic() < end:
        watch.look()
        time.sleep(LOOK)


async def _plans(environment: dict[str, str]) -> list[SweepPlan]:
    parts = await open_parts(settings_of(environment))
    plans = list(parts.store.sweeps.plans())
    await parts.aclose()
    return plans


def _in_words(plan: SweepPlan) -> str:
    """Return the intervals in the simulator's own time."""
    return sweep_in_words(replace(plan, sweep=replace(plan.sweep, scale=1.0)))


async def _place(environment: dict[str, str]) -> None:
    """Compute the intervals and bring every due time forward to them, as the plans of the first hours do."""
    parts = await open_parts(settings_of(environment))
    await parts.place_sweeps()
    while any(plan.placed_after is not None for plan in parts.store.sweeps.plans()):
        await parts.place_sweeps()
    await parts.aclose()


def table(found: Period, packages: int) -> Table:
    """Build the table of ages and costs. Minutes are of the simulator's own time."""
    shown = Table(title=f"{packages:,} packages, {found.seconds / found.hour:.2f} hours", title_justify="left")
    for column in ("figure", "number", "p50", "p95", "most"):
        shown.add_column(column, justify="left" if column == "figure" else "right")
    for kind in sorted({*found.took, *found.lost}):
        seconds = found.took.get(kind, [])
        minutes = sorted(one * 60 / found.hour for one in seconds) + [math.inf] * found.lost[kind]
        if minutes:
            figures = (minutes[math.ceil(share * len(minutes)) - 1] for share in (0.5, 0.95, 1))
            shown.add_row(f"{kind}: minutes to stored", f"{len(minutes)}", *(f"{one:.1f}" for one in figures))
    return shown


def index_a_day(found: Period, packages: int) -> tuple[float, float]:
    """Return the requests and bytes to the index on a day: those measured by route, at the releases of a day.

    Polls are those of the period. A release costs the measured requests and bytes of one. The root is requested once.
    """
    days = found.seconds / found.hour / 24
    polls, feed = found.counted.asked("pypi", "feed") / days, found.counted.bytes.get("pypi feed", 0) / days
    released = max(len(found.took.get("release", ())) + found.lost["release"], 1)
    others = {name: sum(of.values()) for name, of in found.counted.routes.items() if name.startswith("pypi ")}
    of_releases = [name for name in others if name not in ("pypi feed", "pypi root")]
    times = RELEASED_A_DAY * packages / released
    requests = polls + times * sum(others[name] for name in of_releases) + 1
    return requests, feed + times * sum(found.counted.bytes.get(name, 0) for name in of_releases) + ROOT_BYTES


def lines(found: Period, packages: int) -> list[str]:
    """Return the costs as sentences."""
    hours = found.seconds / found.hour
    points = found.counted.points
    index = []
    if found.took.get("release"):
        requests, size = index_a_day(found, packages)
        shown = f"{requests:,.0f} requests, {size / 1e6:.0f} MB with its root"
        index = [f"index, a day with {RELEASED_A_DAY:.0%} released: {shown}"]
    return [
        *found.words,
        f"values not stored: {sum(found.lost.values())}",
        f"GraphQL: {points.get('graphql', 0) / hours / 5000:.1%} of 5,000 points an hour",
        f"REST: {points.get('core', 0) / hours / 5000:.1%} of 5,000 requests an hour",
        *index,
        f"requests by route: {', '.join(f'{name} {sum(of.values()):,}' for name, of in found.counted.routes.items())}",
        f"worker CPU: {found.cpu / hours / 3600:.1%} of one core",
        f"load of the machine: {', '.join(f'{one:.1f}' for one in os.getloadavg())}",
        f"limits tripped {found.counted.tripped}, sent in a pause {found.counted.asked_while_waiting}",
    ]


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def main(
    packages: Annotated[int, typer.Option(min=100, help="Number of packages.")] = 5_500,
    hour: Annotated[float, typer.Option(min=60, help="Length of GitHub's hour in seconds.")] = 3600,
    minutes: Annotated[float, typer.Option(min=1, help="Measured minutes, of the simulator's own time.")] = 15,
    warm: Annotated[float, typer.Option(min=1, help="Minutes before the first event, of that time.")] = WARM / MINUTE,
    *,
    by_class: Annotated[bool, typer.Option(help="Push to packages of each class of activity.")] = False,
) -> None:
    """Measure the time from an event to the store, and its cost."""
    run = Run(packages, hour, minutes * MINUTE, warm * MINUTE, by_class)
    with _folder() as folder, postgres() as server:
        interval = (DAY if by_class else SHORTEST) * run.scale
        url = filled(server, Filling(packages, datetime.now(UTC), interval=interval, details=packages <= DETAILED))
        if by_class:
            _age(url, run.scale)
        found = measure(run, url, folder)
    Console(width=160).print(table(found, packages), *lines(found, packages), sep="\n")


def _age(url: str, scale: float) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(AGED, {"scale": scale})
    engine.dispose()


if __name__ == "__main__":
    end_well()
    typer.run(main)
