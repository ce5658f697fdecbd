"""Fetcher's worker loop in this process, over real Redis and a real database: one pass over the due packages.

The loop replaces beat and Celery: it plans each interval and refreshes the claimed batches one after another. This
process's CPU is therefore a worker's, and nothing else's.
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
"""Minutes between two checks whether the index's root is to be requested: ``schedules.entries``."""

LATER = DAY / 4
"""Packages due later than this after a pass began belong to the next day. Slots are at least half an interval away."""

ROUND = 36 * timedelta(hours=1)
"""Time after which every package's slot has recurred: slots are at most one and a half intervals away."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Measurements of one pass. ``elapsed`` is on the shared clock of engine and simulator, skipped pauses included."""

    counted: Counted
    seconds: float
    cpu: float
    elapsed: timedelta


def settings_for(
    simulator: SimulatorProcess, folder: Path, redis_url: str, database_url: str | None = None, **more: object
) -> dict[str, str]:
    """Return the environment of a Fetcher against ``simulator``, with hour and plan interval compressed alike."""
    scale = simulator.hour / 3600
    given = {
        "data_dir": folder / "data",
        "redis_url": redis_url,
        "database_url": database_url or "",
        "window_scale": scale,
        "plan_interval": max(60 * scale, 1),
        "refresh_interval": 86_400,
        "log_level": "ERROR",
        **more,
    }
    return simulator.environment | {f"FETCHER_{name.upper()}": str(value) for name, value in given.items()}


def settings_of(environment: dict[str, str]) -> Settings:
    """Read the settings as Fetcher does; upgrade an external database."""
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
    """Yield the parts of one worker."""
    parts = await open_parts(settings, clock=timeline, shared=shared, observer=observer)
    try:
        yield parts
    finally:
        await parts.aclose()


def import_packages(store: SqlStore, now: datetime, packages: int, folder: Path) -> list[str]:
    """Import the simulator's invented packages; return their slugs."""
    path = folder / "catalogue.json"
    write_catalogue(packages, path)
    entries = [item.entry for item in read_path(path) if isinstance(item, Entry)]
    store.packages.import_entries(entries, now)
    return [str(document["slug"]) for document in json.loads(path.read_text("utf-8"))]


async def measured(simulator: SimulatorProcess, timeline: Timeline, work: Awaitable[None]) -> Stretch:
    """Run ``work`` and measure it."""
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
    """Plan and refresh until nothing is due before the next day. Pauses of minutes are skipped, not slept."""
    until, every = parts.clock.now() + LATER, parts.settings.plan_interval
    while True:
        planned = time.monotonic()
        await parts.find_changes()
        claims = await parts.dispatcher.claims()
        for claim in claims:
            await parts.service.refresh(claim, Purpose.BACKGROUND)
        if claims:
            rest = every.total_seconds() - (time.monotonic() - planned)
            if rest > 0 and (_next_due(parts) or until) <= parts.clock.now():
                await asyncio.sleep(rest)  # plans are as far apart as beat's
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
    """Run one day as in production: a plan each minute, for the few packages with a slot in that minute."""
    timeline.advance(DAY / 2)
    for minute in range(DAY // MINUTE):
        timeline.advance(MINUTE)
        if minute % SERIALS_EVERY == 0:
            await parts.find_changes()
        for claim in await parts.dispatcher.claims():
            await parts.service.refresh(claim, Purpose.BACKGROUND)


def _next_due(parts: Parts) -> datetime | None:
    """Return the earliest due time of any source."""
    figures = parts.store.statistics.read(parts.clock.now(), parts.cadence.longest)
    return min((one.next_due for one in figures.sources.values() if one.next_due is not None), default=None)
