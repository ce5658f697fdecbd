"""Alive and ready, and which part is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.errors import BrokerError
from fetcher.ports import PLANNED, Marker
from tasks.inspection import QueueState
from tests.unit.web.conftest import Browser, House

ALL = {"database": "ok", "redis": "ok", "beat": "ok", "workers": "ok"}


@pytest.fixture(autouse=True)
def _planned(house: House) -> None:
    house.store.save_marker(Marker(PLANNED, observed_at=house.clock.now()))


def test_ready(house: House) -> None:
    """Every part is named."""
    answer = house.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "parts": ALL})


def test_beat_is_silent(house: House) -> None:
    """Three intervals without a plan."""
    house.clock.advance(timedelta(minutes=2))
    assert house.client.get("/readyz").status_code == 200
    house.clock.advance(timedelta(minutes=2))
    _only(house, "beat", "nothing was planned for 4 min")


def test_beat_was_never_seen(house: House) -> None:
    house.store.save_marker(Marker(PLANNED))
    _only(house, "beat", "never seen")


def test_nobody_works(house: House) -> None:
    """No worker at all, and a queue that nobody takes from."""
    house.workings.states = [QueueState(name, 0, (), 0) for name in ("now", "background")]
    _only(house, "workers", "no worker responded")
    house.workings.states[0] = QueueState("now", 0, ("w@h",), 0)
    _only(house, "workers", "no worker consumes background")


def test_redis_is_away(house: House) -> None:
    """Nobody knows of the workers then either; the process itself lives."""
    house.workings.fault = BrokerError("Redis cannot be reached", "Start it")
    answer = house.client.get("/readyz")
    assert answer.status_code == 503
    assert {name for name, said in answer.json()["parts"].items() if said != "ok"} == {"redis", "workers"}
    assert house.client.get("/healthz").json() == {"alive": True}


def test_the_database_is_away(unfounded: Browser) -> None:
    """The process lives without it, and says that it is not ready."""
    answer = unfounded.get("/readyz")
    assert answer.status_code == 503
    assert {name for name, said in answer.json()["parts"].items() if said != "ok"} == {"database", "beat"}
    assert unfounded.get("/healthz").status_code == 200


def _only(house: House, part: str, said: str) -> None:
    answer = house.client.get("/readyz")
    assert answer.status_code == 503
    parts = answer.json()["parts"]
    assert parts[part].startswith(said)
    assert {**parts, part: "ok"} == ALL
