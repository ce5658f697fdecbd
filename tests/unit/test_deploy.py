"""`deploy/` starts the same programs as the Procfile, with settings that exist."""

from __future__ import annotations

import configparser
import fnmatch
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from fetcher import __version__
from fetcher.settings import PREFIX, Settings
from tasks.app import HARD_LIMIT, QUEUES

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
    name: _gist(shlex.split(command)) for name, command in _procfile().items() if "-A tasks" in command or name == "web"
}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_the_procfiles_command(path: Path) -> None:
    unit = _unit(path)
    started = _gist(shlex.split(unit["Service"]["ExecStart"]))
    name = path.stem.removeprefix("fetcher-")
    assert started == (("fetcher", "up") if name == "up" else PROCESSES[name])
    assert unit["Service"]["Restart"] == "always"


@pytest.mark.parametrize("name", ["worker", "manual", "webhooks", "beat", "web"])
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
    assert stated - {"POSTGRES_PASSWORD"} <= NAMES
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


ENVIRONMENT_FILE = "/etc/fetcher.env"
WORST_EXPOSURE = 3.0
"""Highest exposure level that a unit may have, from 0 to 10, as ``systemd-analyze security`` measures it."""


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_hardened(path: Path) -> None:
    """Each unit reads the one environment file, and runs with few rights as a user of its own."""
    service = _unit(path)["Service"]
    assert service["EnvironmentFile"] == ENVIRONMENT_FILE
    assert "Environment" not in service
    assert service["User"] == "fetcher"
    assert service["StateDirectory"] == "fetcher"
    assert service["CapabilityBoundingSet"] == ""
    assert service["UMask"] == "0077"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_the_exposure_of_a_unit(path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= WORST_EXPOSURE, done.stdout


@pytest.mark.parametrize(
    "command",
    [
        *(_procfile()[name] for name in ("worker", "manual", "beat")),
        *(_unit(path)["Service"]["ExecStart"] for path in UNITS),
        *(shlex.join(_composition()["services"][name]["command"]) for name in ("worker", "manual", "beat")),
    ],
)
def test_celery_starts_without_a_banner_and_alone(command: str) -> None:
    """Celery writes no text beside the log. Workers do not wait for others, which they never need."""
    words = shlex.split(command)
    if "-A" in words:
        assert words[1] == "--quiet"
    if "worker" in words:
        assert {"--without-mingle", "--without-gossip"} <= set(words)


def test_the_settings_of_the_units_exist() -> None:
    """The example sets the data folder that the units may write, so commands read the same database."""
    lines = (ROOT / "deploy/systemd/fetcher.env.example").read_text("utf-8").splitlines()
    stated = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(stated) <= NAMES
    assert stated["FETCHER_DATA_DIR"] == "/var/lib/fetcher"


def test_the_command_of_the_units(tmp_path: Path) -> None:
    """The installed ``fetcher`` runs with the units' settings and user, from any folder."""
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "fetcher"
    program.write_text('#!/bin/sh\necho "$FETCHER_DATA_DIR" "$@"\n', "utf-8")
    program.chmod(0o755)
    (tmp_path / "fetcher.env").write_text("FETCHER_DATA_DIR='/srv/a folder'\n", "utf-8")
    text = (ROOT / "deploy/systemd/fetcher").read_text("utf-8")
    text = text.replace(ENVIRONMENT_FILE, str(tmp_path / "fetcher.env")).replace("/opt/fetcher", str(tmp_path))
    text = text.replace("= fetcher ]", f"= {user} ]")
    done = subprocess.run(["sh", "-c", text, "fetcher", "status", "a b"], capture_output=True, text=True, check=True)
    assert done.stdout == "/srv/a folder status a b\n"
    assert os.access(ROOT / "deploy/systemd/fetcher", os.X_OK)


@pytest.mark.parametrize("name", [*PROCESSES, "tables"])
def test_a_container_has_few_rights(name: str) -> None:
    """The root is read-only, no capability is kept, and each process has a health check."""
    service = _composition()["services"][name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp", "/var/lib/fetcher"]  # noqa: S108  (a path in the container)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["image"] == f"fetcher:{__version__}"
    assert ("test" in service["healthcheck"]) == (name != "tables")


def test_every_server_has_a_health_check_and_a_version() -> None:
    services = _composition()["services"]
    for name in ("database", "redis"):
        assert services[name]["healthcheck"]["test"]
        assert re.fullmatch(r"[a-z]+:\d+", services[name]["image"])


def test_no_password_is_in_the_composition() -> None:
    """Passwords come from the environment file, and the composition is refused without one."""
    text = (CONTAINERS / "compose.yaml").read_text("utf-8")
    assert re.findall(r"PASSWORD: (?!\$)\S+|://\w*:(?!\$)[^\s@/]+@", text) == []
    assert text.count("${POSTGRES_PASSWORD:?set it in fetcher.env}") == 2


def test_the_image() -> None:
    """The image runs as an ordinary user, names its version, and has a health check."""
    lines = (CONTAINERS / "Dockerfile").read_text("utf-8").splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("USER", "HEALTHCHECK"))] == ["USER", "HEALTHCHECK"]
    assert "USER 10001" in lines
    assert any(f'image.version="{__version__}"' in line for line in lines)


def test_the_build_context_has_the_copied_files_only() -> None:
    """The ignored rest includes settings files, data and the history."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = [
        line.split()[1:-1]
        for line in (CONTAINERS / "Dockerfile").read_text("utf-8").splitlines()
        if line.startswith("COPY")
    ]
    assert kept == {name for names in copied for name in names}
    assert not any(fnmatch.fnmatch(name, rule) for name in kept for rule in rules[1:] if not rule.startswith("!"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_accepts_the_units() -> None:
    """systemd reports no fault but the programs that are not installed on this machine."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, UNITS)], capture_output=True, text=True, check=False
    )
    faults = [line for line in done.stderr.splitlines() if str(UNITS[0].parent) in line or "fetcher-" in line]
    assert [line for line in faults if "/opt/fetcher/bin/" not in line] == []


def test_a_worker_has_the_time_to_finish_its_task() -> None:
    """systemd and the containers kill a process only after the time limit of a task."""
    for path in UNITS:
        if path.stem != "fetcher-web":
            assert int(_unit(path)["Service"]["TimeoutStopSec"]) > HARD_LIMIT
    for name in PROCESSES:
        minutes = re.fullmatch(r"(\d+)m", _composition()["services"][name]["stop_grace_period"])
        assert minutes is not None
        assert int(minutes[1]) * 60 > HARD_LIMIT


def test_the_page_is_found_at_its_port() -> None:
    """The container, its health check and Prometheus' example use the page's default port."""
    port = str(Settings.model_fields["web_port"].default)
    web = _composition()["services"]["web"]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert web["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"127.0.0.1:{port}/healthz" in web["healthcheck"]["test"][-1]
    assert [target for one in scraped for config in one["static_configs"] for target in config["targets"]] == [
        f"localhost:{port}"
    ]
