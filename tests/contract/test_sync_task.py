"""The scheduled synchronization on both databases: two readings retire, and a failing source retires nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Barrier
from typing import cast

import pytest
from sqlalchemy import Engine

from fetcher.domain.changes import FeedKind
from fetcher.domain.sync_report import SyncOutcome, SyncState
from fetcher.settings import Settings
from fetcher.store import SqlStore
from fetcher.sync.schedule import schedule_of
from fetcher.wiring import Parts
from tasks.sync import read_when_due
from tests.harness.clock import HOUR, MINUTE, StoppedClock
from tests.harness.stores import NOW, store_on


@dataclass
class Syncing:
    """The parts of a worker that the task uses."""

    store: SqlStore
    settings: Settings
    clock: StoppedClock = field(default_factory=lambda: StoppedClock(NOW))

    async def tick(self) -> SyncState:
        """Carry out the task once, as beat's message does."""
        await read_when_due(cast("Parts", self))
        schedule = schedule_of(self.settings, self.store.checkpoints)
        assert schedule is not None
        return schedule.state()

    def retired(self) -> set[str]:
        self.store.changes.number(NOW)
        page = self.store.changes.page(self.store.changes.extent().start, 1000)
        return {one.slug for one in page.changes if one.kind is FeedKind.RETIRED}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "packages.json"
    _write(path, "a", "b", "c")
    return path


@pytest.fixture
def syncing(store: SqlStore, source: Path) -> Syncing:
    return Syncing(store, Settings(sync_source=str(source), sync_interval=HOUR))


def _write(path: Path, *slugs: str) -> None:
    documents = [{"slug": one, "title": one, "repo_url": f"https://github.com/owner/{one}"} for one in slugs]
    _put(path, json.dumps(documents))


def _put(path: Path, content: str) -> None:
    path.write_text(content, "utf-8")


def _remove(path: Path) -> None:
    path.unlink()


async def test_a_vanished_package_is_retired_at_the_second_reading(syncing: Syncing, source: Path) -> None:
    """Beat's messages between two readings count nothing. The second reading retires, and the feed has a tombstone."""
    assert (await syncing.tick()).outcome is SyncOutcome.DONE
    _write(source, "a", "c")
    for _ in range(5):
        await syncing.tick()
    assert syncing.retired() == set()
    for wanted in (set(), {"b"}):
        syncing.clock.advance(HOUR)
        for _ in range(3):
            await syncing.tick()
        assert syncing.retired() == wanted
    (entry,) = syncing.store.audit.since(NOW)
    assert (entry.actor, entry.detail) == ("beat", (await syncing.tick()).message)


def test_a_reading_begins_once(engine: Engine, syncing: Syncing) -> None:
    """Of several processes that find the reading due at the same time, one begins it: the first one, and each next."""
    threads = 4
    stores = [store_on(engine) for _ in range(threads)]
    for reading in range(5):
        barrier = Barrier(threads)

        def begin(store: SqlStore, at: datetime = NOW + reading * HOUR, barrier: Barrier = barrier) -> bool:
            schedule = schedule_of(syncing.settings, store.checkpoints)
            assert schedule is not None
            barrier.wait()
            return schedule.begin(at)

        with ThreadPoolExecutor(threads) as pool:
            assert sorted(pool.map(begin, stores)) == [False, False, False, True]


async def test_a_failing_source_retires_nothing_and_is_told(syncing: Syncing, source: Path) -> None:
    """A missing, an empty and a truncated source fail since the first of them, and a good reading ends that."""
    await syncing.tick()
    _remove(source)
    syncing.clock.advance(HOUR)
    missing = await syncing.tick()
    assert (missing.outcome, missing.failing_since) == (SyncOutcome.FAILED, NOW + HOUR)
    assert "does not exist" in (missing.message or "")
    for content in ("", '[{"slug": "a"', "[]"):
        _put(source, content)
        syncing.clock.advance(HOUR + MINUTE)
        state = await syncing.tick()
        assert state.outcome in (SyncOutcome.FAILED, SyncOutcome.REFUSED)
        assert state.failing_since == NOW + HOUR
    assert syncing.retired() == set()
    _write(source, "a", "b", "c")
    syncing.clock.advance(HOUR)
    assert (await syncing.tick()).failing_since is None
