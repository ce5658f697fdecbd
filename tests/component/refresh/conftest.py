"""The refresh with production wiring except for the network and the clock.

It has a real SQLite store, the simulator's application without a socket, and a fixed clock.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fetcher.domain.model import CatalogueEntry, Observed, Purpose, Source, SourceState, StoredPackage, Upstream
from fetcher.refresh.dispatch import Dispatcher
from fetcher.refresh.report import Report
from fetcher.refresh.service import RefreshService
from fetcher.simulator.credentials import DEFAULT_TOKEN
from fetcher.simulator.history import Author, Commit, WrittenHistory
from fetcher.simulator.journal import Journal
from fetcher.simulator.limits import Limits
from fetcher.simulator.project import Project, Release
from fetcher.simulator.pypi import Index
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Service, Settings
from fetcher.simulator.statistics_jobs import Statistics
from fetcher.simulator.world import World
from fetcher.store import SqlStore, open_engine
from fetcher.upstreams.github.requests import Api
from fetcher.upstreams.github.verify import MergesCheck
from fetcher.upstreams.pypi.serials_check import SerialsCheck
from fetcher.wiring import Access, Pace, assemble
from tests.harness.clock import DAY, NOW, StoppedClock
from tests.harness.fakes import GenerousQuota, SimulatorTransport
from tests.harness.stores import store_on

LEASE = timedelta(minutes=15)


@dataclass
class Harness:
    """The parts of a refresh, with short methods for common test steps."""

    clock: StoppedClock
    world: World
    service: Service
    transport: SimulatorTransport
    quota: GenerousQuota
    store: SqlStore
    conductor: RefreshService
    planner: Dispatcher
    serials: SerialsCheck
    merges: MergesCheck

    @property
    def log(self) -> Journal:
        return self.service.state.journal

    def requests(self) -> dict[str, int]:
        """Return the number of requests by route since the last call."""
        counted: dict[str, int] = {}
        for (_, route, _), number in self.log.requests.items():
            counted[route] = counted.get(route, 0) + number
        self.log.clear()
        return counted

    def add(self, slug: str, *, repo: bool = True, project: bool = False) -> int:
        """Import a package with the repository ``octo/{slug}`` and a project of the same name."""
        entry = CatalogueEntry(
            slug,
            slug.title(),
            repo_url=f"https://github.com/octo/{slug}" if repo else None,
            pypi_url=slug if project else None,
        )
        assert not self.store.import_entries([entry], self.clock.now()).rejected
        return self.store.package_ids([slug])[slug]

    def make(self, slug: str, authors: Sequence[str] = ("ann", "ann", "bob"), *, age: int = 20) -> Repository:
        """Create a repository with a commit by each of ``authors``, a day apart, the newest ``age`` days old."""
        commits: list[Commit] = []
        for number, login in enumerate(authors):
            at = self.clock.now() - (age + len(authors) - 1 - number) * DAY
            parents = (commits[-1].oid,) if commits else ()
            commits.append(Commit(f"{slug}{number:03}".rjust(40, "0"), Author(login, login, login), at, at, parents))
        made = Repository(
            database_id=self.world.new_repository_id(),
            owner="octo",
            name=slug,
            created_at=NOW,
            pushed_at=commits[-1].committed_at if commits else NOW,
            stars=10,
            history=WrittenHistory(commits),
        )
        self.world.put_repository(made)
        return made

    def publish(self, name: str, *versions: str, **fields: Any) -> Project:
        releases = tuple(
            Release(version=version, uploaded_at=NOW - (len(versions) - n) * DAY) for n, version in enumerate(versions)
        )
        urls = {"Documentation": f"https://{name}.example/"}
        project = Project(name=name, serial=self.world.new_serial(), releases=releases, project_urls=urls, **fields)
        self.world.put_project(project)
        return project

    async def work(self) -> list[Report]:
        """Dispatch and refresh until nothing is due now, as beat and the workers do, with an upper bound."""
        reports: list[Report] = []
        for _ in range(10):
            claims = await self.planner.claims()
            if not claims:
                return reports
            reports += [await self.conductor.refresh(claim, Purpose.BACKGROUND) for claim in claims]
        raise AssertionError("work that never ends")

    async def by_hand(self, *slugs: str, sources: Sequence[Source] = tuple(Source)) -> Report:
        """Refresh as a user's request does."""
        ids = self.store.package_ids(slugs)
        return await self.conductor.refresh_packages([ids[slug] for slug in slugs], sources, Purpose.MANUAL)

    def tomorrow(self, days: int = 1) -> None:
        """Advance the clock by days, to a time after every package's slot of the last day."""
        self.clock.advance(days * DAY + DAY / 2)

    def get(self, slug: str) -> StoredPackage:
        found = self.store.package(slug)
        assert found is not None
        return found

    def state(self, slug: str, source: Source) -> SourceState:
        return self.get(slug).states[source]


def records(reports: Sequence[Report], source: Source) -> list[Observed]:
    """Return the records of one source that was requested or confirmed."""
    observed = (record for report in reports for record in report.records if isinstance(record, Observed))
    return [record for record in observed if record.source is source]


def answered(report: Report) -> list[Source]:
    """Return the sources that responded or were confirmed."""
    return [record.source for record in report.records if isinstance(record, Observed) and record.answered]


Build = Callable[..., Awaitable[Harness]]


@pytest.fixture
async def build(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Build]:
    """Build a set-up: with or without a token, with cold statistics, or with a mirror that lacks a feature."""
    async with AsyncExitStack() as opened:

        async def build(
            *,
            token: str | None = DEFAULT_TOKEN,
            statistics: Statistics | None = None,
            index: Index | None = None,
            threshold: int = 500,
        ) -> Harness:
            path = tmp_path / "store.db"
            shutil.copy(sqlite_template, path)
            engine = open_engine(f"sqlite:///{path}")
            opened.callback(engine.dispose)
            clock = StoppedClock(NOW)
            world = World(clock)
            settings = Settings(
                limits=Limits(enforced=False), statistics=statistics or Statistics(), index=index or Index()
            )
            service = Service(world, settings)
            transport = SimulatorTransport(service, token)
            opened.push_async_callback(transport.aclose)
            quota, store = GenerousQuota(), store_on(engine)
            identities = {
                Upstream.GITHUB: "anonymous" if token is None else "token:1",
                Upstream.PYPI: "index:simulator",
            }
            api = Api(transport.github, f"{transport.github}/graphql", "github.com")
            access = Access(api, transport.index, identities, anonymous=token is None)
            pace = Pace(lease=LEASE, horizon=3 * LEASE, serial_threshold=threshold)
            parts = assemble(store, transport, quota, clock, access, pace, sleep=clock.sleep)
            return Harness(
                clock,
                world,
                service,
                transport,
                quota,
                store,
                parts.service,
                parts.dispatcher,
                parts.serials,
                parts.merges,
            )

        yield build


@pytest.fixture
async def harness(build: Build) -> Harness:
    """Build the usual set-up: a token, warm statistics, the full index."""
    return await build()
