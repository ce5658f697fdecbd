"""``python -m benchmarks.changes``: pages of the change feed over a large catalogue on PostgreSQL, and its writes.

Every package gets a change. Pages of 100 are then read after random cursors as the API reads them: the changes, the
documents and their JSON. A batch of a hundred changed packages is recorded and numbered, to compare both costs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import quantiles
from typing import Annotated

import httpx
import typer
from rich.console import Console
from sqlalchemy import text

from benchmarks.database import filled, postgres
from benchmarks.filling import Filling
from fetcher.domain.changes import Cursor
from fetcher.domain.model import Source
from fetcher.settings import Settings
from fetcher.store import SqlStore, open_engine
from fetcher.web import WebContext, make_app
from fetcher.web.context import CeleryRuntime
from fetcher.web.session import Sessions
from fetcher.wiring import SystemClock
from tests.harness.stores import answered, stats, store_on

PAGE = 100
_CHANGES = text(
    "INSERT INTO changes (package_id, position, at, numbered_at, marks) SELECT id, row_number() OVER (ORDER BY id),"
    " now(), now(), json_build_object('repo_watchers', row_number() OVER (ORDER BY id)) FROM packages"
)


def prepare(url: str) -> int:
    """Give each package a change; returns their number."""
    engine = open_engine(url)
    with engine.begin() as connection:
        count = connection.execute(_CHANGES).rowcount
        connection.execute(text("UPDATE change_feed SET position = :count"), {"count": count})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return count


def times(work: Callable[[int], object], positions: list[int]) -> list[float]:
    """Return the milliseconds of each call of ``work``, after a first one that warms it up."""
    work(positions[0])
    found, cpu = [], time.process_time()
    for position in positions:
        began = time.perf_counter()
        work(position)
        found.append(1000 * (time.perf_counter() - began))
    Console().print(f"CPU of this process: {1000 * (time.process_time() - cpu) / len(positions):.1f} ms each")
    return found


def line(name: str, found: list[float]) -> str:
    """Return the median and the 95th percentile as a sentence."""
    cuts = quantiles(found, n=100)
    return f"{name}: p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, {len(found)} times"


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


def main(
    packages: Annotated[int, typer.Option(min=1000, help="Number of packages.")] = 1_000_000,
    details: Annotated[bool, typer.Option(help="Store contributors and commits, which takes most of the time.")] = True,
    reads: Annotated[int, typer.Option(min=10, help="Number of pages.")] = 200,
) -> None:
    """Measure pages of the change feed, and the cost of a changed batch."""
    console, rng = Console(), Random(1)  # noqa: S311  (a benchmark's choices)
    with postgres() as server:
        url = filled(server, Filling(packages, datetime.now(UTC), recheck=timedelta(days=30), details=details))
        count = prepare(url)
        engine = open_engine(url)
        store = store_on(engine)
        feed = store.changes.extent().end
        positions = [rng.randrange(count - PAGE) for _ in range(reads)]
        console.print(f"{count:,} packages, pages of {PAGE}")
        console.print(line("the feed's rows", times(lambda at: store.changes.page(feed.at(at), PAGE), positions)))
        console.print(line("a page of the API, with documents", times(api(store, feed), positions)))
        with engine.connect() as connection:
            ids = list(connection.execute(text("SELECT id FROM packages ORDER BY id LIMIT 100")).scalars())
        batches = [record_batch(store, ids, 1000 + turn) for turn in range(40)]
        console.print(line("recording 100 changed packages", [one for one, _ in batches]))
        console.print(line("numbering their changes", [one for _, one in batches]))
        engine.dispose()


if __name__ == "__main__":
    typer.run(main)
