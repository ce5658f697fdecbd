"""``python -m benchmarks.catalogue``: time, CPU and memory of importing and exporting a million documents.

Documents of about 900 bytes, with participants and 52 weeks, are written to a file as JSON lines. The command imports
them and is killed (``kill -9``) on the way. It imports them again to the end, and once more unchanged. Then it exports
them as JSON lines and as Parquet. The command's memory is sampled five times a second; the peak and an early value show
whether it is flat.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.processes import end_well
from fetcher.store import open_engine, upgrade
from tests.harness.postgres import PostgresProcess
from tests.harness.processes import BIN, cpu_of, end_process, memory_of


@dataclass(frozen=True, slots=True)
class Run:
    """Measurements of one command. ``early`` is its memory after a tenth of its time."""

    what: str
    seconds: float
    cpu: float
    early: float
    peak: float
    said: str


def run(what: str, environment: Mapping[str, str], *arguments: str, kill_after: float | None = None) -> Run:
    """Run ``fetcher`` and sample it; send SIGKILL after ``kill_after`` seconds."""
    with tempfile.TemporaryFile("w+") as out:
        began, samples, cpu = time.monotonic(), [0.0], 0.0
        process = subprocess.Popen(
            [str(BIN / "fetcher"), *arguments], env=dict(environment), stdout=out, stderr=subprocess.DEVNULL
        )
        try:
            while process.poll() is None:
                samples.append(memory_of(process.pid) / 2**20)
                cpu = max(cpu, cpu_of(process.pid))
                if kill_after is not None and time.monotonic() - began > kill_after:
                    process.kill()
                time.sleep(0.2)  # between two samples of its memory
        finally:
            end_process(process)
        out.seek(0)
        said = out.read().strip() if not process.returncode else f"ended with {process.returncode}"
        return Run(what, time.monotonic() - began, cpu, samples[len(samples) // 10], max(samples), said)


def documents(packages: int) -> Iterator[dict[str, Any]]:
    """Yield complete invented documents, as a directory's API returns them."""
    rng = random.Random(6)  # noqa: S311  (no secret: the same each time)
    for n in range(1, packages + 1):
        yield {
            "category": "https://directory.example/api/v4/categories/1/",
            "grids": [f"https://directory.example/api/v4/grids/{n % 90}/"] if n % 3 == 0 else [],
            "id": n,
            "title": f"Package {n}",
            "slug": f"package-{n}",
            "last_updated": f"2026-0{n % 9 + 1}-15T17:15:22-05:00",
            "last_fetched": f"2026-11-{n % 20 + 1:02}T04:02:33.{n % 1_000_000:06}-05:00",
            "repo_url": f"https://github.com/owner-{n // 3}/package-{n}",
            "pypi_version": f"{n % 7}.{n % 13}.{n % 5}",
            "created": "2014-03-01T10:00:00.123456-05:00",
            "modified": "2025-10-01T10:00:00.123456-04:00",
            "repo_forks": n % 300,
            "repo_description": f"A package for whatever number {n} is good for, and then some",
            "pypi_url": f"package-{n}",
            "documentation_url": None,
            "repo_watchers": n % 4000,
            "commits_over_52": rng.choices((0, 0, 0, 1, 2, 5), k=52),
            "participants": [f"user-{(n * 7 + k) % 50_000}" for k in range(rng.choice((1, 2, 3, 5, 8, 13, 21)))],
        }


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    with ExitStack() as until:
        if kind == "sqlite":
            url = f"sqlite:///{folder / 'catalogue.db'}"
        else:
            data = Path(tempfile.mkdtemp(prefix="fetcher-pg-", dir="/tmp"))
            until.callback(shutil.rmtree, data, ignore_errors=True)
            server = PostgresProcess(data, {"listen_addresses": "", "shared_buffers": "512MB", "max_wal_size": "4GB"})
            server.start()
            until.callback(server.stop)
            url = server.server.create()
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        yield url


def main(
    packages: Annotated[int, typer.Option(min=100, help="Number of documents.")] = 1_000_000,
    database: Annotated[str, typer.Option(help="postgresql or sqlite.")] = "postgresql",
    kill_after: Annotated[float, typer.Option(min=1, help="Seconds until the first import is killed.")] = 60,
) -> None:
    """Measure an import that is killed and repeated, an unchanged import, and exports."""
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-") as name, _database(database, Path(name)) as url:
        folder = Path(name)
        given, jsonl, parquet = (str(folder / one) for one in ("given.jsonl", "out.jsonl", "out.parquet"))
        with Path(given).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(document) + "\n" for document in documents(packages))
        environment = os.environ | {"FETCHER_DATABASE_URL": url, "FETCHER_DATA_DIR": str(folder / "data")}
        runs = [
            run("import, killed", environment, "import", given, kill_after=kill_after),
            run("import, taken up", environment, "import", given),
            run("import, unchanged", environment, "import", given),
            run("export, JSON lines", environment, "export", jsonl),
            run("export, Parquet", environment, "export", parquet),
        ]
    table = Table(title=f"{packages:,} documents, {database}", title_justify="left")
    for column in ("", "seconds", "CPU s", "MB, early", "MB, peak", ""):
        table.add_column(column, justify="left" if not column else "right")
    for one in runs:
        table.add_row(one.what, f"{one.seconds:.0f}", f"{one.cpu:.0f}", f"{one.early:.0f}", f"{one.peak:.0f}", one.said)
    Console(width=150).print(table)


if __name__ == "__main__":
    end_well()
    typer.run(main)
