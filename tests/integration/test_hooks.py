"""Webhooks and the feed with all of Fetcher's processes: from the signed request to the stored value."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from fetcher.domain.hints import SPACING
from fetcher.simulator.server import Simulator
from fetcher.store import open_engine
from fetcher.store.schema import source_states
from tests.harness.processes import PATIENCE, free_port
from tests.harness.stack import Stack, requests_by_package, simulated, stack

SECRET, PACKAGES = "a-secret-of-the-hooks", 5
SLUG, REPOSITORY = "lesscpy", "lesscpy/lesscpy"
FLOOD = 200


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator) -> Iterator[tuple[Stack, httpx.Client]]:
    """Run `fetcher up` over five packages, last requested a while ago. The interval is a day."""
    port = free_port()
    settings = {"plan_interval": 1, "lease": 30, "hook_secret": SECRET, "web_port": port}
    with stack(tmp_path, **simulated(simulator), **settings) as made:
        made.import_seeds()
        made.start("up", "fetcher", "up", gently=True)
        made.until(lambda: made.answered(PACKAGES), "every source of every package answers")
        _date_back(made)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            yield made, client


def _date_back(made: Stack) -> None:
    """Date the last requests back, so that the next one need not wait for the least time between two."""
    engine = open_engine(made.settings.database)
    earlier = datetime.now(UTC) - 2 * SPACING
    with engine.begin() as connection:
        connection.execute(update(source_states).values(observed_at=earlier, answered_at=earlier))
    engine.dispose()


def deliver(client: httpx.Client, delivery: str, repository: str = REPOSITORY, secret: str = SECRET) -> int:
    """Send a signed push as GitHub does; return the status."""
    payload = {
        "after": delivery,
        "repository": {"full_name": repository, "html_url": f"https://github.com/{repository}"},
    }
    body = json.dumps(payload).encode()
    headers = {
        "content-type": "application/json",
        "x-github-event": "push",
        "x-github-delivery": delivery,
        "x-hub-signature-256": f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}",
    }
    return client.post("/hooks/github", content=body, headers=headers).status_code


def act(simulator: Simulator, name: str, target: str, **details: object) -> None:
    action = {"action": name, "target": target, **details}
    httpx.post(f"{simulator.url}/_simulator/actions", json=action, timeout=PATIENCE).raise_for_status()


def test_a_signed_push_is_stored(ours: tuple[Stack, httpx.Client], simulator: Simulator) -> None:
    """The stars are stored within the day's interval because of the webhook alone; a forged one has no effect."""
    made, client = ours
    assert deliver(client, "forged", secret="another") == 403
    act(simulator, "set", REPOSITORY, stars=987_654)
    assert deliver(client, "1") == 202
    made.until(lambda: _stars(made) == 987_654, "the stars of the push are stored")


@pytest.mark.slow
def test_a_flood_is_few_requests(ours: tuple[Stack, httpx.Client], simulator: Simulator) -> None:
    """Hundreds of deliveries, half of them replayed, are few requests of the package and none of unknown ones."""
    made, client = ours
    log = simulator.log
    log.clear()
    for number in range(FLOOD):
        assert deliver(client, f"flood-{number // 2}") == 202
        assert deliver(client, f"unknown-{number}", "octo/unknown") == 202
    act(simulator, "set", REPOSITORY, stars=987_655)
    deliver(client, "last")
    made.until(lambda: _stars(made) == 987_655, "the last delivery of the flood is followed")
    seen = requests_by_package(log.entries, "statistics")
    assert 1 <= seen[REPOSITORY] <= 5
    assert "octo/unknown" not in seen


@pytest.mark.slow
def test_a_release_is_found_by_the_feed(ours: tuple[Stack, httpx.Client], simulator: Simulator) -> None:
    """The version is stored within the day's interval, because the index's feed names it."""
    made, _ = ours
    act(simulator, "release", SLUG, version="987.0")
    made.until(lambda: _version(made) == "987.0", "the release is stored")


def _stars(made: Stack) -> int | None:
    package = made.store.packages.get(SLUG)
    return package.observed.repo_watchers if package is not None else None


def _version(made: Stack) -> str | None:
    package = made.store.packages.get(SLUG)
    return package.observed.pypi_version if package is not None else None
