"""Every launcher's processes write one JSON object a line, on both streams, and the documented queries read it."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from fetcher.simulator.server import Simulator
from tests.harness.debian import programs
from tests.harness.documents import ROOT, blocks_of
from tests.harness.processes import PATIENCE, Child
from tests.harness.stack import Stack, simulated, stack

READY = {
    "worker": ["ready."],
    "manual": ["ready."],
    "webhooks": ["webhooks@"],
    "beat": ["beat started"],
    "web": ["the page and the API"],
    "up": ["manual@", "background@", "beat started", "the page and the API"],
}
"""Texts of the lines by which each process reports that it runs."""
PACKAGES = 5
ENDED = (0, -signal.SIGTERM)
"""Exit statuses after SIGTERM. uvicorn ends with the signal."""
MISSPELT = "FETCHER_LESE"
QUERIES = ROOT / "docs" / "logs.md"


def _procfile() -> dict[str, list[str]]:
    lines = (ROOT / "Procfile").read_text("utf-8").splitlines()
    parts = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name: shlex.split(command) for name, _, command in parts}


def _units() -> dict[str, list[str]]:
    found = {}
    for path in (ROOT / "deploy" / "systemd").glob("*.service"):
        unit = configparser.ConfigParser(interpolation=None, strict=False)
        unit.read(path, "utf-8")
        words = shlex.split(unit["Service"]["ExecStart"].replace("%H", "%h"))
        found[path.stem.removeprefix("fetcher-")] = [Path(words[0]).name, *words[1:]]
    return {name: found[name] for name in READY}


def _containers() -> dict[str, list[str]]:
    composition = yaml.safe_load((ROOT / "deploy" / "containers" / "compose.yaml").read_text("utf-8"))
    return {name: one["command"] for name, one in composition["services"].items() if name in READY}


def _by_hand() -> dict[str, list[str]]:
    """Return the commands of docs/deploy.md that run until they are stopped."""
    lines = (line for block in blocks_of(ROOT / "docs" / "deploy.md") for line in block.lines)
    commands = [
        shlex.split(line, comments=True) for line in lines if re.match(r"celery .*(worker|beat)|fetcher web", line)
    ]
    names = ("worker", "manual", "webhooks", "beat", "web")
    assert len(commands) == len(names)
    return dict(zip(names, commands, strict=True))


LAUNCHERS = {"Procfile": _procfile, "systemd": _units, "compose": _containers, "deploy.md": _by_hand}
FIRST = "Procfile"
"""The launcher that `make test` tries."""


@pytest.fixture
def ours(tmp_path: Path, simulator: Simulator, redis_url: str) -> Iterator[Stack]:
    """Import the five seeds. Each launcher's processes share this database and Redis."""
    settings = {**simulated(simulator), "redis_url": redis_url, "plan_interval": 1, "workers": 1, "lese": 1}
    with stack(tmp_path, **settings) as made:
        made.import_seeds()
        yield made


def _is_ready(name: str, child: Child) -> bool:
    return all(text in child.output() for text in READY[name])


def _start(ours: Stack, name: str, command: Sequence[str]) -> Child:
    child = ours.start(name, *command, gently=True)
    ours.until(lambda: _is_ready(name, child) or not child.runs(), f"{name} runs")
    return child


def _objects(text: str) -> list[dict[str, Any]]:
    """Parse each line. A line that is no JSON object fails the test."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    return lines


@pytest.mark.parametrize(
    "launcher", [FIRST, *(pytest.param(one, marks=pytest.mark.slow) for one in LAUNCHERS if one != FIRST)]
)
def test_each_line_is_a_json_object(ours: Stack, launcher: str) -> None:
    """From start to end, neither stream of any process has another line; each reports a misspelt variable once."""
    commands = LAUNCHERS[launcher]()
    alone = {"up": commands.pop("up")} if "up" in commands else {}
    for group in filter(None, (commands, alone)):
        children = {name: ours.start(name, *command, gently=True) for name, command in group.items()}
        for name, child in children.items():
            ours.until(lambda name=name, child=child: _is_ready(name, child) or not child.runs(), f"{name} runs")
        ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")
        for child in children.values():
            child.signal(signal.SIGTERM)
        for name, child in children.items():
            assert child.wait(PATIENCE) in ENDED, child.output()
            assert child.stdout.read_text("utf-8") == ""
            spelling = [line for line in _objects(child.output()) if line["event"].startswith(f"{MISSPELT} is not")]
            assert [line["level"] for line in spelling] == ["warning"], name


@pytest.mark.parametrize(
    "command", ["celery --quiet -A tasks worker", "celery --quiet -A tasks beat", "fetcher web", "fetcher up"]
)
def test_a_wrong_setting_is_one_line(ours: Stack, command: str) -> None:
    """A process that cannot start writes its reason as a JSON object, and ends with status 1."""
    child = ours.start("wrong", *command.split(), time_zone="Mars/Olympus")
    assert child.wait() == 1
    (line,) = (line for line in _objects(child.output()) if line["level"] == "error")
    assert line["event"].startswith("FETCHER_TIME_ZONE: ")


def test_text_by_the_setting(ours: Stack) -> None:
    """FETCHER_LOG_FORMAT=text writes lines for users without a terminal, and json writes JSON on one."""
    child = ours.start("web", "fetcher", "web", log_format="text")
    ours.until(lambda: _is_ready("web", child), "web runs")
    assert any(line.startswith("the page and the API: http://") for line in child.output().splitlines())


def test_the_documented_queries(ours: Stack, tmp_path: Path) -> None:
    """The commands of docs/logs.md read a worker's log from start to end, and select its lines."""
    programs(["jq"], ["jq"])
    worker = _start(ours, "worker", _units()["worker"])
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    failure = {"event": "failure", "level": "error", "package": "p", "source": "pypi", "reason": "r"}
    log = tmp_path / "journal"
    log.write_text(f"{worker.output()}{json.dumps(failure)}\n", "utf-8")
    journal = tmp_path / "bin" / "journalctl"
    journal.parent.mkdir()
    journal.write_text(f"#!/bin/sh\ncat {shlex.quote(str(log))}\n", "utf-8")
    journal.chmod(0o755)
    lines = [line for block in blocks_of(QUERIES) for line in block.lines if line.startswith("journalctl")]
    assert len(lines) >= 2
    for line in lines:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            env={**ours.environment, "PATH": f"{journal.parent}:{ours.environment['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), line
        assert done.stdout
