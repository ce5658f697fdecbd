"""The product's own processes for tests: workers and beat over a real Redis and database, against the simulator.

Nothing here is a fake. A ``Stack`` starts an operator's processes by the same commands, with settings from an
environment of its own. It polls the store until a condition holds, and ends every process that it started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fetcher.domain.catalogue_stats import SourceStats
from fetcher.domain.model import Source
from fetcher.settings import Settings, read_settings
from fetcher.simulator.catalogue import documents
from fetcher.simulator.journal import Entry
from fetcher.simulator.limits import Limits
from fetcher.simulator.server import Simulator
from fetcher.simulator.world import World
from fetcher.store import SqlStore
from fetcher.wiring import open_store

PATIENCE = 120.0
"""Seconds after which an expected event counts as lost. No test depends on a duration."""
ENDS_WITHIN = 30.0
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
_POLL = 0.1
_TAIL = 6000
"""Characters of a process's stderr that a failure shows."""
_BIN = Path(sys.executable).parent
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
class Child:
    """A process that a test started, with the files that it writes to. It leads a group of its own."""

    name: str
    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path
    gently: bool = False
    told_to_end: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    def runs(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL to the process and its children, as a power failure ends all of them at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(ENDS_WITHIN)

    def wait(self) -> int:
        return self.process.wait(ENDS_WITHIN)

    def terminate(self) -> None:
        """Send SIGTERM without waiting. A second one makes a worker drop its task, so it is sent once."""
        if self.runs() and not self.told_to_end:
            self.told_to_end = True
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Send SIGTERM, then SIGKILL to the rest of the process group."""
        self.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.wait()
        self.kill()

    def said(self) -> str:
        return self.stderr.read_text("utf-8", "replace")


@dataclass(slots=True)
class Stack:
    """Processes of one environment, and the store that they share."""

    folder: Path
    environment: Mapping[str, str]
    children: list[Child] = field(default_factory=list)
    _store: SqlStore | None = None
    _close: Callable[[], None] = lambda: None

    @property
    def settings(self) -> Settings:
        return read_settings(self.environment)

    @property
    def store(self) -> SqlStore:
        if self._store is None:
            self._store, engine = open_store(self.settings)
            self._close = engine.dispose
        return self._store

    def close(self) -> None:
        """End all started processes: at once, except those that end processes of their own."""
        for child in self.children:
            if child.gently:
                child.end()
            else:
                child.kill()
        self._close()

    def start(self, name: str, *command: str, gently: bool = False, **settings: object) -> Child:
        """Start a command of this installation; ``gently``: it has processes of its own and must end them itself."""
        stdout, stderr = (self.folder / f"{len(self.children)}-{name}.{stream}" for stream in ("out", "err"))
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                [str(_BIN / command[0]), *command[1:]],
                env={**self.environment, **variables(settings)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.children.append(Child(name, process, stdout, stderr, gently))
        return self.children[-1]

    def worker(
        self, name: str = "background", queues: str = "background,maintenance", concurrency: int = 2, *more: str
    ) -> Child:
        options = ("--queues", queues, "--hostname", f"{name}@%h", "--concurrency", str(concurrency), *ALONE, *more)
        return self.start(name, "celery", "--quiet", "-A", "tasks", "worker", *options, "--loglevel", "INFO")

    def beat(self, name: str = "beat") -> Child:
        return self.start(name, "celery", "--quiet", "-A", "tasks", "beat", "--loglevel", "INFO")

    def until(self, holds: Callable[[], object], what: str, *, within: float = PATIENCE) -> None:
        """Poll until ``holds()``; otherwise fail, and show the stderr of every process."""
        deadline = time.monotonic() + within
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within:.0f} s: {what}\n{self.told()}")
            time.sleep(_POLL)

    def told(self) -> str:
        """Return the end of each process's stderr."""
        return "\n".join(
            f"--- {child.name} (status {child.process.poll()}):\n{child.said()[-_TAIL:]}" for child in self.children
        )

    def counts(self) -> dict[Source, SourceStats]:
        figures = self.store.catalogue_stats(datetime.now(UTC), timedelta(days=1))
        return {source: figures.source(source) for source in Source}

    def answered(self, packages: int, sources: Iterable[Source] = tuple(Source)) -> bool:
        """Return True if each source has answered for so many packages and no lease is held."""
        counts = self.counts()
        return all(s in counts and counts[s].answered == packages and not counts[s].leased for s in sources)

    def last_fetched(self, slug: str) -> datetime | None:
        """Return the last time at which every source of a package had responded; None before that."""
        package = self.store.package(slug)
        return package.observed.last_fetched if package is not None else None

    def import_world(self, world: World) -> list[str]:
        """Import a simulated world's packages by the command, and return their slugs."""
        entries = list(documents(world))
        path = self.folder / "catalogue.json"
        path.write_text(json.dumps(entries), "utf-8")
        done = self.fetcher("import", str(path))
        assert done.returncode == 0, done.stderr
        return [str(entry["slug"]) for entry in entries]

    def fetcher(self, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [str(_BIN / "fetcher"), *arguments],
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
    """Open a stack in ``folder`` with these settings; all its processes have ended afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    running = Stack(folder, environment(**{"data_dir": folder / "data", "web_port": 0, **settings}))
    try:
        yield running
    finally:
        running.close()


def children_of(pid: int) -> list[int]:
    """Return the ids of the running child processes of ``pid``, and of theirs."""
    found = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has ended meanwhile
    for child in children:
        found += [int(child), *children_of(int(child))]
    return found


def is_alive(pid: int) -> bool:
    """Return True if a process still runs; a zombie that its parent has not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


OPERATIONS = {"ById": "statistics", "ByName": "statistics", "Heads": "heads", "Pages": "pages", "Viewer": "viewer"}
"""Routes of the product's GraphQL operations: a history is the response to ``Heads`` and to ``Pages``."""


def route_of(entry: Entry) -> str:
    """Return the route of a request in the simulator's log; GraphQL queries are distinguished by their operation."""
    return OPERATIONS[entry.operation] if entry.route == "graphql" else entry.route


def asked(entries: Iterable[Entry], route: str) -> Counter[str]:
    """Count in how many requests of a route (``route_of``) each package was named, by the simulator's log."""
    return Counter(package for entry in entries if route_of(entry) == route for package in entry.packages)


class Pages:
    """A small web server on loopback that returns the given responses and records every request."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Mapping[str, str], bytes]] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def give(self, path: str, value: Any, **headers: str) -> str:
        """Serve ``value`` at ``path`` (bytes unchanged, other values as JSON) and return its address."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.answers[path] = (200, {"Content-Type": "application/json", **headers}, body)
        return self.url + path

    def __enter__(self) -> Pages:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(ENDS_WITHIN)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pages.requests.append((self.path, dict(self.headers)))
                status, headers, body = pages.answers.get(self.path, (404, {}, b"not here"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815  (the base class's name)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
                """Print nothing: the test asserts the requests."""

        return Handler


def repeated(counts: Mapping[str, int]) -> Sequence[str]:
    """Return the names that were counted more than once."""
    return [name for name, number in counts.items() if number > 1]
