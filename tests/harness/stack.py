"""The product's own processes for tests: workers and beat over a real Redis and database, against the simulator.

Nothing here is a fake. A ``Stack`` starts an operator's processes by the same commands, with settings from an
environment of its own. It polls the store until a condition holds, and ends every process that it started.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fetcher.catalogue.documents import read_document
from fetcher.domain.catalogue_stats import SourceStats
from fetcher.domain.model import CatalogueEntry, Source
from fetcher.settings import Settings, read_settings
from fetcher.simulator.catalogue import documents
from fetcher.simulator.journal import Entry
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.world import World
from fetcher.store import SqlStore
from fetcher.wiring import open_store
from tests.harness.processes import BIN, PATIENCE, Child, start_process, wait_until
from tests.harness.seeds import SEEDS

ALONE = ("--without-mingle", "--without-gossip")
"""Workers exchange no messages, so they need not wait a second for them at their start."""
STALLS = 10
"""The simulator refuses at ten times GitHub's response seconds, while the ledger keeps to GitHub's.

Response times are not compressed. If a minute lasts a second, half a second of other work on the machine counts as 30
response seconds, and the ledger cannot foresee it.
"""
APP_LIMITS = Limits(
    hour=timedelta(minutes=1),
    core_per_hour=12_500,
    graphql_per_hour=12_500,
    seconds_per_minute=STALLS * 90,
    graphql_seconds_per_minute=STALLS * 60,
)
"""The limits of a GitHub App, whose hour lasts a minute."""
_TAIL = 6000
"""Characters of a process's stderr that a failure shows."""
_OUTSIDE = ("FETCHER_", "GITHUB_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment with only these settings of Fetcher: ``lease=2`` is FETCHER_LEASE."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OUTSIDE)}
    return kept | variables(settings)


def variables(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the environment variables of some settings."""
    return {f"FETCHER_{name.upper()}": str(value) for name, value in settings.items()}


def simulated(simulator: Simulator) -> dict[str, object]:
    """Return the settings that point at ``simulator``, with its compressed hour."""
    return {
        "github_api_url": simulator.github_url,
        "pypi_url": simulator.pypi_url,
        "github_token": simulator.token,
        "window_scale": simulator.service.settings.limits.hour.total_seconds() / 3600,
    }


@dataclass(slots=True)
class Stack:
    """Processes of one environment, and the store that they share."""

    folder: Path
    environment: Mapping[str, str]
    children: list[Child] = field(default_factory=list)
    _store: SqlStore | None = None

    @property
    def settings(self) -> Settings:
        return read_settings(self.environment)

    @property
    def store(self) -> SqlStore:
        if self._store is None:
            self._store = open_store(self.settings)
        return self._store

    def close(self) -> None:
        """End all started processes: at once, except those that end processes of their own."""
        for child in self.children:
            if child.gently:
                child.end()
            else:
                child.kill()
        if self._store is not None:
            self._store.close()

    def start(self, name: str, *command: str, gently: bool = False, **settings: object) -> Child:
        """Start a command of this installation; ``gently``: it has processes of its own and must end them itself."""
        child = start_process(
            name,
            *command,
            environment={**self.environment, **variables(settings)},
            folder=self.folder,
            logs=self.folder / f"{len(self.children)}-{name}",
            gently=gently,
        )
        self.children.append(child)
        return child

    def worker(
        self, name: str = "background", queues: str = "background,maintenance", concurrency: int = 2, *more: str
    ) -> Child:
        options = ("--queues", queues, "--hostname", f"{name}@%h", "--concurrency", str(concurrency), *ALONE, *more)
        return self.start(name, "celery", "--quiet", "-A", "tasks", "worker", *options, "--loglevel", "INFO")

    def beat(self, name: str = "beat") -> Child:
        return self.start(name, "celery", "--quiet", "-A", "tasks", "beat", "--loglevel", "INFO")

    def until(self, holds: Callable[[], object], what: str, *, within: float = PATIENCE) -> None:
        """Poll until ``holds()``; otherwise fail, and show the stderr of every process."""
        wait_until(holds, what, within=within, logs=self.logs)

    def logs(self) -> str:
        """Return the end of each process's stderr."""
        return "\n".join(
            f"--- {child.name} (status {child.process.poll()}):\n{child.output()[-_TAIL:]}" for child in self.children
        )

    def counts(self) -> dict[Source, SourceStats]:
        figures = self.store.statistics.read(datetime.now(UTC), timedelta(days=1))
        return {source: figures.source(source) for source in Source}

    def answered(self, packages: int, sources: Iterable[Source] = tuple(Source)) -> bool:
        """Return True if each source has answered for so many packages and no lease is held."""
        counts = self.counts()
        return all(s in counts and counts[s].answered == packages and not counts[s].leased for s in sources)

    def last_fetched(self, slug: str) -> datetime | None:
        """Return the last time at which every source of a package had responded; None before that."""
        package = self.store.packages.get(slug)
        return package.observed.last_fetched if package is not None else None

    def import_seeds(self) -> None:
        """Import the five seeds, in this process: a command would take a second for its own imports."""
        self._import([json.loads(path.read_text("utf-8")) for path in sorted(SEEDS.glob("*.json"))])

    def import_world(self, world: World) -> list[str]:
        """Import a simulated world's packages in this process, and return their slugs."""
        found = list(documents(world))
        self._import(found)
        return [str(document["slug"]) for document in found]

    def _import(self, found: Iterable[object]) -> None:
        read = [read_document(one) for one in found]
        entries = [entry for entry in read if isinstance(entry, CatalogueEntry)]
        assert entries == read
        assert not self.store.packages.import_entries(entries, datetime.now(UTC)).rejected

    def fetcher(self, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [str(BIN / "fetcher"), *arguments],
            env={**self.environment, **variables(settings)},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@contextmanager
def stack(folder: Path, **settings: object) -> Iterator[Stack]:
    """Open a stack in ``folder`` with these settings; all its processes have ended afterwards.

    The interval is a day unless the settings state one, so that a test can count each package's requests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    usual = {"data_dir": folder / "data", "web_port": 0, "refresh_interval": 86_400}
    running = Stack(folder, environment(**{**usual, **settings}))
    try:
        yield running
    finally:
        running.close()


OPERATIONS = {"ById": "statistics", "ByName": "statistics", "Heads": "heads", "Pages": "pages", "Viewer": "viewer"}
"""Routes of the product's GraphQL operations: a history is the response to ``Heads`` and to ``Pages``."""


def route_of(entry: Entry) -> str:
    """Return the route of a request in the simulator's log; GraphQL queries are distinguished by their operation."""
    return OPERATIONS[entry.operation] if entry.route == "graphql" else entry.route


def requests_by_package(entries: Iterable[Entry], route: str) -> Counter[str]:
    """Count in how many requests of a route (``route_of``) each package was named, by the simulator's log."""
    return Counter(package for entry in entries if route_of(entry) == route for package in entry.packages)


def repeated(counts: Mapping[str, int]) -> Sequence[str]:
    """Return the names that were counted more than once."""
    return [name for name, number in counts.items() if number > 1]
