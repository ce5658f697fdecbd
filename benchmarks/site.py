"""``python -m benchmarks.site``: passes over a Django Packages site's own database.

A real PostgreSQL serves both the site and the store. The packages have two years of weeks, 66 contributors and 15
classifiers, as in a directory. The times include both databases. The first comparison is that of a process which has
just started; later ones know which rows were equal. No upstream is requested.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, event

from benchmarks.database import postgres
from benchmarks.processes import own_cpu
from fetcher.domain.model import (
    CommitDays,
    Contribution,
    Contributors,
    Observed,
    OutcomeKind,
    ProjectInfo,
    ProjectVersions,
    Release,
    RepoStats,
    Source,
)
from fetcher.domain.sites import SitePass
from fetcher.sites.django_packages.site import DjangoPackages
from fetcher.sites.synchronizer import Synchronizer
from fetcher.store import SqlStore, open_engine, upgrade
from tests.harness.directory import Directory
from tests.harness.stores import store_on

PEOPLE, CLASSIFIERS, DAYS = 66, 15, 371
WARM = 5
"""Passes of which the median is shown."""
RECHECK = timedelta(days=30)


@dataclass(slots=True)
class Measured:
    """Seconds and statements of one step."""

    name: str
    seconds: float
    cpu: float
    """CPU seconds of this process, without the server's."""
    result: SitePass | None = None
    writes: int = 0
    bound: float | None = None


@dataclass(slots=True)
class Passes:
    """The site, the store, and the UPDATE statements sent to the site."""

    site: DjangoPackages
    store: SqlStore
    updates: list[str] = field(default_factory=list)

    def synchronizer(self) -> Synchronizer:
        return Synchronizer(self.site, self.store, RECHECK)

    def timed(self, name: str, passing: Synchronizer, now: datetime, bound: float | None = None) -> Measured:
        """Run a pass and measure it."""
        self.updates.clear()
        began = time.perf_counter()
        used = own_cpu()
        result = passing.run(now)
        seconds, cpu = time.perf_counter() - began, own_cpu() - used
        assert result.fault is None, result.fault
        return Measured(name, seconds, cpu, result, len(self.updates), bound)


@contextmanager
def passes(url: str, store_url: str) -> Iterator[Passes]:
    """Open the site and a migrated store."""
    engine = open_engine(store_url)
    upgrade(engine)
    site = DjangoPackages(url)
    found = Passes(site, store_on(engine))

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "UPDATE package_package" in statement:
            found.updates.append(statement)

    try:
        yield found
    finally:
        site.close()
        found.store.close()


def fill(directory: Directory, packages: int, now: datetime) -> None:
    """Create the site's tables and ``packages`` rows that were never fetched."""
    directory.create()
    with directory.connection() as connection:
        connection.execute(
            """
            INSERT INTO package_package (created, modified, title, slug, repo_description, repo_url, repo_watchers,
                repo_forks, pypi_url, pypi_downloads, participants, category_id, score, favorite_count, repo_host,
                commit_count, commits_over_52w)
            SELECT %(now)s, %(now)s, 'Package ' || n, 'package-' || n, '', 'https://github.com/owner/package-' || n, 0,
                0, 'package-' || n, 0, '', 1, 0, 0, 'github', 0, '[]'
            FROM generate_series(1, %(packages)s) AS n
            """,
            {"now": now, "packages": packages},
        )


def answers(package_id: int, at: datetime) -> list[Observed]:
    """Return the responses of every source of one package. They depend on its id alone."""
    rng = random.Random(package_id)  # noqa: S311 - invents values
    people = Contributors(tuple(Contribution(f"person-{rng.randrange(9999)}-{n}", PEOPLE - n) for n in range(PEOPLE)))
    days = CommitDays((at - timedelta(days=DAYS)).date(), tuple(rng.choices((0, 0, 0, 1, 3), k=DAYS)), 1234)
    labels = [f"Framework :: Django :: {n}" for n in range(CLASSIFIERS - 2)]
    labels += ["Development Status :: 5 - Production/Stable", "License :: OSI Approved :: MIT License"]
    info = ProjectInfo("Invented", tuple(labels), "MIT", None, licence_text="MIT")
    latest = Release("1.2.3", at - timedelta(days=30), False, None, ">=3.8", False, 2)
    stars = rng.randrange(5000)
    values: dict[Source, Any] = {
        Source.REPOSITORY: RepoStats(
            handle=f"R_{package_id}",
            repository_id=str(package_id),
            full_name=f"owner/package-{package_id}",
            stars=stars,
            forks=stars // 5,
            watchers=3,
            description="An invented package of the benchmark, with a description of some length",
            archived=False,
            disabled=False,
            empty=False,
            default_branch="main",
            head_oid="abc",
            head_committed_at=datetime(2026, 1, 1 + package_id % 28, tzinfo=UTC),
            pushed_at=None,
        ),
        Source.CONTRIBUTORS: people,
        Source.COMMITS: days,
        Source.INDEX: ProjectVersions(f"package-{package_id}", "1.2.3", (latest,), 7, info, None),
    }
    due = at + timedelta(days=1)
    return [
        Observed(package_id, source, None, at, due, outcome=OutcomeKind.FETCHED, answered=True, values=value)
        for source, value in values.items()
    ]


def record(store: SqlStore, packages: int, at: datetime, *, values: datetime) -> None:
    """Record a response of every source: observed at ``at``, with the values of ``values``."""
    for start in range(1, packages + 1, 100):
        ids = range(start, min(start + 100, packages + 1))
        store.claims.record([replace(one, observed_at=at) for i in ids for one in answers(i, values)])


def measure(packages: int, url: str, store_url: str) -> list[Measured]:
    """Measure each kind of pass."""
    now = datetime.now(UTC).replace(hour=12, minute=0)
    minute = timedelta(minutes=1)
    directory = Directory(url)
    fill(directory, packages, now)
    with passes(url, store_url) as run:
        found = [run.timed("first reading: import all", run.synchronizer(), now)]
        record(run.store, packages, now, values=now)
        passing = run.synchronizer()
        began, used = time.perf_counter(), own_cpu()
        compared = passing.compare(passing.read(now + minute), now + minute)
        found.append(Measured("read and compare all, all differ", time.perf_counter() - began, own_cpu() - used))
        began, used = time.perf_counter(), own_cpu()
        result = passing.write(compared, SitePass(now, now), now + minute)
        assert result.written == packages, result
        seconds, cpu = time.perf_counter() - began, own_cpu() - used
        found.append(Measured("write all columns of all", seconds, cpu, result, len(run.updates), 1.0))
        passing = run.synchronizer()
        found.append(run.timed("compare all in a new process, all equal", passing, now + 2 * minute))
        warm = [run.timed("read and compare all, all equal", passing, now + 3 * minute, 0.2) for _ in range(WARM)]
        found.append(sorted(warm, key=lambda one: one.seconds)[WARM // 2])
        assert all(one.writes == 0 for one in warm)
        record(run.store, packages, now + 4 * minute, values=now)
        found.append(run.timed("unchanged responses: last_fetched of all", passing, now + 5 * minute))
        assert (found[-1].writes, found[-1].result and found[-1].result.touched) == (1, packages), found[-1]
        found.append(run.timed("read and compare all after that", passing, now + 6 * minute))
        record(run.store, 100, now + 7 * minute, values=now)
        found.append(run.timed("a minute with 100 unchanged responses", passing, now + 8 * minute))
    return found


def table(found: list[Measured], packages: int) -> Table:
    """Build the table of steps."""
    table = Table(
        "step",
        "seconds",
        "own CPU",
        "bound",
        "rows written",
        "last_fetched alone",
        "UPDATE statements",
        title=f"{packages:,}",
    )
    for one in found:
        done = one.result
        table.add_row(
            one.name,
            f"{one.seconds:.3f}",
            f"{one.cpu:.3f}",
            "" if one.bound is None else f"{one.bound:g}",
            "" if done is None else f"{done.written:,}",
            "" if done is None else f"{done.touched:,}",
            str(one.writes),
        )
    return table


def main(packages: Annotated[int, typer.Option(help="Packages of the site.")] = 5_500) -> None:
    """Measure passes over a site's database."""
    with postgres() as server:
        found = measure(packages, server.create(), server.create())
    Console().print(table(found, packages))


if __name__ == "__main__":
    typer.run(main)
