"""One catalogue on five hosts through a real worker and beat, while one host is down and another limits its clients."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import func, select

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import REPOSITORY_SOURCES, Source
from fetcher.simulator import truth
from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.forgejo.mount import ForgejoMount
from fetcher.simulator.upstreams.forgejo.settings import Forgejo
from fetcher.simulator.upstreams.registry import MOUNTS, Settings
from fetcher.store.schema import packages, source_states
from tests.harness.stack import APP_LIMITS, Stack, simulated, stack

PACKAGES: Final = 2_000
LIMITING, DOWN = "codeberg.org", "forge.example"
HOSTS: Final = (
    *("github.com",) * 42,
    *("gitlab.com",) * 30,
    *(DOWN,) * 6,
    LIMITING,
    "bitbucket.org",
)
"""Hosts of the packages in turn. The two that limit most have 25 packages each, because an hour lasts a minute here.

Those of Bitbucket take 75 requests of its API, of which it serves 60 in any hour. Those of the limiting host take some
125 requests, so it refuses three times.
"""
PER_WINDOW: Final = 40
"""Requests that the limiting host admits in half an hour. Fetcher's own pace for it is 25 times as fast."""
IN_FLIGHT: Final = 2
"""Requests that were on their way when a host refused the first one."""
SAMPLE: Final = 20
A_PASS: Final = 1_800.0
"""Seconds after which a pass is taken for stuck; it takes a fraction of that."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """The catalogue, its worker's store, and the simulator of its hosts."""

    ours: Stack
    simulator: Simulator

    def answered(self) -> dict[str, int]:
        """Return the number of packages by host of which every source of the repository has answered."""
        states = source_states.c
        complete = (
            select(states.package_id)
            .where(states.source.in_(REPOSITORY_SOURCES), states.answered_at.is_not(None), states.lease.is_(None))
            .group_by(states.package_id)
            .having(func.count() == len(REPOSITORY_SOURCES))
        )
        counted = (
            select(packages.c.repo_host, func.count()).where(packages.c.id.in_(complete)).group_by(packages.c.repo_host)
        )
        with self.ours.store.engine.connect() as connection:
            return {str(host): int(number) for host, number in connection.execute(counted)}

    def is_fresh(self, hosts: Collection[str]) -> bool:
        """Return True if every package of these hosts has answered in full."""
        counted = self.answered()
        return all(counted.get(host) == PACKAGES * HOSTS.count(host) // len(HOSTS) for host in hosts)

    def lost(self) -> int:
        """Count sources that will never be requested again: neither due, nor leased, nor led by another source."""
        states = source_states.c
        unplanned = select(func.count()).where(
            states.source.in_((Source.REPOSITORY, Source.INDEX)), states.due_at.is_(None), states.lease.is_(None)
        )
        with self.ours.store.engine.connect() as connection:
            return int(connection.execute(unplanned).scalar_one())

    def repositories(self, host: str) -> list[Repository]:
        world = self.simulator.world
        found = (world.repository_by_id(number, host) for number in world.repository_ids())
        return [one for one in found if one is not None]

    def refusals(self, upstream: str) -> list[int]:
        """Return the lengths of the runs of refused requests (429) in the order of the simulator's log."""
        statuses = [one.status == 429 for one in self.simulator.log.entries if one.upstream == upstream]
        return [len(list(run)) for refused, run in groupby(statuses) if refused]


@pytest.mark.slow
def test_a_mixed_catalogue(tmp_path: Path, redis_url: str) -> None:
    """All hosts but one become fresh while it is down, within their limits; it follows when it is back."""
    settings = Settings(limits=APP_LIMITS, forgejo=Forgejo(requests=PER_WINDOW))
    down = Rule(kind=Kind.RESET, upstream="down")
    with (
        Simulator(
            synthetic(PACKAGES, hosts=HOSTS), settings, (*MOUNTS, ForgejoMount(DOWN, "down", Forgejo()))
        ) as simulator,
        stack(
            tmp_path / "stack",
            **simulated(simulator),
            forges=simulator.environment["FETCHER_FORGES"],
            redis_url=redis_url,
            plan_interval=0.3,
        ) as ours,
    ):
        simulator.faults.add(down)
        ours.import_world(simulator.world)
        mixed = Mixed(ours, simulator)
        ours.worker(concurrency=2)
        ours.beat()
        others = [host for host in dict.fromkeys(HOSTS) if host != DOWN]
        ours.until(lambda: mixed.is_fresh(others), "every host but one is fresh", within=A_PASS)

        assert mixed.answered().get(DOWN) is None
        assert mixed.lost() == 0
        simulator.faults.clear()
        ours.until(lambda: mixed.is_fresh([DOWN]), "the host that is back is fresh", within=A_PASS)

        assert mixed.lost() == 0
        for host in dict.fromkeys(HOSTS):
            for repository in mixed.repositories(host)[:SAMPLE]:
                assert_true(ours, repository, simulator.world.clock.today())
        refused = {one.upstream for one in simulator.log.entries if one.status == 429}
        assert refused == {"forgejo"}
        assert max(mixed.refusals("forgejo")) <= IN_FLIGHT
        assert simulator.log.summary()["asked_while_told_to_wait"] == 0


def assert_true(ours: Stack, repository: Repository, today: date) -> None:
    """Assert that a package's stored values equal its repository's."""
    package = ours.store.packages.get(repository.name)
    assert package is not None
    stats, days = package.stats, package.commit_days
    true: dict[str, Any] = truth.of_repository(repository, today)
    assert stats is not None
    assert days is not None
    assert (stats.head_oid, stats.full_name) == (true["head"], true["full_name"]), repository.address
    assert stats.stars == (None if repository.host == "bitbucket.org" else true["stars"]), repository.address
    assert stats.forks in ({None, true["forks"]} if repository.host == "bitbucket.org" else {true["forks"]})
    assert list(rolling_weeks(days, today)) == true["participation"], repository.address
