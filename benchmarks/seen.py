"""``python -m benchmarks.seen``: seconds until changes made by hand in the simulator appear on the page.

`fetcher up` runs with its default settings: its own SQLite, Redis, workers, beat and page, in real time. After the
first pass, a push, a star and a release are made by the simulator's control interface, then a push with a signed
webhook. Each package's page is loaded until it shows the new value.
"""

from __future__ import annotations

import hmac
import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from fetcher.simulator.catalogue import documents, synthetic
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.processes import free_port, wait_until
from tests.harness.stack import Stack, stack

SECRET = "a secret of the webhooks"  # noqa: S105  (of a simulated installation)
LONGEST = 3600.0
"""Seconds after which a change that does not appear ends the run."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A package that is changed: its slug, its repository and its project."""

    slug: str
    repository: str
    project: str


@dataclass(slots=True)
class Installation:
    """A running `fetcher up`, its page, and the simulator that it requests."""

    simulator: Simulator
    page: httpx.Client

    def act(self, name: str, target: str, **details: object) -> Mapping[str, Any]:
        """Change the simulated world by its control interface."""
        action = {"action": name, "target": target, **details}
        return dict(httpx.post(f"{self.simulator.url}/_simulator/actions", json=action).raise_for_status().json())

    def seconds_until(self, shown: Mapping[str, tuple[Subject, str]]) -> Iterator[tuple[str, float]]:
        """Yield the name and the seconds of each change when the page of its package contains its text."""
        began, left = time.monotonic(), dict(shown)
        while left:
            wait_until(lambda: self._seen(left), f"{', '.join(left)} on the page", within=LONGEST)
            for name in self._seen(left):
                del left[name]
                yield name, time.monotonic() - began

    def push(self, subject: Subject) -> str:
        """Push to a repository; return the commit's time as the page shows it."""
        self.act("push", subject.repository)
        repository = self.simulator.world.repository(subject.repository)
        assert repository is not None
        assert repository.history.tip is not None
        return repository.history.tip.committed_at.isoformat()

    def hook(self, subject: Subject) -> None:
        """Send a signed webhook of a push, as GitHub does."""
        url = f"https://github.com/{subject.repository}"
        body = json.dumps({"repository": {"full_name": subject.repository, "html_url": url}}).encode()
        headers = {
            "content-type": "application/json",
            "x-github-event": "push",
            "x-github-delivery": "of-the-benchmark",
            "x-hub-signature-256": f"sha256={hmac.digest(SECRET.encode(), body, 'sha256').hex()}",
        }
        assert self.page.post("/hooks/github", content=body, headers=headers).status_code == 202

    def _seen(self, left: Mapping[str, tuple[Subject, str]]) -> list[str]:
        pages = {name: self.page.get(f"/packages/{subject.slug}").text for name, (subject, _) in left.items()}
        return [name for name, (_, text) in left.items() if text in pages[name]]


def measured(one: Installation, subjects: list[Subject]) -> Iterator[tuple[str, float]]:
    """Make each change and yield the seconds until it is shown. The first three are made at the same time."""
    pushed, starred, released, hooked = subjects[:4]
    commit = one.push(pushed)
    one.act("set", starred.repository, stars=987_654)
    one.act("release", released.project, version="987.0")
    yield from one.seconds_until(
        {"a push": (pushed, commit), "a star": (starred, "987654"), "a release": (released, "987.0")}
    )
    commit = one.push(hooked)
    one.hook(hooked)
    yield from one.seconds_until({"a push with a webhook": (hooked, commit)})


def subjects_of(simulator: Simulator) -> list[Subject]:
    """Return packages with a repository and a project, spread over the catalogue."""
    found = []
    for document in documents(simulator.world):
        path, project = re.sub(r".*github\.com/", "", document["repo_url"] or ""), document["pypi_url"]
        if path and project:
            name = project.rstrip("/").rpartition("/")[2]
            found.append(Subject(document["slug"], path, name))
    return found[:: max(len(found) // 7, 1)]


def installed(ours: Stack, simulator: Simulator, port: int) -> Installation:
    """Import the world, start `fetcher up` and wait for the end of the first pass."""
    ours.import_world(simulator.world)
    ours.start("up", "fetcher", "up", gently=True)
    ours.until(
        lambda: all(one.answered == one.packages for one in ours.counts().values()), "first pass", within=LONGEST
    )
    return Installation(simulator, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))


def main(packages: Annotated[int, typer.Option(help="Packages of the catalogue.")] = 200) -> None:
    """Print the seconds until each change appears."""
    table, port = Table("change", "seconds until the page shows it"), free_port()
    with (
        tempfile.TemporaryDirectory(prefix="seen-") as folder,
        Simulator(synthetic(packages, seed=1), Settings(others_per_minute=10)) as simulator,
    ):
        settings = {
            "github_api_url": simulator.github_url,
            "pypi_url": simulator.pypi_url,
            "github_token": simulator.token,
            "web_port": port,
            "refresh_interval": "",
            "hook_secret": SECRET,
        }
        with stack(Path(folder), **settings) as ours:
            one = installed(ours, simulator, port)
            for what, seconds in measured(one, subjects_of(simulator)):
                table.add_row(what, f"{seconds:.0f}")
                Console(stderr=True).print(f"{what}: {seconds:.0f} s")
            print(json.dumps(one.page.get("/api/v4/freshness").json()["lag"]))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
