"""The source of the catalogue, kept by worker and beat: what vanished is retired, and a failing source is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fetcher.domain.sync_report import SyncState
from fetcher.sync.schedule import schedule_of
from tests.harness.stack import Stack, stack

NOWHERE = {"github_api_url": "http://127.0.0.1:9", "pypi_url": "http://127.0.0.1:9", "github_token": "none"}
"""Settings with which `fetcher doctor` requests nothing from the network."""


def _write(path: Path, *slugs: str) -> None:
    documents = [{"slug": one, "title": one, "repo_url": f"https://github.com/owner/{one}"} for one in slugs]
    new = path.with_suffix(".new")
    new.write_text(json.dumps(documents), "utf-8")
    new.replace(path)


def _retired(ours: Stack) -> dict[str, bool]:
    """Return whether each package is retired."""
    found = (ours.store.packages.get(slug) for slug in ("a", "b", "c"))
    return {one.entry.slug: one.retired_at is not None for one in found if one is not None}


def _state(ours: Stack) -> SyncState:
    schedule = schedule_of(ours.settings, ours.store.checkpoints)
    assert schedule is not None
    return schedule.state()


@pytest.mark.slow
def test_beat_keeps_the_catalogue_equal_to_its_source(tmp_path: Path, redis_url: str) -> None:
    """Beat and a worker alone add, retire and revive packages. `fetcher status` has each reading and each failure."""
    source = tmp_path / "packages.json"
    _write(source, "a", "b", "c")
    settings = {"redis_url": redis_url, "plan_interval": 0.3, "sync_source": source, "sync_interval": 0.2}
    with stack(tmp_path / "stack", **settings) as ours:
        assert "not read yet" in ours.fetcher("status").stdout
        ours.worker(queues="maintenance", concurrency=1)
        ours.beat()
        ours.until(lambda: len(_retired(ours)) == 3, "the source is imported")
        _write(source, "a", "c")
        ours.until(lambda: _retired(ours)["b"], "the vanished package is retired")
        _write(source, "a", "b", "c")
        ours.until(lambda: not _retired(ours)["b"], "the package that returned is revived")
        assert _state(ours).failing_since is None
        source.unlink()
        ours.until(lambda: _state(ours).failing_since, "the failure is stored")
        shown = json.loads(ours.fetcher("status", "--json").stdout)["sync"]
        assert shown["source"] == str(source)
        assert shown["failing_since"] is not None
        assert "not synchronized with" in ours.fetcher("status").stdout
        checked = {one["name"]: one for one in json.loads(ours.fetcher("doctor", "--json", **NOWHERE).stdout)}
        assert not checked["sync"]["ok"]
        assert not any(_retired(ours).values())
