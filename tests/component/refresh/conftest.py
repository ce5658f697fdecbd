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

from fetcher.domain.model import CatalogueEntry, Observed, Purpose, Source, SourceState, StoredPackage
from fetcher.refresh.dispatch import Dispatcher
from fetcher.refresh.report import Report
from fetcher.refresh.service import RefreshService
from fetcher.settings import read_settings
from fetcher.simulator.git.objects import sealed
from fetcher.simulator.history import Author, Commit, WrittenHistory
from fetcher.simulator.journal import Journal
from fetcher.simulator.project import Project, Release
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.github.credentials import DEFAULT_TOKEN
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.github.statistics_jobs import Statistics
from fetcher.simulator.upstreams.pypi.settings import Index
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from fetcher.store import SqlStore, open_engine
from fetcher.upstreams.github.refresh import GitHubRefresh
from fetcher.upstreams.github.verify import MergesCheck
from fetcher.upstreams.pypi.feed_check import FeedCheck
from fetcher.upstreams.pypi.serials_check import SerialsCheck
from fetcher.upstreams.pypi.upstream import PyPIRefresh
from fetcher.upstreams.registry import upstreams_of
from fetcher.wiring import Pace, assemble
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
    refresh_service: RefreshService
    dispatcher: Dispatcher
    github: GitHubRefresh
    serials: SerialsCheck
    feed: FeedCheck

    @property
    def merges(self) -> MergesCheck:
        return self.github.merges

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
        assert not self.store.packages.import_entries([entry], self.clock.now()).rejected
        return self.store.packages.ids([slug])[slug]

    def make(self, slug: str, authors: Sequence[str] = ("ann", "ann", "bob"), *, age: int = 20) -> Repository:
        """Create a repository with a commit by each of ``authors``, a day apart, the newest ``age`` days old."""
        commits: list[Commit] = []
        for number, login in enumerate(authors):
            at = self.clock.now() - (age + len(authors) - 1 - number) * DAY
            parents = (commits[-1].oid,) if commits else ()
            commits.append(sealed(Author(login, login, login), at, at, parents, f"{slug} {number}"))
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
            claims = await self.dispatcher.claims()
            if not claims:
                return reports
            reports += [await self.refresh_service.refresh(claim, Purpose.BACKGROUND) for claim in claims]
        raise AssertionError("work that never ends")

    async def by_hand(self, *slugs: str, sources: Sequence[Source] = tuple(Source)) -> Report:
        """Refresh as a user's request does."""
        ids = self.store.packages.ids(slugs)
        return await self.refresh_service.refresh_packages([ids[slug] for slug in slugs], sources, Purpose.MANUAL)

    def tomorrow(self, days: int = 1) -> None:
        """Advance the clock by days, to a time after every package's slot of the last day."""
        self.clock.advance(days * DAY + DAY / 2)

    def get(self, slug: str) -> StoredPackage:
        found = self.store.packages.get(slug)
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
    """Build a set-up: with or without a token, commits over git, cold statistics, or a mirror that lacks a feature."""
    async with AsyncExitStack() as opened:

        async def build(
            *,
            token: str | None = DEFAULT_TOKEN,
            statistics: Statistics | None = None,
            index: Index | None = None,
            threshold: int = 500,
            others_per_minute: float = 0.0,
            commits: str = "api",
        ) -> Harness:
            path = tmp_path / "store.db"
            shutil.copy(sqlite_template, path)
            engine = open_engine(f"sqlite:///{path}")
            opened.callback(engine.dispose)
            clock = StoppedClock(NOW)
            world = World(clock)
            settings = Settings(
                limits=Limits(enforced=False),
                statistics=statistics or Statistics(),
                index=index or Index(),
                others_per_minute=others_per_minute,
            )
            service = Service(world, settings)
            transport = SimulatorTransport(service, token)
            opened.push_async_callback(transport.aclose)
            quota, store = GenerousQuota(), store_on(engine)
            environment = {
                "FETCHER_GITHUB_API_URL": transport.github,
                "FETCHER_GITHUB_TOKEN": token or "",
                "FETCHER_GITHUB_COMMITS": commits,
                "FETCHER_PYPI_URL": transport.index,
                "FETCHER_SERIAL_THRESHOLD": str(threshold),
            }
            upstreams = upstreams_of(read_settings(environment))
            pace = Pace(lease=LEASE, horizon=3 * LEASE)
            parts = assemble(store, transport, quota, clock, upstreams, pace, sleep=clock.sleep)
            return Harness(
                clock,
                world,
                service,
                transport,
                quota,
                store,
                parts.service,
                parts.dispatcher,
                parts.live(GitHubRefresh),
                parts.live(PyPIRefresh).serials,
                parts.live(PyPIRefresh).feed,
            )

        yield build


@pytest.fixture
async def harness(build: Build) -> Harness:
    """Build the usual set-up: a token, warm statistics, the full index."""
    return await build()
