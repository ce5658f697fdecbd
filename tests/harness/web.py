"""The web process as deployed, for the tests of the API and of the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from fetcher.catalogue.intake import Entry, read_folder
from fetcher.simulator.server import Simulator
from tests.harness.processes import PATIENCE
from tests.harness.seeds import SEEDS
from tests.harness.stack import Stack, simulated, stack

TOKEN = "the-operators-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PACKAGE, REPOSITORY = "lesscpy", "lesscpy/lesscpy"


@dataclass(frozen=True, slots=True)
class Web:
    """A running web process over the five seeds, with a client."""

    stack: Stack
    simulator: Simulator
    client: httpx.Client

    def act(self, name: str, repository: str = REPOSITORY, **details: object) -> None:
        """Change a repository in the simulator."""
        action = {"action": name, "target": repository, **details}
        httpx.post(f"{self.simulator.url}/_simulator/actions", json=action, timeout=PATIENCE).raise_for_status()

    def request_refresh(self) -> httpx.Response:
        return self.client.post(f"/api/v4/packages/{PACKAGE}/refresh/", headers=BEARER)

    def follow(self, where: str) -> dict[str, Any]:
        """Poll a refresh until it is done or failed, and return it."""
        refresh: dict[str, Any] = {}

        def is_finished() -> bool:
            refresh.update(self.client.get(where).json())
            return refresh["state"] in ("done", "failed")

        self.stack.until(is_finished, f"{where} is finished")
        return refresh


@contextmanager
def web(folder: Path, simulator: Simulator, redis_url: str, **settings: object) -> Iterator[Web]:
    """Start the web process without workers."""
    with stack(folder, **simulated(simulator), redis_url=redis_url, web_token=TOKEN, **settings) as ours:
        entries = [one.entry for one in read_folder(SEEDS) if isinstance(one, Entry)]
        ours.store.packages.import_entries(entries, datetime.now(UTC))
        child = ours.start("web", "fetcher", "web")
        ours.until(lambda: "the page and the API" in child.output() or not child.runs(), "the web process listens")
        found = re.search(r"http://\S+/", child.output())
        assert found is not None, child.output()
        with httpx.Client(base_url=found[0], timeout=PATIENCE) as client:
            yield Web(ours, simulator, client)
