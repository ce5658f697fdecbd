"""A directory of 1,000 packages without a token, within GitHub's limits, for a day of a stopped clock."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import CatalogueEntry, Purpose
from fetcher.quota import MemoryQuota
from fetcher.settings import read_settings
from fetcher.simulator.history import participation
from fetcher.simulator.server import Service
from fetcher.simulator.synthetic import SyntheticCatalogue
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from fetcher.store import open_engine
from fetcher.upstreams.registry import upstreams_of
from fetcher.wiring import Pace, assemble
from tests.harness.clock import DAY, NOW, StoppedClock
from tests.harness.fakes import SimulatorTransport
from tests.harness.stores import store_on

PACKAGES = 1_000
MINUTE = timedelta(minutes=1)


@pytest.mark.slow
async def test_heads_and_weeks_are_right_within_a_day(sqlite_template: Path, tmp_path: Path) -> None:
    """With 60 requests an hour, every head and all weeks of 1,000 packages are right after 24 hours.

    The simulator enforces the limits: none is exceeded.
    """
    shutil.copy(sqlite_template, tmp_path / "store.db")
    engine = open_engine(f"sqlite:///{tmp_path}/store.db")
    clock = StoppedClock(NOW)
    world = World(clock, SyntheticCatalogue(PACKAGES, seed=7, now=NOW))
    service = Service(world, Settings())
    transport = SimulatorTransport(service, None)
    environment = {"FETCHER_GITHUB_API_URL": transport.github, "FETCHER_GITHUB_COMMITS": "git"}
    upstreams = upstreams_of(read_settings(environment))
    store, quota = store_on(engine), MemoryQuota(upstreams.policies())
    parts = assemble(store, transport, quota, clock, upstreams, Pace(), sleep=clock.sleep)
    names = [SyntheticCatalogue.full_name(index) for index in range(PACKAGES)]
    entries = [CatalogueEntry(name.replace("/", "-"), name, repo_url=f"https://github.com/{name}") for name in names]
    assert not store.packages.import_entries(entries, clock.now()).rejected
    while clock.now() < NOW + DAY:
        for claim in await parts.dispatcher.claims():
            await parts.service.refresh(claim, Purpose.BACKGROUND)
        clock.advance(MINUTE)
    today = clock.today()
    for name in names:
        package, repository = store.packages.get(name.replace("/", "-")), world.repository(name)
        assert package is not None
        assert repository is not None
        tip = repository.history.tip
        assert package.stats is not None, name
        assert package.stats.head_oid == (tip.oid if tip else None)
        assert package.commit_days is not None
        assert list(rolling_weeks(package.commit_days, today)) == participation(repository.history.commits(), today)
    assert service.state.journal.reasons.total() == 0
    await transport.aclose()
    engine.dispose()
