"""Old and new workers side by side over a migration that only adds tables.

The new version is this one with one more migration: its table is created and its revision stored, as its
`fetcher db upgrade` would do. The old worker is this version, started before.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.changes import churn
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.processes import Child
from tests.harness.stack import ALONE, APP_LIMITS, Stack, simulated, stack

PACKAGES = 200
LONG = 600.0
NEXT = "9999"
NEW_WORKER = (
    f"import sys; from fetcher.store import migrations; migrations.HEAD = {NEXT!r}; "
    "from celery.__main__ import main; sys.exit(main())"
)


def _migrate(ours: Stack) -> None:
    with ours.store.engine.begin() as connection:
        connection.execute(text("CREATE TABLE of_the_next_version (id integer PRIMARY KEY)"))
        connection.execute(text("UPDATE alembic_version SET version_num = :next"), {"next": NEXT})


def _make_due(ours: Stack, now: datetime) -> None:
    with ours.store.engine.begin() as connection:
        connection.execute(text("UPDATE source_states SET due_at = :now WHERE due_at IS NOT NULL"), {"now": now})


def _answered_since(ours: Stack, then: datetime, slugs: list[str]) -> bool:
    with ours.store.engine.connect() as connection:
        query = text("SELECT count(*) FROM freshness WHERE last_fetched > :then")
        return bool(connection.execute(query, {"then": then}).scalar() == len(slugs))


def _batches(worker: Child) -> int:
    lines = [json.loads(line) for line in worker.output().splitlines() if line.startswith("{")]
    return sum(line["event"] == "batch" for line in lines)


@pytest.mark.slow
def test_both_versions_refresh_the_same_catalogue(tmp_path: Path, redis_url: str, postgres_url: str) -> None:
    """Before, between and after: each package is refreshed, by workers of both versions, without an error."""
    world = synthetic(PACKAGES)
    with (
        Simulator(world, Settings(limits=APP_LIMITS)) as simulator,
        stack(
            tmp_path, **simulated(simulator), redis_url=redis_url, database_url=postgres_url, plan_interval=0.3
        ) as ours,
    ):
        slugs = ours.import_world(world)
        old = ours.worker("old", concurrency=1)
        ours.beat()
        ours.until(lambda: ours.answered(len(slugs)), "the old version's first pass", within=LONG)
        _migrate(ours)
        options = ("--queues", "background,maintenance", "--hostname", "new@%h", "--concurrency", "1", *ALONE)
        new = ours.start(
            "new", sys.executable, "-c", NEW_WORKER, "--quiet", "-A", "tasks", "worker", *options, "--loglevel", "INFO"
        )
        before = {old.name: _batches(old), new.name: 0}

        def both_have_worked() -> bool:
            """Repeat passes over changed packages until each version has taken batches of one."""
            now = datetime.now(UTC)
            churn(world, heads=0.2, seed=int(now.timestamp()))
            _make_due(ours, now)
            ours.until(lambda: _answered_since(ours, now, slugs), "a pass of both versions", within=LONG)
            return all(_batches(worker) > before[worker.name] for worker in (old, new))

        ours.until(both_have_worked, "both versions take batches", within=2 * LONG)
        ours.until(lambda: not ours.store.claims.in_progress(datetime.now(UTC)), "no lease is left", within=LONG)
        assert ours.store.packages.failures() == []
        assert "Traceback" not in ours.logs()
        refused = ours.fetcher("status")
        assert refused.returncode == 1
        assert f"is at revision {NEXT}, and this version knows" in refused.stderr
