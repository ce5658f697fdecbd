"""Workers killed around their commits in a site's database: nothing is lost, and nothing is written twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fetcher.domain.model import ProjectVersions, Source
from fetcher.simulator.server import Simulator
from fetcher.sites.base import MOST_ROWS
from tests.chaos.injection.crash_points import CrashPoint
from tests.harness.directory import Directory
from tests.harness.processes import Child
from tests.harness.stack import ALONE, Stack, simulated, stack
from tests.harness.stores import answered, release, stats

PACKAGES = 2 * MOST_ROWS + 20
"""Three transactions: one for each killed worker, and one for the last."""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def directory(empty_postgres_url: str) -> Directory:
    """Provide a site with values of its own, which are to be overwritten."""
    found = Directory(empty_postgres_url)
    found.create()
    for number in range(PACKAGES):
        found.add(f"p{number}", pypi_url=f"p{number}", repo_watchers=7, participants="eve")
    return found


@pytest.fixture
def ours(directory: Directory, simulator: Simulator, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    """Provide a stack whose store has a response of every package. Beat starts passes."""
    settings = {**simulated(simulator), "site_url": directory.url, "redis_url": redis_url, "plan_interval": 1}
    with stack(tmp_path / "stack", **settings) as made:
        read = made.fetcher("site", "sync", "--no-refresh")
        assert read.returncode == 0, read.stderr
        record_responses(made)
        made.beat()
        yield made


def record_responses(ours: Stack) -> None:
    now = datetime.now(UTC)
    project = ProjectVersions("p", "1.0", (release("1.0"),), 7, None, None)
    found = {Source.REPOSITORY: stats(stars=84), Source.INDEX: project}
    ids = sorted(ours.store.sites.linked())
    assert len(ids) == PACKAGES
    ours.store.claims.record(
        [answered(one, source, values, observed_at=now) for one in ids for source, values in found.items()]
    )


def worker(ours: Stack, *, dies: CrashPoint | None = None) -> Child:
    """Start a worker of the maintenance queue alone, so that passes are its work and no package is requested."""
    if dies is None:
        return ours.worker(queues="maintenance")
    queues = ("--queues", "maintenance", "--hostname", "killed@%h", "--concurrency", "1", *ALONE)
    variables = {**ours.environment, "CHAOS_CRASH_POINT": dies, "PYTHONPATH": str(ROOT)}
    before, ours.environment = ours.environment, variables
    try:
        return ours.start("killed", "celery", "--quiet", "-A", "tests.chaos.injection.crash_points", "worker", *queues)
    finally:
        ours.environment = before


def written(directory: Directory) -> dict[int, str]:
    """Return the transaction that wrote each row with the new value, by package."""
    rows = directory.execute("select id, xmin::text as written from package_package where repo_watchers = 84")
    return {row["id"]: row["written"] for row in rows}


def packages(directory: Directory) -> list[dict[str, Any]]:
    return directory.execute("select * from package_package order by id")


@pytest.mark.slow
def test_a_worker_killed_around_its_commit_is_made_up_for(ours: Stack, directory: Directory) -> None:
    """Killed after a commit, and another one before it, the third worker writes the rest once; revert restores all."""
    before = packages(directory)

    after_commit = worker(ours, dies=CrashPoint.SITE_AFTER)
    ours.until(lambda: not after_commit.runs(), "the first worker has died")
    first = written(directory)
    before_commit = worker(ours, dies=CrashPoint.SITE_BEFORE)
    ours.until(lambda: not before_commit.runs(), "the second worker has died")

    assert len(first) == MOST_ROWS
    assert written(directory) == first
    journalled = {entry.package_id for entry in ours.store.sites.journalled()}
    assert journalled > first.keys(), "the second worker died before it journalled anything"

    worker(ours)
    ours.until(lambda: len(written(directory)) == PACKAGES, "every row has its values")
    first_pass = ours.store.sites.last_pass("site")
    ours.until(lambda: ours.store.sites.last_pass("site") != first_pass, "a further pass was carried out")
    last = written(directory)
    assert {one: last[one] for one in first} == first
    versions = directory.execute("select package_id, count(*) as number from package_version group by package_id")
    assert [row["number"] for row in versions] == [1] * PACKAGES

    assert ours.fetcher("pause", "--why", "revert").returncode == 0
    assert "restored" in ours.fetcher("site", "revert").stderr
    assert packages(directory) == before
