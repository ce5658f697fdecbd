"""Flower by the documented command: it shows the workers and tasks to users with the password, and no secret."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.processes import Child
from tests.harness.stack import Stack, simulated, stack

PACKAGES = 30
PASSWORD = "marked-flower-password"
REDIS_PASSWORD = "marked-redis-password"
TASK = "fetcher.refresh_batch"
PAGES = ("/", "/workers", "/tasks", "/broker", "/worker/background@{host}", "/task/{task}")
API = ("/api/workers?refresh=1", "/api/tasks", "/api/task/types", "/api/queues/length", "/api/task/info/{task}")
ROOT = Path(__file__).parents[2]


def documented() -> list[str]:
    """Return the command that docs/deploy.md shows."""
    lines = (ROOT / "docs/deploy.md").read_text("utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("celery -A tasks flower"))
    return shlex.split(line, comments=True)


@pytest.fixture
def guarded_redis(redis_url: str) -> Iterator[str]:
    """Yield the address of the session's Redis with a user of its own whose password is marked."""
    user = f"flower-{secrets.token_hex(4)}"
    with Redis.from_url(redis_url) as redis:
        redis.acl_setuser(
            user, enabled=True, passwords=[f"+{REDIS_PASSWORD}"], categories=["+@all"], keys=["*"], channels=["*"]
        )
        yield redis_url.replace("redis://", f"redis://{user}:{REDIS_PASSWORD}@")
        redis.acl_deluser(user)


@dataclass(frozen=True, slots=True)
class Flower:
    """A running Flower over a stack that has worked."""

    stack: Stack
    child: Child
    client: httpx.Client
    secrets: tuple[str, ...]

    def workers(self) -> dict[str, dict[str, Any]]:
        """Return the workers with all fields that the tests read; a busy worker may miss one of Flower's requests."""
        answer = self.client.get("/api/workers", params={"refresh": 1})
        answer.raise_for_status()
        return {
            name: details for name, details in answer.json().items() if {"active_queues", "registered"} <= set(details)
        }

    def tasks(self) -> dict[str, dict[str, Any]]:
        answer = self.client.get("/api/tasks", params={"taskname": TASK})
        answer.raise_for_status()
        return {name: details for name, details in answer.json().items() if details["state"] == "SUCCESS"}


@contextmanager
def flowering(folder: Path, redis_url: str) -> Iterator[Flower]:
    limits = Limits(hour=timedelta(minutes=1), core_per_hour=12_500, graphql_per_hour=12_500)
    with (
        Simulator(synthetic(PACKAGES), Settings(limits=limits)) as simulator,
        stack(folder / "stack", **simulated(simulator), redis_url=redis_url, plan_interval=0.3) as ours,
    ):
        ours.import_world(simulator.world)
        ours.environment = {**ours.environment, "FLOWER_BASIC_AUTH": f"fetcher:{PASSWORD}"}
        child = ours.start("flower", *documented(), "--port=0")
        ours.until(lambda: "Visit me at http://" in child.output() or not child.runs(), "Flower listens")
        address = re.search(r"http://[\d.:]+", child.output())
        assert address is not None, child.output()
        ours.worker()
        ours.beat()
        with httpx.Client(base_url=address[0], auth=("fetcher", PASSWORD), timeout=30) as client:
            yield Flower(ours, child, client, (PASSWORD, REDIS_PASSWORD, simulator.token))


@pytest.mark.slow
def test_flower_shows_workers_and_tasks_and_no_secret(tmp_path: Path, guarded_redis: str) -> None:
    """Workers and tasks are shown by name, with readable arguments, and only with a password."""
    with flowering(tmp_path, guarded_redis) as ours:
        ours.stack.until(ours.tasks, "Flower has seen a batch")
        name, task = next(iter(ours.tasks().items()))
        ours.stack.until(ours.workers, "Flower has heard from a worker")
        workers = ours.workers()
        (worker,) = workers
        assert worker.startswith("background@")
        assert {queue["name"] for queue in workers[worker]["active_queues"]} == {"background", "maintenance"}
        assert {TASK, "fetcher.plan"} <= set(workers[worker]["registered"])
        assert re.fullmatch(r"[a-z+]+ of packages (\d+, ){9}\d+( and \d+ more)?", task["args"]), task["args"]
        assert "fetcher.plan" in ours.client.get("/api/tasks").text
        places = [path.format(host=worker.partition("@")[2], task=name) for path in (*PAGES, *API)]
        for place in places:
            answer = ours.client.get(place)
            assert answer.status_code == 200, (place, answer.text[:500])
            assert not [secret for secret in ours.secrets if secret in answer.text], place
        _check_access(ours, places, worker, name)
        printed = ours.child.output() + ours.child.stdout.read_text("utf-8")
        command = Path(f"/proc/{ours.child.pid}/cmdline").read_text("utf-8")
        assert not [secret for secret in ours.secrets if secret in printed + command]
        ours.child.terminate()
        assert ours.child.wait() == 0


def _check_access(ours: Flower, places: list[str], worker: str, task: str) -> None:
    """Check that every page requires the password, and that nothing can be changed with it."""
    for place in places:
        for auth in (None, ("fetcher", "wrong"), ("other", PASSWORD)):
            assert ours.client.get(place, auth=auth).status_code == 401, (place, auth)
    sent = {"json": {"args": []}}
    for place in (f"/api/worker/shutdown/{worker}", f"/api/task/revoke/{task}", "/api/task/async-apply/fetcher.prune"):
        assert ours.client.post(place, **sent).status_code == 403, place


def test_the_procfile_has_the_documented_command() -> None:
    """It is a comment, because honcho ends everything when one process ends."""
    (line,) = (line for line in (ROOT / "Procfile").read_text("utf-8").splitlines() if line.startswith("# flower: "))
    assert line.removeprefix("# flower: ").split() == documented()
