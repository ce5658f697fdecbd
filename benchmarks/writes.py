"""``python -m benchmarks.writes``: PostgreSQL's writes for a package, unchanged and changed.

Batches are claimed, loaded and recorded with the stored values; no upstream is requested. One run takes packages in the
order of their slots, as the planner does. Another takes packages from all over the catalogue, as slots by a hash would.
Two more give each package a new number of stars: without the change feed, and with it, its numbering included. A
checkpoint comes first, so that each touched page is logged in full once, as after every checkpoint of a busy server.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated
from unittest.mock import patch

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, event, select, text

from benchmarks.database import filled, postgres, written
from benchmarks.filling import Filling
from benchmarks.processes import end_well, own_cpu
from fetcher.domain.model import Claim, Record, RepoStats, Source, Target, Validators
from fetcher.domain.outcome import Fetched
from fetcher.domain.records import FetchedValues, confirmed, record_of
from fetcher.domain.scheduling import Cadence
from fetcher.store import SqlStore, open_engine
from fetcher.store.changes.noting import Noted
from fetcher.store.schema import observations
from fetcher.store.values import STATS
from fetcher.upstreams.github.limits import GITHUB

LEASE = timedelta(minutes=15)
BATCH = 100


@dataclass(frozen=True, slots=True)
class Writes:
    """Measurements of recording ``packages``."""

    name: str
    packages: int
    log: int
    updated: int
    in_place: int
    wide: int
    """Updated rows of the wide table."""
    statements: int
    """Statements of recording alone."""
    cpu: float
    seconds: float


def store_on(engine: Engine) -> SqlStore:
    """Return a store whose repositories are all served by GitHub."""
    return SqlStore(engine, read_repo=lambda _: None, read_project=lambda _: None, serving=lambda *_: GITHUB)


def measure(
    engine: Engine,
    name: str,
    batches: Iterator[tuple[Claim, datetime]],
    packages: int,
    *,
    more_stars: int = 0,
    feed: bool = True,
) -> Writes:
    """Record ``packages`` packages with so many more stars. Without ``feed``, their changes are not noted."""
    store = store_on(engine)
    noting = nullcontext() if feed else patch.object(Noted, "write", lambda *_: None)
    cadence = Cadence()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
    before, done, statements, cpu, seconds = written(engine), 0, 0, 0.0, 0.0
    while done < packages:
        claim, now = next(batches)
        targets = store.claims.load(claim)
        records = [record for one in answers(engine, targets, now, cadence, more_stars) for record in one]
        with counted(engine) as count, noting:
            used, began = own_cpu(), time.perf_counter()
            store.claims.record(records)
            if feed:
                store.changes.number(now)
            cpu, seconds = cpu + own_cpu() - used, seconds + time.perf_counter() - began
        statements += count[0]
        done += len(targets)
    time.sleep(1.5)  # the server's counters lag by a second
    after = written(engine)
    return Writes(
        name,
        done,
        after.log_position - before.log_position,
        after.updated - before.updated,
        after.in_place - before.in_place,
        after.wide - before.wide,
        statements,
        cpu,
        seconds,
    )


def in_slots(engine: Engine, now: datetime) -> Iterator[tuple[Claim, datetime]]:
    """Yield batches as the planner claims them."""
    store = store_on(engine)
    while claim := store.claims.claim(GITHUB, [Source.REPOSITORY], BATCH, now, LEASE, timedelta(days=1)):
        yield claim, now


def anywhere(engine: Engine, now: datetime, packages: int) -> Iterator[tuple[Claim, datetime]]:
    """Yield batches of packages from all over the catalogue, each once."""
    store = store_on(engine)
    ids = random.Random(0).sample(range(1, packages + 1), packages)  # noqa: S311 - chooses invented packages
    for at in range(0, packages, BATCH):
        claim = store.claims.claim_packages(ids[at : at + BATCH], [Source.REPOSITORY], now, LEASE)
        assert claim is not None
        yield claim, now


def answers(
    engine: Engine, targets: list[Target], now: datetime, cadence: Cadence, more_stars: int
) -> Iterator[list[Record]]:
    """Yield each target's records of its stored statistics with more stars, and a confirmation of both details."""
    columns = [observations.c[name] for name in ("package_id", *STATS)]
    wanted = select(*columns).where(observations.c.package_id.in_([one.package_id for one in targets]))
    with engine.connect() as connection:
        stored = {row.package_id: row for row in connection.execute(wanted)}
    for target in targets:
        row = stored[target.package_id]
        stats = RepoStats(**{name: getattr(row, name) for name in STATS})
        stats = replace(stats, stars=(stats.stars or 0) + more_stars)
        brought = FetchedValues(stats, stats.head_oid or "empty", Validators(), full=True)
        own = record_of(target, Source.REPOSITORY, Fetched(stats), now, cadence, brought)
        yield [own, *(confirmed(target, source, now) for source in (Source.CONTRIBUTORS, Source.COMMITS))]


def unchanged(engine: Engine, targets: list[Target], now: datetime, cadence: Cadence) -> Iterator[list[Record]]:
    """Yield each target's records of unchanged statistics, with a confirmation of both details."""
    return answers(engine, targets, now, cadence, more_stars=0)


@contextmanager
def counted(engine: Engine) -> Iterator[list[int]]:
    """Count the statements sent meanwhile."""
    count = [0]

    def one_more(*_: object) -> None:
        count[0] += 1

    event.listen(engine, "before_cursor_execute", one_more)
    try:
        yield count
    finally:
        event.remove(engine, "before_cursor_execute", one_more)


def table(found: list[Writes], packages: int) -> Table:
    """Build a table with a row for each way of recording."""
    shown = Table(title=f"{packages:,} packages, some of them recorded", title_justify="left")
    for column in (
        "batches",
        "recorded",
        "written, bytes\na package",
        "states updated\na package",
        "of them\nin place",
        "wide rows\nupdated",
        "statements\na batch",
        "recording: CPU\nms a package",
        "ms a package",
    ):
        shown.add_column(column, justify="right")
    for one in found:
        shown.add_row(
            one.name,
            f"{one.packages:,}",
            f"{one.log / one.packages:,.0f}",
            f"{one.updated / one.packages:.2f}",
            f"{one.in_place / one.updated:.0%}",
            f"{one.wide:,}",
            f"{one.statements / (one.packages / BATCH):.1f}",
            f"{1000 * one.cpu / one.packages:.3f}",
            f"{1000 * one.seconds / one.packages:.3f}",
        )
    return shown


def main(
    packages: Annotated[int, typer.Option(min=1000, help="Number of packages.")] = 100_000,
    recorded: Annotated[int, typer.Option(min=100, help="Packages to record in each order.")] = 10_000,
    database: Annotated[str | None, typer.Option(help="URL of a filled PostgreSQL; it is changed.")] = None,
) -> None:
    """Measure log bytes, updates in place and statements for unchanged and changed packages."""
    found = []
    with postgres() as server:
        url = database or filled(server, Filling(packages, datetime.now(UTC), details=False))
        engine = open_engine(url)
        now = datetime.now(UTC)
        found.append(measure(engine, "all over", anywhere(engine, now, packages), recorded))
        now += timedelta(days=1)
        found.append(measure(engine, "by slots", in_slots(engine, now), recorded))
        for name, feed in (("changed, no feed", False), ("changed, feed", True)):
            now += timedelta(days=1)
            found.append(measure(engine, name, in_slots(engine, now), recorded, more_stars=1, feed=feed))
        engine.dispose()
    Console(width=150).print(table(found, packages))


if __name__ == "__main__":
    end_well()
    typer.run(main)
