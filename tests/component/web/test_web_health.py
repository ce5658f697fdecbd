"""Liveness and readiness, with each dependency unavailable in turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from fetcher.domain.errors import BrokerError
from fetcher.ports import PLANNED, Checkpoint
from fetcher.web.health import beat
from tasks.inspection import QueueState
from tests.component.web.conftest import Browser, Harness

ALL = {"database": "ok", "redis": "ok", "beat": "ok", "workers": "ok"}


@pytest.fixture(autouse=True)
def _planned(harness: Harness) -> None:
    harness.store.checkpoints.save(Checkpoint(PLANNED, observed_at=harness.clock.now()))


def test_ready(harness: Harness) -> None:
    """Every dependency is reported."""
    answer = harness.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "parts": ALL})


def test_beat_is_silent(harness: Harness) -> None:
    """Beat is not ready after three intervals without a plan."""
    harness.clock.advance(timedelta(minutes=2))
    assert harness.client.get("/readyz").status_code == 200
    harness.clock.advance(timedelta(minutes=2))
    _only(harness, "beat", "nothing was planned for 4 min")


def test_beat_was_never_seen(harness: Harness) -> None:
    """The status names the command that starts beat: with a Redis of one's own, its own."""
    harness.store.checkpoints.save(Checkpoint(PLANNED))
    _only(harness, "beat", "not started: `fetcher up` starts everything")
    settings = harness.context.settings.model_copy(update={"redis_url": SecretStr("redis://cache.example/0")})
    assert beat(replace(harness.context, settings=settings)).startswith("never seen: start `celery -A tasks beat`")


def test_no_workers(harness: Harness) -> None:
    """Workers are not ready if none responds, or if a queue has no consumer."""
    harness.runtime.states = [QueueState(name, 0, (), 0) for name in ("manual", "background")]
    _only(harness, "workers", "no worker responded")
    harness.runtime.states[0] = QueueState("manual", 0, ("w@h",), 0)
    _only(harness, "workers", "no worker consumes background")


def test_redis_is_unavailable(harness: Harness) -> None:
    """The workers' status is unknown too. The process itself is alive."""
    harness.runtime.error = BrokerError("Redis cannot be reached", "Start it")
    answer = harness.client.get("/readyz")
    assert answer.status_code == 503
    assert {name for name, status in answer.json()["parts"].items() if status != "ok"} == {"redis", "workers"}
    assert harness.client.get("/healthz").json() == {"alive": True}


def test_the_database_is_unavailable(client_without_database: Browser) -> None:
    """The process is alive, and not ready."""
    answer = client_without_database.get("/readyz")
    assert answer.status_code == 503
    assert {name for name, status in answer.json()["parts"].items() if status != "ok"} == {"database", "beat"}
    assert client_without_database.get("/healthz").status_code == 200


def _only(harness: Harness, part: str, status: str) -> None:
    answer = harness.client.get("/readyz")
    assert answer.status_code == 503
    parts = answer.json()["parts"]
    assert parts[part].startswith(status)
    assert {**parts, part: "ok"} == ALL
