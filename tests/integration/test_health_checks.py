"""The containers' health checks, run beside the containers' commands: they succeed, and fail when a process is gone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fetcher.simulator.server import Simulator
from tests.harness.documents import ROOT
from tests.harness.processes import BIN
from tests.harness.stack import Stack, simulated, stack

PROCESSES = ("worker", "manual", "beat", "web")


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator, redis_url: str) -> Iterator[Stack]:
    with stack(tmp_path, **simulated(simulator), redis_url=redis_url, plan_interval=1, workers=1) as made:
        made.import_seeds()
        yield made


def _services() -> dict[str, Any]:
    composition = yaml.safe_load((ROOT / "deploy" / "containers" / "compose.yaml").read_text("utf-8"))
    return {name: composition["services"][name] for name in PROCESSES}


def _is_healthy(ours: Stack, service: Any, port: str) -> bool:
    """Run a service's check as its container does, on the port of this test's page."""
    kind, *words = [word.replace("$$", "$").replace("8080", port) for word in service["healthcheck"]["test"]]
    command = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
    environment = {**ours.environment, "PATH": f"{BIN}:{ours.environment['PATH']}"}
    return subprocess.run(command, env=environment, cwd=ours.folder, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_the_health_checks(ours: Stack) -> None:
    services = _services()
    assert not _is_healthy(ours, services["beat"], "9")
    children = {name: ours.start(name, *one["command"], gently=True) for name, one in services.items()}
    ours.until(lambda: "the page and the API" in children["web"].output(), "the page listens")
    address = re.search(r"http://127.0.0.1:(\d+)/", children["web"].output())
    assert address is not None
    for name, one in services.items():
        ours.until(lambda one=one: _is_healthy(ours, one, address[1]), f"{name} is healthy")
    children["manual"].kill()
    ours.until(lambda: not _is_healthy(ours, services["manual"], address[1]), "the killed worker is not healthy")
    assert _is_healthy(ours, services["worker"], address[1])
