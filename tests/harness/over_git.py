"""The refresh of repositories on a real git server, with production wiring except for the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fetcher.catalogue.addresses import Location
from fetcher.domain.model import CatalogueEntry, Purpose, RepoRef, Source, SourceState, StoredPackage
from fetcher.http.transport import HttpTransport
from fetcher.ports import NULL_OBSERVER, Observer, Transport
from fetcher.quota import Quota, QuotaPolicy, ResourceLimits
from fetcher.refresh.report import Report
from fetcher.store import SqlStore, open_engine, upgrade
from fetcher.upstreams.base import Upstream
from fetcher.upstreams.hosted.base import ForgeHost, ForgeKind
from fetcher.upstreams.hosted.git_only import GIT_ONLY
from fetcher.upstreams.hosted.kinds import HostedKind
from fetcher.upstreams.hosted.upstream import API, HostedForge
from fetcher.upstreams.registry import Upstreams
from fetcher.wiring import Assembly, Pace, assemble
from tests.harness.clock import DAY, NOW, StoppedClock
from tests.harness.fakes import GenerousQuota

HOST = "code.example"
NO_LIMITS = QuotaPolicy((ResourceLimits(API, points=1_000_000),))


@dataclass
class OverGit:
    """A store, a stopped clock and the refresh of one host, served by a real server."""

    store: SqlStore
    assembly: Assembly
    clock: StoppedClock
    quota: GenerousQuota = field(default_factory=GenerousQuota)

    def add(self, *paths: str, host: str = HOST) -> None:
        """Import packages with these repositories; the slug is the last part of the path."""
        entries = [CatalogueEntry(path.rpartition("/")[2], path, repo_url=f"https://{host}/{path}") for path in paths]
        assert not self.store.packages.import_entries(entries, self.clock.now()).rejected

    async def work(self) -> list[Report]:
        """Dispatch and refresh until nothing is due, with an upper bound."""
        reports: list[Report] = []
        for _ in range(10):
            claims = await self.assembly.dispatcher.claims()
            if not claims:
                return reports
            reports += [await self.assembly.service.refresh(claim, Purpose.BACKGROUND) for claim in claims]
        raise AssertionError("work that never ends")

    async def by_hand(self, slug: str, sources: Sequence[Source] = tuple(Source)) -> Report:
        """Refresh one package as a user's request does."""
        found = self.store.packages.ids([slug])[slug]
        return await self.assembly.service.refresh_packages([found], sources, Purpose.MANUAL)

    def tomorrow(self, days: int = 1) -> None:
        """Advance the clock by days, to a time after every slot."""
        self.clock.advance(days * DAY)

    def get(self, slug: str) -> StoredPackage:
        found = self.store.packages.get(slug)
        assert found is not None
        return found

    def state(self, slug: str, source: Source) -> SourceState:
        return self.get(slug).states[source]


def any_path(location: Location) -> RepoRef | str:
    """Parse any path as a repository."""
    return RepoRef(location.host, "/".join(location.segments))


def host_at(root: str, kind: ForgeKind = ForgeKind.GIT) -> ForgeHost:
    """Return a host whose pages and repositories are below ``root``."""
    return ForgeHost(HOST, HOST, kind, root, root, trusted=True)


@asynccontextmanager
async def over_git(
    folder: Path, root: str, kind: HostedKind = GIT_ONLY, observer: Observer = NULL_OBSERVER
) -> AsyncIterator[OverGit]:
    """Open the refresh of the repositories at ``root``, with a database in ``folder``."""
    forge = HostedForge(host_at(root, kind.kind), kind, NO_LIMITS, any_path)
    async with opened(folder, (forge,), observer=observer) as running:
        yield running


@asynccontextmanager
async def opened(
    folder: Path,
    upstreams: tuple[Upstream, ...],
    transport: Transport | None = None,
    clock: StoppedClock | None = None,
    observer: Observer = NULL_OBSERVER,
    ledger: Quota | None = None,
) -> AsyncIterator[OverGit]:
    """Open the refresh of these upstreams, with a database in ``folder``: over HTTP unless a transport is given.

    ``ledger`` replaces the quota that grants every request.
    """
    known = Upstreams(upstreams)
    engine = open_engine(f"sqlite:///{folder}/store.db")
    upgrade(engine)
    store = SqlStore(engine, read_repo=known.repository, read_project=known.project, serving=known.of)
    clock, quota = clock or StoppedClock(NOW), GenerousQuota()
    async with HttpTransport(known.sites(), user_agent="fetcher/test (test@example.org)") as over_http:
        assembly = assemble(store, transport or over_http, ledger or quota, clock, known, Pace(), observer, clock.sleep)
        yield OverGit(store, assembly, clock, quota)
    store.close()
