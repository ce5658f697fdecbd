"""Refreshes on Bitbucket, whose hour rolls, with the real ledger and its policy, a stopped clock and no socket."""

from __future__ import annotations

from pathlib import Path

from fetcher.domain.model import Purpose, Source
from fetcher.quota import MemoryQuota
from fetcher.simulator.changes import Push, push
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.bitbucket.mount import BitbucketMount
from fetcher.simulator.world import World
from fetcher.upstreams.bitbucket.kind import BITBUCKET
from fetcher.upstreams.hosted.base import ForgeHost
from fetcher.upstreams.hosted.policies import policy_of
from fetcher.upstreams.hosted.upstream import HostedForge
from tests.harness.clock import HOUR, MINUTE, StoppedClock
from tests.harness.facts import plain_repository
from tests.harness.fakes import SimulatorTransport
from tests.harness.over_git import OverGit, any_path, opened

HOST = "bitbucket.org"
PACKAGES = 30


async def test_an_import_at_the_end_of_an_hour_is_refused_nothing(tmp_path: Path) -> None:
    """One package, then thirty more 58 minutes later: all are fresh two hours on, and no hour exceeds the limit."""
    clock = StoppedClock()
    world = World(clock)
    names = [f"package-{number}" for number in range(PACKAGES + 1)]
    for name in names:
        push(world, plain_repository(world, HOST, name).address, Push(login="ann"))
    mount = BitbucketMount()
    service = Service(world, None, (mount,))
    transport = SimulatorTransport(service, None)
    root = service.address(mount.name, SimulatorTransport.root)
    host = ForgeHost(HOST, HOST, BITBUCKET.kind, root, root, trusted=True)
    upstream = HostedForge(host, BITBUCKET, policy_of(host), any_path)
    ledger = MemoryQuota({HOST: policy_of(host)})
    async with opened(tmp_path, (upstream,), transport, clock, ledger=ledger) as running:
        running.add(f"ann/{names[0]}", host=HOST)
        await minutes(running, 58)
        running.add(*(f"ann/{name}" for name in names[1:]), host=HOST)
        await minutes(running, 120)
        late = [name for name in names if running.state(name, Source.REPOSITORY).answered_at is None]
    await transport.aclose()

    api = [one.at for one in service.state.journal.entries if not one.route.startswith("git")]
    assert service.state.journal.count(status=429) == 0
    assert late == []
    assert 50 <= max(sum(first <= at < first + HOUR for at in api) for first in api) <= 60


async def minutes(running: OverGit, number: int) -> None:
    """Dispatch and refresh once a minute, as beat and a worker do."""
    for _ in range(number):
        for claim in await running.assembly.dispatcher.claims():
            await running.assembly.service.refresh(claim, Purpose.BACKGROUND)
        running.clock.advance(MINUTE)
