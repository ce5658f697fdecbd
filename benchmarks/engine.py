"""Fetcher as one worker process runs it, over real Redis and a real database, in this process: a pass over what is due.

The loop below is what beat and Celery do, without them: plan each plan interval, refresh what was claimed, batch after
batch. So this process's CPU is a worker's, and nothing else's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.processes import own_cpu
from benchmarks.simulated import Counted, SimulatorProcess, write_catalogue
from benchmarks.timeline import Timeline
from fetcher.catalogue.intake import Entry, read_path
from fetcher.domain.model import Purpose
from fetcher.monitoring.logging import configure_logging
from fetcher.ports import NULL_OBSERVER, Observer
from fetcher.settings import Settings, read_settings
from fetcher.store import SqlStore, open_engine, upgrade
from fetcher.wiring import Parts, open_parts

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SERIALS_EVERY = 10
"""Minutes between two looks at whether the index's root is to be asked: ``schedules.entries``."""

LATER = DAY / 4
"""What is due later than this after a pass began belongs to the next day: slots are half an interval away at least."""

ROUND = 36 * timedelta(hours=1)
"""After so long every package's slot has come once more: slots are at most one and a half intervals away."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one pass came to. ``elapsed``: on the clock that engine and simulator share, pauses passed over included."""

    counted: Counted
    seconds: float
    cpu: float
    elapsed: timedelta


def settings_for(
    simulator: SimulatorProcess, folder: Path, redis_url: str, database_url: str | None = None, **more: object
) -> dict[str, str]:
    """The environment of a Fetcher against ``simulator``; the hour is compressed for both, and plans come as often."""
    scale = simulator.hour / 3600
    given = {
        "data_dir": folder / "data",
        "redis_url": redis_url,
        "database_url": database_url or "",
        "window_scale": scale,
        "plan_interval": max(60 * scale, 1),
        "log_level": "ERROR",
        **more,
    }
    return simulator.environment | {f"FETCHER_{name.upper()}": str(value) for name, value in given.items()}


def settings_of(environment: dict[str, str]) -> Settings:
    """Read as Fetcher reads them; an external database is made ready."""
    settings = read_settings(environment)
    configure_logging(settings.log_level)
    if not settings.embedded_database:
        engine = open_engine(settings.database)
        upgrade(engine)
        engine.dispose()
    return settings


@asynccontextmanager
async def engine(
    settings: Settings, timeline: Timeline, *, shared: bool = True, observer: Observer = NULL_OBSERVER
) -> AsyncIterator[Parts]:
    """The parts of one worker."""
    parts = await open_parts(settings, clock=timeline, shared=shared, observer=observer)
    try:
        yield parts
    finally:
        await parts.aclose()


def import_packages(store: SqlStore, now: datetime, packages: int, folder: Path) -> list[str]:
    """Import the simulator's invented packages; returns their slugs."""
    path = folder / "catalogue.json"
    write_catalogue(packages, path)
    entries = [item.entry for item in read_path(path) if isinstance(item, Entry)]
    store.import_entries(entries, now)
    return [str(document["slug"]) for document in json.loads(path.read_text("utf-8"))]


async def measured(simulator: SimulatorProcess, timeline: Timeline, work: Awaitable[None]) -> Stretch:
    """Do ``work``, and count what it took."""
    simulator.forget()
    cpu, began, at = own_cpu() - timeline.cpu, time.monotonic(), timeline.now()
    await work
    return Stretch(
        cpu=own_cpu() - timeline.cpu - cpu,
        seconds=time.monotonic() - began,
        elapsed=timeline.now() - at,
        counted=simulator.summary(),
    )


async def refresh_all(parts: Parts, timeline: Timeline) -> None:
    """Plan and refresh until nothing is due before the next day. Pauses of minutes are passed over, not slept."""
    until, every = parts.clock.now() + LATER, parts.settings.plan_interval
    while True:
        planned = time.monotonic()
        await parts.serials.check()
        claims = await parts.dispatcher.claims()
        for claim in claims:
            await parts.service.refresh(claim, Purpose.BACKGROUND)
        if claims:
            rest = every.total_seconds() - (time.monotonic() - planned)
            if rest > 0 and (_next_due(parts) or until) <= parts.clock.now():
                await asyncio.sleep(rest)
            continue
        due = _next_due(parts)
        if due is None or due > until:
            return
        wait = due - parts.clock.now()
        if wait > timedelta(seconds=2):
            timeline.advance(wait)
        else:
            await asyncio.sleep(max(wait.total_seconds(), 0.05))


async def refresh_by_the_minute(parts: Parts, timeline: Timeline) -> None:
    """One day as production sees it: a plan each minute, for the few packages whose slot that minute is."""
    timeline.advance(DAY / 2)
    for minute in range(DAY // MINUTE):
        timeline.advance(MINUTE)
        if minute % SERIALS_EVERY == 0:
            await parts.serials.check()
        for claim in await parts.dispatcher.claims():
            await parts.service.refresh(claim, Purpose.BACKGROUND)


def _next_due(parts: Parts) -> datetime | None:
    """When the next source of any package is to be asked."""
    figures = parts.store.figures(parts.clock.now(), parts.settings.refresh_interval)
    return min((one.next_due for one in figures.sources.values() if one.next_due is not None), default=None)
