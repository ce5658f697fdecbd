"""The web process as it is deployed, for the tests that ask it and for the ones that look at it."""

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
from tests.integration.conftest import SEEDS
from tests.stack import Stack, simulated, stack

TOKEN = "the-operators-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PACKAGE, REPOSITORY = "lesscpy", "lesscpy/lesscpy"


@dataclass(frozen=True, slots=True)
class Web:
    """A running web process over the five seeds, and who asks it."""

    stack: Stack
    simulator: Simulator
    client: httpx.Client

    def act(self, name: str, repository: str = REPOSITORY, **details: object) -> None:
        """Have something happen to a repository upstream."""
        action = {"action": name, "target": repository, **details}
        httpx.post(f"{self.simulator.url}/_simulator/actions", json=action).raise_for_status()

    def ask(self) -> httpx.Response:
        return self.client.post(f"/api/v4/packages/{PACKAGE}/refresh/", headers=BEARER)

    def follow(self, where: str) -> dict[str, Any]:
        """Look at a refresh until it is over."""
        told: dict[str, Any] = {}

        def over() -> bool:
            told.update(self.client.get(where).json())
            return told["state"] in ("done", "failed")

        self.stack.until(over, f"{where} is over")
        return told


@contextmanager
def web(folder: Path, simulator: Simulator, redis_url: str, **settings: object) -> Iterator[Web]:
    """The web process, and nothing else: whoever needs workers starts them."""
    with stack(folder, **simulated(simulator), redis_url=redis_url, web_token=TOKEN, **settings) as ours:
        entries = [one.entry for one in read_folder(SEEDS) if isinstance(one, Entry)]
        ours.store.import_entries(entries, datetime.now(UTC))
        child = ours.start("web", "fetcher", "web")
        ours.until(lambda: "the page and the API" in child.said() or not child.runs(), "the web process listens")
        found = re.search(r"http://\S+/", child.said())
        assert found is not None, child.said()
        with httpx.Client(base_url=found[0]) as client:
            yield Web(ours, simulator, client)
