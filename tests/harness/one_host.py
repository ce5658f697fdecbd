"""One host of repositories with the ledger and the policy of production, a stopped clock and no socket.

Packages are planned once a minute, as beat does, so that the time of a pass is that of the whole engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from fetcher.domain.model import REPOSITORY_SOURCES, Purpose, Source
from fetcher.quota import MemoryQuota
from fetcher.simulator.changes import Push, push, repository_of
from fetcher.simulator.mount import Mount
from fetcher.simulator.server import Service
from fetcher.simulator.world import World
from fetcher.store.schema import source_states
from fetcher.upstreams.hosted.base import ForgeHost
from fetcher.upstreams.hosted.kinds import HostedKind
from fetcher.upstreams.hosted.policies import policy_of
from fetcher.upstreams.hosted.upstream import HostedForge
from tests.harness.clock import MINUTE, StoppedClock
from tests.harness.facts import plain_repository
from tests.harness.fakes import SimulatorTransport
from tests.harness.over_git import OverGit, any_path, opened

_S = source_states.c


@dataclass(frozen=True, slots=True)
class OneHost:
    """A host of repositories ``ann/NAME`` with a commit each, and the refresh of the packages that were added."""

    name: str
    names: tuple[str, ...]
    world: World
    service: Service
    running: OverGit

    @property
    def clock(self) -> StoppedClock:
        return self.running.clock

    @property
    def sent(self) -> int:
        """The number of requests so far."""
        return len(self.service.state.journal.entries)

    def add(self, names: Iterable[str]) -> None:
        self.running.add(*(f"ann/{name}" for name in names), host=self.name)

    def push(self, name: str) -> None:
        push(self.world, f"{self.name}/ann/{name}", Push(login="ann"))

    async def minute(self) -> None:
        """Plan and refresh as beat and a worker do, and advance to the next minute."""
        start = self.clock.now()
        for claim in await self.running.assembly.dispatcher.claims():
            await self.running.assembly.service.refresh(claim, Purpose.BACKGROUND)
        self.clock.advance(max(MINUTE - (self.clock.now() - start), timedelta(0)))

    async def until(self, done: Callable[[], bool], within: timedelta) -> timedelta:
        """Let minutes pass until ``done``, and return the time."""
        start = self.clock.now()
        while not done():
            assert self.clock.now() - start < within, f"{self.sent} requests did not suffice"
            await self.minute()
        return self.clock.now() - start

    def answered_since(self, moment: datetime) -> int:
        """Return the number of packages of which every source has answered, and the repository since ``moment``."""
        since = [_S.answered_at.is_not(None), _S.source.in_(REPOSITORY_SOURCES)]
        complete = (
            select(_S.package_id).where(*since).group_by(_S.package_id).having(func.count() == len(REPOSITORY_SOURCES))
        )
        recent = (_S.source == Source.REPOSITORY.value, _S.answered_at >= moment, _S.package_id.in_(complete))
        with self.running.store.engine.connect() as connection:
            return connection.execute(select(func.count()).where(*recent)).scalar_one()

    def at_tip(self) -> int:
        """Return the number of packages whose commits belong to the repository's newest one."""
        tips = (repository_of(self.world, f"{self.name}/ann/{name}").history.tip for name in self.names)
        revisions = select(_S.revision).where(_S.source == Source.COMMITS.value)
        with self.running.store.engine.connect() as connection:
            stored = set(connection.execute(revisions).scalars())
        return sum(tip is not None and tip.oid in stored for tip in tips)


@asynccontextmanager
async def one_host(
    folder: Path,
    name: str,
    kind: HostedKind,
    mount: Mount,
    packages: int,
    *,
    per_second: float | None = None,
) -> AsyncIterator[OneHost]:
    """Open a host of so many repositories; no package is added yet."""
    clock = StoppedClock()
    world = World(clock)
    names = tuple(f"package-{number}" for number in range(packages))
    for one in names:
        push(world, plain_repository(world, name, one).address, Push(login="ann"))
    service = Service(world, None, (mount,))
    transport = SimulatorTransport(service, None)
    root = service.address(mount.name, SimulatorTransport.root)
    host = ForgeHost(name, name, kind.kind, root, root, per_second=per_second, trusted=True)
    upstream = HostedForge(host, kind, policy_of(host), any_path)
    async with opened(folder, (upstream,), transport, clock, ledger=MemoryQuota({name: policy_of(host)})) as running:
        yield OneHost(name, names, world, service, running)
    await transport.aclose()
