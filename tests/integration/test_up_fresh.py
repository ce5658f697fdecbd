"""``fetcher up`` with the default interval: changes made in the simulator reach the store by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fetcher.domain.model import Source, StoredPackage
from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.changes import Facts, Push, push, release, set_facts
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.stack import Stack, simulated, stack

PACKAGES = 40
MINUTE = timedelta(seconds=60)
"""Length of the simulator's hour: the shortest interval is five seconds."""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(synthetic(PACKAGES), Settings(limits=Limits(hour=MINUTE))) as running:
        yield running


def get(ours: Stack, slug: str) -> StoredPackage:
    found = ours.store.packages.get(slug)
    assert found is not None
    return found


@pytest.mark.slow
def test_changes_arrive_by_themselves(tmp_path: Path, simulator: Simulator) -> None:
    """After a first pass a push, a star and a release are stored without any request of a user, at `auto`."""
    settings = {**simulated(simulator), "refresh_interval": "auto", "plan_interval": 1}
    with stack(tmp_path, **settings) as ours:
        slugs = ours.import_world(simulator.world)
        ours.start("up", "fetcher", "up", gently=True)
        ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")
        ours.until(ours.store.sweeps.plans, "the intervals are computed")
        found = [get(ours, slug) for slug in slugs]
        pushed, starred, released = [one for one in found if one.stats and one.stats.head_oid and one.versions][:3]
        assert pushed.stats is not None
        assert starred.stats is not None
        assert released.versions is not None

        head = push(simulator.world, pushed.stats.full_name, Push(login="ann")).history.tip
        set_facts(simulator.world, starred.stats.full_name, Facts(stars=(starred.stats.stars or 0) + 1))
        release(simulator.world, released.versions.name, version="9999.1")

        assert head is not None
        ours.until(lambda: _revision(ours, pushed) == head.oid, "the push is stored with its weeks")
        ours.until(lambda: _stars(ours, starred) == (starred.observed.repo_watchers or 0) + 1, "the star is stored")
        ours.until(lambda: get(ours, released.entry.slug).observed.pypi_version == "9999.1", "the release is stored")
        assert get(ours, pushed.entry.slug).active_at != pushed.active_at

    assert simulator.log.summary()["limits_tripped"] == {}


def _revision(ours: Stack, package: StoredPackage) -> str | None:
    return get(ours, package.entry.slug).states[Source.COMMITS].revision


def _stars(ours: Stack, package: StoredPackage) -> int | None:
    return get(ours, package.entry.slug).observed.repo_watchers
