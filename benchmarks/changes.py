"""``python -m benchmarks.changes``: pages of the change feed over a large catalogue, and its writes.

Every package gets a change. Neighbours in the feed are far apart in the catalogue, so each page reads rows from all
over it. Pages of 100 are read after random cursors as the API reads them: the changes, the documents and their JSON.
A batch of a hundred changed packages is recorded and numbered, to compare both costs.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import gcd
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Annotated

import httpx
import typer
from rich.console import Console
from sqlalchemy import Engine, func, insert, literal, select, text, update

from benchmarks.copies import multiply
from benchmarks.database import postgres
from benchmarks.filling import Filling, fill, settle
from benchmarks.processes import end_well
from fetcher.domain.changes import Cursor
from fetcher.domain.model import Source
from fetcher.settings import Settings
from fetcher.store import SqlStore, open_engine, upgrade
from fetcher.store.changes.feed import rows_after
from fetcher.store.schema import change_feed, changes, packages
from fetcher.web import WebContext, make_app
from fetcher.web.context import CeleryRuntime
from fetcher.web.session import Sessions
from fetcher.wiring import SystemClock
from tests.harness.stores import answered, stats, store_on

PAGE = 100
ORIGINAL = 10_000
"""Packages with documents of their own; the others are copies of them."""
STRIDE = 7_919
"""Distance in the catalogue of two neighbours in the feed."""


@contextmanager
def database(kind: str) -> Iterator[Engine]:
    """Provide an empty database of a kind, migrated; delete it afterwards."""
    with tempfile.TemporaryDirectory(prefix="fetcher-bench-", dir="/tmp") as folder, postgres() as server:
        url = f"sqlite:///{Path(folder) / 'fetcher.db'}" if kind == "sqlite" else server.create()
        engine = open_engine(url)
        upgrade(engine)
        yield engine
        engine.dispose()


def prepare(engine: Engine, count: int) -> None:
    """Give each of ``count`` packages a change."""
    assert gcd(STRIDE, count) == 1
    position = packages.c.id * STRIDE % count + 1
    make_json = func.json_build_object if engine.dialect.name == "postgresql" else func.json_object
    now = literal(datetime.now(UTC), changes.c.at.type)
    rows = select(packages.c.id, position, now, now, make_json("repo_watchers", position))
    with engine.begin() as connection:
        connection.execute(insert(changes).from_select(["package_id", "position", "at", "numbered_at", "marks"], rows))
        connection.execute(update(change_feed).values(position=count))
    settle(engine)


def times(work: Callable[[int], object], positions: list[int]) -> tuple[list[float], float]:
    """Return the milliseconds of each call of ``work``, after a first one, and this process' CPU of a call."""
    work(positions[0])
    found, cpu = [], time.process_time()
    for position in positions:
        began = time.perf_counter()
        work(position)
        found.append(1000 * (time.perf_counter() - began))
    return found, 1000 * (time.process_time() - cpu) / len(positions)


def line(name: str, found: list[float], cpu: float | None = None) -> str:
    """Return the median and the 95th percentile as a sentence."""
    cuts = quantiles(found, n=100)
    own = "" if cpu is None else f", own CPU {cpu:.1f} ms"
    return f"{name}: p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms{own}, {len(found)} times"


def api(store: SqlStore, feed: Cursor) -> Callable[[int], object]:
    """Return a function that requests a page from the web application in this process."""
    settings = Settings(web_hosts="*")
    context = WebContext(settings, store, SystemClock(), CeleryRuntime(settings, store), Sessions(None))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(make_app(context)), base_url="http://bench")
    runner = asyncio.Runner()

    def request(position: int) -> object:
        answer = runner.run(client.get("/api/v4/changes", params={"since": str(feed.at(position)), "limit": PAGE}))
        assert len(answer.json()["results"]) == PAGE
        return answer

    return request


def plan(engine: Engine, position: int) -> str:
    """Return the database's plan of the statement that reads a page's changes."""
    statement = rows_after(position, PAGE).compile(engine, compile_kwargs={"literal_binds": True})
    how = "EXPLAIN (ANALYZE, BUFFERS)" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with engine.connect() as connection:
        return "\n".join(str(row[-1]) for row in connection.execute(text(f"{how} {statement}")))


def record_batch(store: SqlStore, ids: list[int], stars: int) -> tuple[float, float]:
    """Record a batch with new values and number its changes; returns the milliseconds of both."""
    now = datetime.now(UTC) + timedelta(seconds=stars)
    values = replace(stats(), stars=stars)
    records = [answered(one, Source.REPOSITORY, values, observed_at=now, due_at=now) for one in ids]
    began = time.perf_counter()
    store.claims.record(records)
    recorded = time.perf_counter()
    store.changes.number(now)
    return 1000 * (recorded - began), 1000 * (time.perf_counter() - recorded)


def measure(engine: Engine, packages: int, reads: int) -> None:
    """Fill the database and print its figures."""
    console, rng = Console(width=150), Random(1)  # noqa: S311  (a benchmark's choices)
    began = time.perf_counter()
    original = min(ORIGINAL, packages)
    fill(engine, Filling(original, datetime.now(UTC)))
    count = multiply(engine, original, packages // original - 1)
    prepare(engine, count)
    store = store_on(engine)
    feed = store.changes.extent().end
    positions = [rng.randrange(count - PAGE) for _ in range(reads)]
    filled = time.perf_counter() - began
    console.print(f"{engine.dialect.name}: {count:,} packages, filled in {filled:.0f} s; pages of {PAGE}")
    console.print(line("the feed's rows", *times(lambda at: store.changes.page(feed.at(at), PAGE), positions)))
    console.print(line("a page of the API, with documents", *times(api(store, feed), positions)))
    console.print(plan(engine, positions[0]), highlight=False)
    ids = list(range(1, PAGE + 1))
    batches = [record_batch(store, ids, 1000 + turn) for turn in range(40)]
    console.print(line("recording 100 changed packages", [one for one, _ in batches]))
    console.print(line("numbering their changes", [one for _, one in batches]))


def main(
    packages: Annotated[int, typer.Option(min=1000, help="Number of packages.")] = 1_000_000,
    reads: Annotated[int, typer.Option(min=10, help="Number of pages.")] = 200,
) -> None:
    """Measure pages of the change feed and the cost of a changed batch, on PostgreSQL and on SQLite."""
    for kind in ("postgresql", "sqlite"):
        with database(kind) as engine:
            measure(engine, packages, reads)


if __name__ == "__main__":
    end_well()
    typer.run(main)
