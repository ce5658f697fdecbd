"""The consumer of the documentation against the real web process: interrupted at any moment, it misses nothing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx

from fetcher.simulator.server import Simulator
from tests.harness.documents import ROOT
from tests.harness.processes import Child
from tests.harness.stores import entry
from tests.harness.web import Web, web

CONSUMER = re.search(r"^```python\n(.*?)^```", (ROOT / "docs/changes.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_documented_consumer(tmp_path: Path, simulator: Simulator, redis_url: str) -> None:
    """Killed and started again, the consumer has all packages, and none that was removed meanwhile."""
    assert CONSUMER is not None
    script = tmp_path / "consumer.py"
    with web(tmp_path / "web", simulator, redis_url) as running:
        here = str(running.client.base_url).rstrip("/")
        script.write_text(CONSUMER[1].replace("http://localhost:8080", here), "utf-8")
        store = running.stack.store
        first = _start(running, script)
        running.stack.until(lambda: _copied(running) == _served(running), "the consumer has every package")
        first.kill()
        store.packages.remove(list(store.packages.ids(["lesscpy"]).values()), datetime.now(UTC))
        store.packages.import_entries([entry("later")], datetime.now(UTC))
        _start(running, script)
        running.stack.until(lambda: _copied(running) == _served(running), "the consumer continues")
        assert "later" in _copied(running)
        assert "lesscpy" not in _copied(running)


def _start(running: Web, script: Path) -> Child:
    return running.stack.start("consumer", "python", str(script))


def _copied(running: Web) -> set[str]:
    path = running.stack.folder / "copy.json"
    return {one["slug"] for one in json.loads(path.read_text())["packages"].values()} if path.exists() else set()


def _served(running: Web) -> set[str]:
    answer: httpx.Response = running.client.get("/api/v4/packages/?limit=1000")
    return {one["slug"] for one in answer.json()["results"]}
