"""``python -m benchmarks.sweeps``: the database's writes for a day of sweeps that find nothing, on both databases.

An hour of sweeps is claimed, loaded and recorded with the stored values; no upstream is requested. One run records each
confirmation of contributors and commits, as before intervals were computed. The other does as the product does. The
figures of a day are those of the hour, times 24.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, event, select, text

from benchmarks.database import postgres
from benchmarks.filling import Filling, fill
from benchmarks.processes import end_well
from benchmarks.writes import BATCH, LEASE, counted, store_on, unchanged
from fetcher.domain.model import Record, RepoStats, Source, Target
from fetcher.domain.outcome import Fetched
from fetcher.domain.records import placed
from fetcher.domain.scheduling import Cadence
from fetcher.domain.sweeping import SHORTEST, Sweep
from fetcher.store import open_engine, upgrade
from fetcher.store.schema import events, history, observations
from fetcher.store.values import STATS
from fetcher.upstreams.github.limits import GITHUB
from fetcher.upstreams.heads import repository_records

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CADENCE = Cadence(sweeps={GITHUB: Sweep(timedelta(seconds=1))})
Recorded = Callable[[Engine, list[Target], datetime], list[Record]]


@dataclass(frozen=True, slots=True)
class Written:
    """Counters of an hour of sweeps."""

    name: str
    sweeps: int
    statements: int
    log: int
    """Bytes written to the database's log."""
    updated: int
    """Updated rows; ``-1`` on SQLite, which does not count them."""
    dead: int
    timeline: int
    """Rows added to timeline and history."""
    seconds: float


def each_confirmation(engine: Engine, targets: list[Target], now: datetime) -> list[Record]:
    """Return the records with a confirmation of each unmoved source."""
    return [record for one in unchanged(engine, targets, now, CADENCE) for record in one]


def as_the_product(engine: Engine, targets: list[Target], now: datetime) -> list[Record]:
    """Return the records as the refresh of statistics does."""
    columns = [observations.c[name] for name in ("package_id", *STATS)]
    wanted = select(*columns).where(observations.c.package_id.in_([one.package_id for one in targets]))
    with engine.connect() as connection:
        rows = {row.package_id: row for row in connection.execute(wanted)}
    records = []
    for target in targets:
        stats = RepoStats(**{name: getattr(rows[target.package_id], name) for name in STATS})
        records += repository_records(target, Fetched(stats), now, CADENCE, derives_people=True)
    return records


def sweep(engine: Engine, recorded: Recorded, now: datetime) -> int:
    """Sweep the catalogue once; returns the number of recorded packages."""
    store, done = store_on(engine), 0
    while claim := store.claims.claim(GITHUB, [Source.REPOSITORY], BATCH, now, LEASE):
        targets = store.claims.load(claim)
        of_package = {one.package_id: one for one in targets}
        records = recorded(engine, targets, now)
        store.claims.record([placed(of_package[one.package_id], one, CADENCE) for one in records])
        done += len(targets)
    return done


def measure(name: str, engine: Engine, recorded: Recorded, start: datetime, log: Iterator[int]) -> Written:
    """Record an hour of sweeps. ``log`` yields the bytes of the log so far."""
    began, now, done = time.perf_counter(), start, 0
    sweep(engine, recorded, now)
    before, rows, kept = next(log), _rows(engine), _timeline(engine)
    with counted(engine) as statements:
        while now < start + HOUR:
            now += SHORTEST / 2
            done += sweep(engine, recorded, now)
    time.sleep(1.5 if rows[0] >= 0 else 0)  # the server's counters lag by a second
    after = _rows(engine)
    took = time.perf_counter() - began
    return Written(
        name,
        done,
        statements[0],
        next(log) - before,
        after[0] - rows[0] if rows[0] >= 0 else -1,
        after[1],
        _timeline(engine) - kept,
        took,
    )


def _timeline(engine: Engine) -> int:
    with engine.connect() as connection:
        return sum(len(connection.execute(select(table.c.package_id)).all()) for table in (events, history))


def _rows(engine: Engine) -> tuple[int, int]:
    """Return the numbers of updated and of dead rows."""
    if engine.dialect.name == "sqlite":
        return -1, -1
    with engine.connect() as connection:
        row = connection.execute(text("SELECT sum(n_tup_upd), sum(n_dead_tup) FROM pg_stat_user_tables")).one()
    return int(row[0]), int(row[1])


def _log_of_postgres(engine: Engine) -> Iterator[int]:
    while True:
        with engine.connect() as connection:
            yield int(connection.execute(text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")).scalar_one())


def _log_of_sqlite(path: Path) -> Iterator[int]:
    """Yield the size of the log, which is never moved into the database meanwhile."""
    while True:
        yield Path(f"{path}-wal").stat().st_size


def _keep_the_log(connection: object, _record: object) -> None:
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # type: ignore[attr-defined]


def runs(packages: int) -> Iterator[Written]:
    """Yield both runs on both databases, each on a catalogue of its own."""
    ways: dict[str, Recorded] = {"each confirmation": each_confirmation, "as the product": as_the_product}
    with postgres() as server, tempfile.TemporaryDirectory(prefix="fetcher-bench-") as folder:
        for number, (way, recorded) in enumerate(ways.items()):
            now = datetime.now(UTC)
            filling = Filling(packages, now, interval=SHORTEST, details=False)
            for url in (server.create(), f"sqlite:///{folder}/{number}.db"):
                engine = open_engine(url)
                sqlite = engine.dialect.name == "sqlite"
                if sqlite:
                    event.listen(engine, "connect", _keep_the_log)
                upgrade(engine)
                fill(engine, filling)
                log = _log_of_sqlite(Path(f"{folder}/{number}.db")) if sqlite else _log_of_postgres(engine)
                yield measure(f"{'SQLite' if sqlite else 'PostgreSQL'}, {way}", engine, recorded, now + SHORTEST, log)
                engine.dispose()


def table(found: list[Written], packages: int) -> Table:
    """Build the table of a day."""
    shown = Table(title=f"A day of sweeps of {packages:,} packages, each 5 minutes", title_justify="left")
    for column in (
        "",
        "packages",
        "statements",
        "log, MB",
        "bytes a\npackage",
        "rows updated",
        "dead rows\n(an hour)",
        "timeline",
    ):
        shown.add_column(column, justify="left" if not column else "right")
    for one in found:
        counts = ("–", "–") if one.updated < 0 else (f"{24 * one.updated:,}", f"{one.dead:,}")
        shown.add_row(
            one.name,
            f"{24 * one.sweeps:,}",
            f"{24 * one.statements:,}",
            f"{24 * one.log / 2**20:,.0f}",
            f"{one.log / one.sweeps:,.0f}",
            *counts,
            f"{one.timeline:,}",
        )
    return shown


def main(packages: Annotated[int, typer.Option(min=100, help="Number of packages.")] = 5_500) -> None:
    """Measure statements, log bytes and rows of sweeps that find nothing."""
    Console(width=160).print(table(list(runs(packages)), packages))


if __name__ == "__main__":
    end_well()
    typer.run(main)
