"""``python -m benchmarks.claims``: the time of claiming 100 packages in catalogues of different sizes.

Every package is due, as after an outage. This is the hardest case: the claim must find the longest due among all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from benchmarks.database import filled, postgres
from benchmarks.filling import Filling, fill
from benchmarks.processes import end_well
from fetcher.domain.model import Source
from fetcher.store import SqlStore, open_engine, upgrade
from fetcher.upstreams.github.limits import GITHUB

SIZES = (10_000, 100_000, 1_000_000)
LARGEST_SQLITE = 100_000
BATCH = 100
LEASE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Claims:
    """Milliseconds of claims in one catalogue, 100 packages each."""

    database: str
    packages: int
    claim: list[float]
    leased: list[float]
    """Milliseconds of counting leased packages, as each plan does."""


def measure(engine: Engine, packages: int, times: int) -> Claims:
    """Claim batches one after another, ``times`` in all."""
    store = SqlStore(engine, read_repo=lambda _: None, read_project=lambda _: None, serving=lambda *_: GITHUB)
    now = datetime.now(UTC)
    claims, counts = [], []
    for number in range(times + 3):
        began = time.perf_counter()
        claim = store.claims.claim(GITHUB, [Source.REPOSITORY], BATCH, now, LEASE, timedelta(hours=3))
        took = time.perf_counter() - began
        assert claim is not None
        assert len(claim.package_ids) == BATCH
        began = time.perf_counter()
        store.claims.leased(GITHUB, [Source.REPOSITORY], now)
        if number >= 3:  # the first ones fill caches
            claims.append(1000 * took)
            counts.append(1000 * (time.perf_counter() - began))
    return Claims(engine.dialect.name, packages, claims, counts)


def plan(engine: Engine) -> list[str]:
    """Return PostgreSQL's query plan for the rows that are due longest."""
    question = (
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT package_id, due_at FROM source_states"
        " WHERE source = 'repository' AND due_at IS NOT NULL AND due_at <= now() AND (lease_until IS NULL)"
        " ORDER BY due_at, package_id LIMIT 100 FOR UPDATE SKIP LOCKED"
    )
    with engine.connect() as connection:
        lines = [str(row[0]) for row in connection.execute(text(question))]
        connection.rollback()
    return lines


@contextmanager
def _sqlite(filling: Filling) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-") as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'store.db'}")
        upgrade(engine)
        fill(engine, filling)
        yield engine
        engine.dispose()


def table(found: list[Claims]) -> Table:
    """Build a table with a row a catalogue; ratios refer to the smallest one of the same database."""
    shown = Table(title=f"Claiming the next {BATCH} packages, all due", title_justify="left")
    for column in (
        "database",
        "packages",
        "claim, ms\nmedian",
        "ms\nslowest",
        "ratio to\nthe smallest",
        "count leased\nms",
    ):
        shown.add_column(column, justify="right")
    for one in found:
        smallest = next(other for other in found if other.database == one.database)
        shown.add_row(
            one.database,
            f"{one.packages:,}",
            f"{median(one.claim):.2f}",
            f"{max(one.claim):.2f}",
            f"{median(one.claim) / median(smallest.claim):.2f}",
            f"{median(one.leased):.2f}",
        )
    return shown


def main(
    sizes: Annotated[list[int] | None, typer.Option("--packages", help="Sizes of the catalogue; repeatable.")] = None,
    times: Annotated[int, typer.Option(min=1, help="Batches to claim.")] = 50,
    database: Annotated[str | None, typer.Option(help="URL of a filled PostgreSQL, for one size.")] = None,
) -> None:
    """Measure claims at 10,000, 100,000 and 1,000,000 packages (SQLite up to 100,000)."""
    console, found, lines = Console(width=140), [], []
    sizes = sizes or list(SIZES)
    if database is not None:
        engine = open_engine(database)
        found.append(measure(engine, sizes[0], times))
        lines = plan(engine)
        engine.dispose()
    else:
        with postgres() as server:
            for packages in sizes:
                overdue = Filling(packages, datetime.now(UTC), details=False, overdue=timedelta(days=2))
                engine = open_engine(filled(server, overdue))
                found.append(measure(engine, packages, times))
                lines = plan(engine)
                engine.dispose()
        for packages in (size for size in sizes if size <= LARGEST_SQLITE):
            overdue = Filling(packages, datetime.now(UTC), details=False, overdue=timedelta(days=2))
            with _sqlite(overdue) as engine:
                found.append(measure(engine, packages, times))
    console.print(table(found), *lines, sep="\n")


if __name__ == "__main__":
    end_well()
    typer.run(main)
