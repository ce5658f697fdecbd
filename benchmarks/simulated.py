"""The simulator in its own process, so that its CPU is measured separately, and its counters.

It enforces every documented limit. ``hour`` compresses GitHub's hour, its minute and all waits alike; the engine
receives the same factor by ``FETCHER_WINDOW_SCALE``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from tests.harness.processes import cpu_of, end_process

_STARTS_WITHIN = 30.0
_LOG_WHOLE = 10_000_000


@dataclass(frozen=True, slots=True)
class Counted:
    """Counters of the simulator over one measured period."""

    routes: Mapping[str, Mapping[str, int]]
    points: Mapping[str, int]
    bytes: Mapping[str, int]
    tripped: int
    asked_while_waiting: int

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Self:
        return cls(
            routes=summary["routes"],
            points=summary["points"],
            bytes=summary["bytes"],
            tripped=sum(summary["limits_tripped"].values()),
            asked_while_waiting=summary["asked_while_told_to_wait"],
        )

    def asked(self, upstream: str, *routes: str) -> int:
        """Return the number of requests to an upstream, or to some of its routes."""
        names = {f"{upstream} {route}" for route in routes}
        return sum(
            sum(by_status.values())
            for name, by_status in self.routes.items()
            if (name in names if names else name.startswith(f"{upstream} "))
        )

    @property
    def requests(self) -> int:
        return self.asked("github") + self.asked("pypi")

    @property
    def not_ready(self) -> int:
        """Return the number of requests with the response 202."""
        return sum(by_status.get("202", 0) for by_status in self.routes.values())


class SimulatorProcess:
    """A running simulator: its addresses and its control API."""

    def __init__(self, process: subprocess.Popen[str], environment: Mapping[str, str], hour: float) -> None:
        self.process = process
        self.environment = dict(environment)
        self.hour = hour
        self.token = environment["FETCHER_GITHUB_TOKEN"]
        self.github = environment["FETCHER_GITHUB_API_URL"]
        self.pypi = environment["FETCHER_PYPI_URL"]
        self._control = httpx.Client(base_url=self.github.removesuffix("/github") + "/_simulator", timeout=120)

    def summary(self) -> Counted:
        return Counted.of(self._get("/summary"))

    def packages_asked(self, route: str) -> set[str]:
        """Return the packages for which a route was requested since the log was cleared."""
        return {package for entry in self.log(route) for package in entry["packages"]}

    def log(self, route: str) -> list[dict[str, Any]]:
        """Return every request of a route since the log was cleared, oldest first."""
        found: list[dict[str, Any]] = self._get(f"/log?route={route}&limit={_LOG_WHOLE}")
        return found

    def log_of_all(self) -> list[dict[str, Any]]:
        """Return every logged request since the log was cleared."""
        found: list[dict[str, Any]] = self._get(f"/log?limit={_LOG_WHOLE}")
        return found

    def most_in_flight(self, upstream: str) -> int:
        """Return the largest number of concurrent requests."""
        found: int = self._get("/summary")["most_in_flight"].get(upstream, 0)
        return found

    def forget(self) -> None:
        """Reset the counters and the log."""
        self._control.delete("/log").raise_for_status()

    def act(self, action: str, **details: object) -> dict[str, Any]:
        answer = self._control.post("/actions", json={"action": action, **details})
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result

    def truth(self, name: str) -> dict[str, Any] | None:
        """Return the current full data of ``owner/name`` or of a project; ``None`` if it does not exist."""
        answer = self._control.get(f"/truth/{name}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result

    def cpu(self) -> float:
        """Return the CPU seconds of the simulator so far."""
        return cpu_of(self.process.pid)

    def close(self) -> None:
        self._control.close()
        end_process(self.process)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _get(self, path: str) -> Any:
        answer = self._control.get(path)
        answer.raise_for_status()
        return answer.json()


def latencies(hour: float, graphql: float, others: float) -> list[str]:
    """Return options by which responses take so many seconds of a real hour, besides the simulator's own work."""
    scale = hour / 3600
    slower = {"kind": "latency", "route": "graphql", "seconds": (graphql - others) * scale}
    return ["--latency", f"{others * scale:.4f}", "--fault", json.dumps(slower)]


@contextmanager
def simulator(packages: int, *options: str, hour: float = 3600.0, git: bool = False) -> Iterator[SimulatorProcess]:
    """Run a simulator of ``packages`` invented packages; stop it afterwards. It serves their histories if ``git``."""
    command = [sys.executable, "-m", "fetcher.simulator", "--port", "0"]
    command += ["--packages", str(packages), "--hour", f"{hour:g}", *options]
    command += [] if git else ["--no-git"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        environment = dict(_line(process) for _ in range(3))
        found = SimulatorProcess(process, environment, hour)
    except BaseException:
        end_process(process)
        raise
    try:
        _wait_for(found)
        yield found
    finally:
        found.close()


def write_catalogue(packages: int, path: Path, options: Sequence[str] = ()) -> None:
    """Write the documents that an operator would import to follow the invented packages."""
    command = [sys.executable, "-m", "fetcher.simulator", "--packages", str(packages)]
    subprocess.run([*command, *options, "--write-catalogue", str(path)], check=True, stdout=subprocess.DEVNULL)


def _line(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout is not None
    name, _, value = process.stdout.readline().strip().partition("=")
    if not value:
        raise RuntimeError("the simulator did not start")
    return name, value


def _wait_for(found: SimulatorProcess) -> None:
    transport = httpx.HTTPTransport(retries=5)
    with httpx.Client(transport=transport, timeout=_STARTS_WITHIN) as client:
        client.get(found.github.removesuffix("/github") + "/_simulator/summary").raise_for_status()
