"""A complete Fetcher in this process: its own wiring, a SQLite store, real HTTP to the simulator, and the real pauses.

Only the clock is replaced. The simulator and Fetcher share it, so that a test can advance it by days. ``Skewed.off``
sets an offset for Fetcher's clock, as on a machine whose clock is stepped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from fetcher.catalogue.documents import read_document
from fetcher.domain.errors import StoreError
from fetcher.domain.model import CatalogueEntry, Purpose, Source, SourceState
from fetcher.settings import Settings, read_settings
from fetcher.simulator import changes
from fetcher.simulator.catalogue import documents, from_documents
from fetcher.simulator.clock import Clock
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.github.statistics_jobs import Statistics
from fetcher.simulator.upstreams.registry import Settings as Served
from fetcher.store import SqlStore
from fetcher.store.schema import packages, source_states
from fetcher.wiring import Parts, open_parts, open_store
from tests.chaos.injection.oracle import Oracle
from tests.harness.stack import environment, simulated

SLUGS = ("alpha", "beta", "gamma")
DAY = timedelta(days=1)
PATIENCE = timedelta(0)
"""Requests that would have to wait return to the store with a due time, because the tests never sleep."""
_SHORTEST_STEP = timedelta(seconds=20)
_LONGEST_STEP = timedelta(minutes=10)
_MOST_STEPS = 3_000
_ANSWERS_LEAVE_WITHIN = 5.0


class Skewed:
    """The simulator's clock plus the offset ``off``, as on a machine with a wrong clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.off = timedelta(0)

    def now(self) -> datetime:
        return self._clock.now() + self.off


def invented(slug: str, number: int) -> dict[str, Any]:
    """Return a document for the simulator: a package with contributors, a year of commits and a project."""
    weeks = [(number + week) % 3 for week in range(52)]
    return {
        "slug": slug,
        "repo_url": f"https://github.com/octo/{slug}",
        "pypi_url": slug,
        "created": "2020-01-01T00:00:00+00:00",
        "last_updated": (datetime.now(UTC) - DAY * (number + 1)).isoformat(timespec="seconds"),
        "repo_watchers": 100 + number,
        "repo_forks": 10 + number,
        "repo_description": f"What {slug} is for",
        "participants": ["ann", "bob", f"author-of-{slug}"],
        "commits_over_52": weeks,
        "pypi_version": f"{number + 1}.0",
    }


@dataclass(slots=True)
class Deployment:
    """The simulator, Fetcher and the oracle of one test, with short methods for the faults."""

    simulator: Simulator
    clock: Skewed
    settings: Settings
    parts: Parts
    oracle: Oracle

    @property
    def store(self) -> SqlStore:
        return self.parts.store

    def now(self) -> datetime:
        """Return the true time, without the offset of Fetcher's clock."""
        return self.simulator.world.clock.now()

    def state(self, slug: str, source: Source) -> SourceState:
        package = self.store.packages.get(slug)
        assert package is not None
        return package.states[source]

    async def reopen(self, **settings: object) -> None:
        """Restart with other settings on the same database."""
        await self.parts.aclose()
        self.settings = read_settings({**_environment(self.settings), **environment(**settings)})
        self.parts = await open_parts(self.settings, max_wait=PATIENCE, shared=False, clock=self.clock)
        self.oracle.store = self.parts.store

    def move(self, step: int) -> None:
        """Change everything upstream: figures, heads and releases of every package that still exists."""
        world = self.simulator.world
        for number, (repository, project) in enumerate(self.oracle.names.values()):
            present = world.repository(repository)
            if present is not None:
                facts = changes.Facts(stars=present.stars + 1_000, description=f"As of step {step}")
                changes.set_facts(world, repository, facts)
                if number % 2 == step % 2 and not present.empty:
                    changes.push(world, repository, changes.Push(commits=2, login="ann"))
            if world.project(project) is not None and number % 2 != step % 2:
                changes.release(world, project, f"{step + 10}.{number}")
        self.oracle.note()

    async def work(self) -> bool:
        """Do the work of one tick of beat. Return whether there was any."""
        await self.parts.find_changes()
        claims = await self.parts.dispatcher.claims()
        for claim in claims:
            await self.parts.service.refresh(claim, Purpose.BACKGROUND)
        return bool(claims)

    async def until(self, moment: datetime) -> None:
        """Advance the clock to ``moment``, and do the work that becomes due at its time.

        A fault of the database ends a task, as in a worker. Its leases expire, and the work is claimed again.
        """
        idle = _SHORTEST_STEP
        for _ in range(_MOST_STEPS):
            try:
                worked, following = await self.work(), self._following()
            except StoreError:
                worked, following = False, None
            now = self.now()
            ahead = (following or now) - self.clock.now()
            if worked and ahead <= timedelta(0):
                continue
            if now >= moment:
                return
            idle = _SHORTEST_STEP if worked else min(idle * 2, _LONGEST_STEP)
            await self.advance(min(max(ahead, idle), moment - now))
        raise AssertionError("time that never passes")

    async def until_fresh(self, since: datetime, moment: datetime) -> datetime | None:
        """Work until every source has responded after ``since`` and all values equal those upstream.

        Return the time of the last response, or ``None`` if that is not reached by ``moment``.
        """
        while self.late(since) or self.oracle.not_current():
            if self.now() >= moment:
                return None
            await self.until(min(self.now() + timedelta(hours=6), moment))
        newest: datetime = max(row.answered_at for row in self._rows())
        return newest

    async def advance(self, by: timedelta) -> None:
        """Advance the clock when the simulator has sent its last response, because it measures their duration."""
        deadline = time.monotonic() + _ANSWERS_LEAVE_WITHIN
        while any(self.simulator.log.in_flight.values()) and time.monotonic() < deadline:  # noqa: ASYNC110  (there is no event for it)
            await asyncio.sleep(0.001)  # the simulator counts in another thread
        self.simulator.world.clock.advance(by)

    def late(self, since: datetime) -> list[str]:
        """Return the slugs of packages with a source that has not responded since ``since``, or fails."""
        rows = self._rows()
        return sorted({row.slug for row in rows if row.answered_at is None or row.answered_at < since or row.failures})

    def _rows(self) -> Sequence[Row[Any]]:
        wanted = select(packages.c.slug, *source_states.c).join(packages, packages.c.id == source_states.c.package_id)
        with self.parts.store.engine.connect() as connection:
            return connection.execute(wanted).all()

    def _following(self) -> datetime | None:
        """Return the next time at which a source can be claimed."""
        moments = [max(filter(None, (row.due_at, row.lease_until))) for row in self._rows() if row.due_at is not None]
        return min(moments, default=None)


def _environment(settings: Settings) -> dict[str, str]:
    """Return the settings that stay unchanged when Fetcher is restarted with others."""
    assert settings.github_token is not None
    return environment(
        data_dir=settings.data_dir,
        github_api_url=settings.github_api_url,
        pypi_url=settings.pypi_url,
        github_token=settings.github_token.get_secret_value(),
        serial_threshold=settings.serial_threshold,
    )


@asynccontextmanager
async def deployment(
    folder: Path, *, statistics: Statistics | None = None, slugs: Sequence[str] = SLUGS, **settings: object
) -> AsyncIterator[Deployment]:
    """Yield a Fetcher with its simulator, after the import and a first refresh that the oracle found right."""
    world = from_documents([invented(slug, number) for number, slug in enumerate(slugs)])
    with Simulator(world, Served(limits=Limits(), statistics=statistics or Statistics())) as simulator:
        wanted = read_settings(environment(**simulated(simulator), data_dir=folder, **settings))
        clock = Skewed(world.clock)
        entries = [entry for one in documents(world) if isinstance(entry := read_document(one), CatalogueEntry)]
        with open_store(wanted) as store:
            store.packages.import_entries(entries, clock.now())
        parts = await open_parts(wanted, max_wait=PATIENCE, shared=False, clock=clock)
        names = {entry.slug: (f"octo/{entry.slug}", entry.slug) for entry in entries}
        made = Deployment(simulator, clock, wanted, parts, Oracle(world, parts.store, names))
        try:
            made.oracle.note()
            assert await made.until_fresh(clock.now() - DAY, clock.now() + DAY) is not None, "the first pass"
            assert not made.oracle.not_current()
            assert not made.oracle.wrong()  # this also records the stored values, which a fault might blank
            yield made
        finally:
            await made.parts.aclose()
