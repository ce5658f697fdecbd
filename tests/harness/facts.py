"""The facts reader of a forge over the simulator's mount of that forge, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from fetcher.domain.model import Purpose, RepoRef, Source, SourceState, Target
from fetcher.domain.outcome import Fetched, Outcome
from fetcher.http.gateway import Gateway
from fetcher.simulator.changes import Push, push
from fetcher.simulator.history import WrittenHistory
from fetcher.simulator.mount import Mount
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from fetcher.upstreams.hosted.base import FactsReader, ForgeFacts, ForgeHost, ForgeKind
from tests.harness.clock import DAY, StoppedClock
from tests.harness.fakes import GenerousQuota, SimulatorTransport

Connect = Callable[[ForgeHost, StoppedClock], FactsReader]


@dataclass
class FactsHarness:
    """One host in a world, and the reader of its facts. The repository is ``ann/alpha``."""

    clock: StoppedClock
    world: World
    service: Service
    transport: SimulatorTransport
    quota: GenerousQuota
    reader: FactsReader
    gateway: Gateway
    host: ForgeHost

    @property
    def address(self) -> str:
        return f"{self.host.host}/ann/alpha"

    @property
    def repository(self) -> Repository:
        found = self.world.repository(self.address)
        assert found is not None
        return found

    def target(self, path: str = "ann/alpha", *, answered: timedelta | None = None, **known: Any) -> Target:
        """Return the package as a claim loads it; ``answered`` is the age of its repository's last answer."""
        at = None if answered is None else self.clock.now() - answered
        states = {Source.REPOSITORY: SourceState(Source.REPOSITORY, answered_at=at)}
        blank = Target(1, "alpha", "lease", frozenset(states), None, None, None, None)
        return replace(blank, repo=RepoRef(self.host.host, path), states=states, **known)

    async def facts(self, target: Target, purpose: Purpose = Purpose.BACKGROUND) -> Outcome[ForgeFacts]:
        """Request the facts of one package."""
        found = await self.reader.facts([target], self.gateway, purpose)
        return found[target.package_id]

    async def known_id(self) -> str:
        """Return the id that a first request finds."""
        found = await self.facts(self.target())
        assert isinstance(found, Fetched)
        assert found.value.repository_id is not None
        self.requests()
        return found.value.repository_id

    def requests(self) -> dict[str, int]:
        """Return the number of requests by route and status since the last call."""
        journal = self.service.state.journal
        counted = {f"{route} {status}": number for (_, route, status), number in sorted(journal.requests.items())}
        journal.clear()
        return counted


def plain_repository(world: World, host: str, name: str = "alpha") -> Repository:
    """Put an empty repository ``ann/NAME`` on ``host``, made a year ago, with 7 stars, 3 forks and 5 watchers."""
    created = world.clock.now().replace(microsecond=0) - 400 * DAY
    made = Repository(
        database_id=world.new_repository_id(),
        host=host,
        owner="ann",
        name=name,
        created_at=created,
        pushed_at=created,
        history=WrittenHistory(),
        description="A forge's package",
        stars=7,
        forks=3,
        subscribers=5,
    )
    world.put_repository(made)
    return made


@asynccontextmanager
async def facts_harness(
    mount: Mount, kind: ForgeKind, host: str, connect: Connect, settings: Settings | None = None
) -> AsyncIterator[FactsHarness]:
    """Yield the reader of one host, whose world has one repository with a commit."""
    clock = StoppedClock()
    world = World(clock)
    repository = plain_repository(world, host)
    push(world, repository.address, Push(login="ann"))
    service = Service(world, settings, (mount,))
    transport = SimulatorTransport(service, None)
    root = service.address(mount.name, SimulatorTransport.root)
    forge = ForgeHost(name=host, host=host, kind=kind, root=root, git_root=root)
    quota = GenerousQuota()
    gateway = Gateway(transport, quota, clock, {forge.name: "anonymous"}, sleep=clock.sleep)
    yield FactsHarness(clock, world, service, transport, quota, connect(forge, clock), gateway, forge)
    await transport.aclose()
