"""`deploy/` starts the same programs as the Procfile, with settings that exist."""

from __future__ import annotations

import configparser
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from fetcher.settings import PREFIX, Settings
from tasks.app import QUEUES

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
CONTAINERS = ROOT / "deploy/containers"
NAMES = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
_MATTERS = ("worker", "beat", "--queues", "--concurrency")


def _procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text("utf-8").splitlines()
    parts = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name: command.strip() for name, _, command in parts}


def _composition() -> dict[str, Any]:
    return dict(yaml.safe_load((CONTAINERS / "compose.yaml").read_text("utf-8")))


def _unit(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(path, "utf-8")
    return unit


def _gist(command: Sequence[str]) -> tuple[str, ...]:
    """Return the program and the options that select its parts, without those for logging and names."""
    words = [Path(command[0]).name, *command[1:]]
    kept = [words[0]]
    for word, following in zip(words[1:], [*words[2:], ""], strict=True):
        if word in _MATTERS:
            kept.append(word if not word.startswith("--") else f"{word}={following}")
    return (*kept, *words[1:2]) if words[0] == "fetcher" else tuple(kept)


PROCESSES = {
    name: _gist(shlex.split(command))
    for name, command in _procfile().items()
    if "celery -A" in command or name == "web"
}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_the_procfiles_command(path: Path) -> None:
    unit = _unit(path)
    started = _gist(shlex.split(unit["Service"]["ExecStart"]))
    name = path.stem.removeprefix("fetcher-")
    assert started == (("fetcher", "up") if name == "up" else PROCESSES[name])
    assert unit["Service"]["Restart"] == "always"


@pytest.mark.parametrize("name", ["worker", "manual", "beat", "web"])
def test_a_container_runs_the_procfiles_command(name: str) -> None:
    service = _composition()["services"][name]
    assert _gist(service["command"]) == PROCESSES[name]
    assert set(service["depends_on"]) == {"tables", "redis"}
    assert service["restart"] == "unless-stopped"


def test_every_process_has_a_unit_and_a_container() -> None:
    assert {path.stem.removeprefix("fetcher-") for path in UNITS} - {"up"} >= set(PROCESSES)
    assert set(_composition()["services"]) >= set(PROCESSES)


def test_the_queues_that_are_taken_from_are_the_ones_that_are_filled() -> None:
    taken = [
        queue
        for gist in PROCESSES.values()
        for word in gist
        for queue in word.removeprefix("--queues=").split(",")
        if word.startswith("--queues=")
    ]
    assert sorted(taken) == sorted(QUEUES)


def test_the_settings_of_the_containers_exist() -> None:
    services = _composition()["services"].values()
    stated = {name for service in services for name in service.get("environment", {}) if name.startswith(PREFIX)}
    example = (CONTAINERS / "fetcher.env.example").read_text("utf-8").splitlines()
    stated |= {line.partition("=")[0] for line in example if line and not line.startswith("#")}
    assert stated <= NAMES
    assert stated >= {"FETCHER_DATABASE_URL", "FETCHER_REDIS_URL", "FETCHER_WEB_HOST"}


def test_only_the_host_reaches_the_containers() -> None:
    """Ports are published on loopback only, because the page shows everything and Redis runs tasks."""
    published = [port for service in _composition()["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_image_has_the_installed_versions() -> None:
    copied = {
        word
        for line in (CONTAINERS / "Dockerfile").read_text("utf-8").splitlines()
        if line.startswith("COPY")
        for word in line.split()[1:-1]
    }
    assert copied >= {"pyproject.toml", "constraints.txt", "README.md", "schedules.py", "fetcher", "tasks"}
    assert all((ROOT / name).exists() for name in copied)
