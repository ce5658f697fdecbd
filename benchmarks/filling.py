"""A filled catalogue after its first pass, written directly into the database: a million packages in minutes.

The packages are the simulator's invented ones, so its responses match the stored data. A pass over the filled catalogue
therefore finds nothing new. Every source's due time is computed by the planner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Table, insert, text

from fetcher.domain.commit_weeks import commit_days
from fetcher.domain.model import Commit, DueReason, Source
from fetcher.domain.scheduling import phase
from fetcher.simulator import history as told
from fetcher.simulator.project import Project, ProjectStatus
from fetcher.simulator.repository import Repository
from fetcher.simulator.synthetic import FIRST_REPOSITORY_ID, SyntheticCatalogue
from fetcher.simulator.upstreams.github.node_ids import node_id_of
from fetcher.store import open_engine
from fetcher.store.schema import (
    activities,
    checkpoints,
    events,
    freshness,
    history,
    observations,
    packages,
    releases,
    source_states,
)
from fetcher.store.values import PROJECT
from fetcher.upstreams.github.limits import GITHUB
from fetcher.upstreams.pypi.limits import PYPI
from fetcher.upstreams.pypi.releases import File, in_order, latest, release

TABLES = (packages, observations, activities, freshness, source_states, history, events, releases)
CHUNK = 2_000
EMPTY, QUARANTINED = "empty", "quarantined"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CREATED = datetime(2020, 1, 1, 5, tzinfo=UTC)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filling:
    """Parameters: the number of packages, and their state at ``now``."""

    packages: int
    now: datetime
    interval: timedelta = timedelta(days=1)
    recheck: timedelta = timedelta(days=30)
    details: bool = True
    """Store contributors and commits as the simulator returns them. They take most of the time; ``False`` omits
    them."""
    overdue: timedelta = timedelta(0)
    """Time by which every repository's due time is moved back, as after an outage."""


def fill(engine: Engine, filling: Filling, processes: int = 2) -> None:
    """Write all rows, then analyze the tables, as autovacuum would."""
    chunks = [range(at, min(at + CHUNK, filling.packages)) for at in range(0, filling.packages, CHUNK)]
    if engine.dialect.name == "postgresql":
        url = engine.url.render_as_string(hide_password=False)
        with ProcessPoolExecutor(processes) as pool:
            list(pool.map(partial(_copy_chunk, url, filling), chunks))
    else:
        for chunk in chunks:
            with engine.begin() as connection:
                for table, rows in _rows(filling, chunk).items():
                    connection.execute(insert(table), rows)
    marks = [{"name": "catalogue", "observed_at": filling.now}]
    with engine.begin() as connection:
        connection.execute(insert(checkpoints), marks)
    settle(engine)


_COMPRESSED = (
    """CREATE UNLOGGED TABLE compressed AS
    WITH turns AS (
        SELECT *, extract(epoch FROM due_at)::float8 / real_every AS turn, real_every * :scale AS every FROM (
            SELECT *,
                CASE source WHEN 'repository' THEN 86400 ELSE :recheck END::float8 AS real_every FROM source_states
        ) AS states
    ), slots AS (
        SELECT *, turn - :now / every - floor(turn - :now / every) AS wait FROM turns
    ), moments AS (
        SELECT *,
            CASE source WHEN 'index' THEN :now + (extract(epoch FROM due_at)::float8 - :now) * :scale
            ELSE :now + wait * every END AS due,
            CASE source WHEN 'index' THEN :now + (extract(epoch FROM full_fetch_at)::float8 - :now) * :scale
            ELSE :now + (wait - 1) * every END AS whole
        FROM slots
    )
    SELECT package_id, source, upstream,
        CASE source WHEN 'repository' THEN whole ELSE :now - 86400 * :scale END AS answered,
        whole, due, due_reason, revision FROM moments""",
    "TRUNCATE source_states",
    "DROP INDEX ix_source_states_due",
    """INSERT INTO source_states
        (package_id, source, upstream, answered_at, observed_at, full_fetch_at, due_at, due_reason, revision, outcome)
    SELECT package_id, source, upstream, to_timestamp(answered), to_timestamp(answered),
        to_timestamp(whole), to_timestamp(due),
        due_reason, revision, 'fetched' FROM compressed ORDER BY package_id, source""",
    """UPDATE source_states SET due_reason = 'settling',
        due_at = to_timestamp(:now + 86400 * :scale * (package_id * 104729 % 997) / 997.0)
    WHERE source = 'contributors' AND package_id * 7919 % 10000 < :settling * 10000""",
    """CREATE INDEX ix_source_states_due ON source_states (upstream, source, due_at, package_id)
    WHERE due_at IS NOT NULL""",
    """UPDATE freshness SET last_fetched = to_timestamp(answered) FROM compressed
    WHERE freshness.package_id = compressed.package_id AND source = 'repository'""",
    "DROP TABLE compressed",
)


def compress(engine: Engine, now: datetime, scale: float, recheck: timedelta, settling: float = 0) -> None:
    """Shorten the days of a filled PostgreSQL: every slot and re-check is where the planner puts it in such days.

    ``settling`` is the share of contributors' lists that confirm the previous day's histories, at any time of the day.
    """
    given = {"now": now.timestamp(), "scale": scale, "recheck": recheck.total_seconds(), "settling": settling}
    with engine.begin() as connection:
        for statement in _COMPRESSED:
            needed = {name: value for name, value in given.items() if f":{name}" in statement}
            connection.execute(text(statement), needed)
    settle(engine)


def settle(engine: Engine) -> None:
    """Vacuum and checkpoint, as time and autovacuum do to a table without daily bulk writes."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        else:
            connection.execute(text("ANALYZE"))


def _copy_chunk(url: str, filling: Filling, chunk: range) -> None:
    engine = open_engine(url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL synchronous_commit = off"))
        for table, rows in _rows(filling, chunk).items():
            _copy(connection, table, rows)
    engine.dispose()


def _copy(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Write rows by COPY, with each value bound as an INSERT would bind it."""
    dialect = connection.dialect
    binds = [(column.name, column.type.dialect_impl(dialect).bind_processor(dialect)) for column in table.c]
    columns = ", ".join(f'"{name}"' for name, _ in binds)
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([bind(row.get(name)) if bind else row.get(name) for name, bind in binds])


def _rows(filling: Filling, chunk: range) -> Mapping[Table, list[Row]]:
    catalogue = SyntheticCatalogue(filling.packages, 0, filling.now, real_ids=False)
    found: dict[Table, list[Row]] = {table: [] for table in TABLES}
    for index in chunk:
        for table, row in _package(filling, catalogue, index):
            found[table].append(row)
    return {table: rows for table, rows in found.items() if rows}


def _package(filling: Filling, catalogue: SyntheticCatalogue, index: int) -> Iterator[tuple[Table, Row]]:
    repository = catalogue.repository(FIRST_REPOSITORY_ID + index)
    project = catalogue.project(catalogue.project_name(index))
    assert repository is not None
    assert project is not None
    package_id = index + 1
    yield packages, _entry(package_id, repository)
    in_project, its_releases = _project(project)
    row = {"package_id": package_id, **_statistics(repository), **_details(filling, repository), **in_project}
    yield observations, row
    yield activities, {"package_id": package_id, "active_at": row["pushed_at"]}
    states = list(_states(filling, package_id, repository, project))
    yield freshness, {"package_id": package_id, "last_fetched": max(state["answered_at"] for state in states)}
    day = (filling.now - filling.interval).date()
    figures = {name: row[name] for name in ("stars", "forks", "watchers")}
    yield history, {"package_id": package_id, "day": day, **figures, "version": row["pypi_latest"]}
    for state in states:
        yield source_states, state
        first = {"source": state["source"], "outcome": "fetched", "message": "first answer"}
        yield events, {"package_id": package_id, "at": state["answered_at"], **first}
    for one in its_releases:
        yield releases, {"package_id": package_id, **one}


def _entry(package_id: int, repository: Repository) -> Row:
    address = f"github.com/{repository.full_name}"
    return {
        "id": package_id,
        "slug": repository.name,
        "title": repository.name,
        "category": "https://directory.example.invalid/api/v4/categories/1/",
        "grids": [],
        "repo_url": f"https://{address}",
        "pypi_url": repository.name,
        "documentation_url": None,
        "created": _CREATED,
        "modified": _CREATED,
        "extra": {},
        "repo_host": "github.com",
        "repo_path": f"{repository.owner}/{repository.name}",
        "repo_key": address.lower(),
        "repo_unsupported": None,
        "project": repository.name,
        "project_unsupported": None,
        "retired_at": None,
    }


def _statistics(repository: Repository) -> Row:
    tip = repository.history.tip
    return {
        "handle": node_id_of(repository),
        "repository_id": str(repository.database_id),
        "full_name": repository.full_name,
        "stars": repository.stars,
        "forks": repository.forks,
        "watchers": repository.subscribers,
        "description": repository.description or "",
        "archived": repository.archived,
        "disabled": repository.disabled,
        "empty": tip is None,
        "default_branch": repository.default_branch if tip else None,
        "head_oid": tip and tip.oid,
        "head_committed_at": tip and tip.committed_at.replace(microsecond=0),
        "pushed_at": repository.pushed_at.replace(microsecond=0),
    }


def _details(filling: Filling, repository: Repository) -> Row:
    today = filling.now.date()
    if not filling.details or repository.history.tip is None:
        days = commit_days((), today, 0, merges=True)
        return {"contributors": [], "days_start": days.start, "day_counts": days.counts, "commit_count": 0}
    commits = repository.history.commits()
    people, _ = told.contributors(commits)
    read = (Commit(one.oid, one.author.login, one.authored_at.date(), one.is_merge) for one in commits)
    days = commit_days(read, today, len(commits), merges=True)
    return {
        "contributors": [[one.author.login, one.contributions] for one in people],
        "days_start": days.start,
        "day_counts": days.counts,
        "commit_count": days.total,
    }


def _project(project: Project) -> tuple[Row, list[Row]]:
    if project.status is ProjectStatus.QUARANTINED:
        return {**dict.fromkeys(PROJECT), "pypi_status": QUARANTINED}, []
    found = in_order(
        release(one.version, [File(one.uploaded_at, one.yanked, one.yanked_reason, one.requires_python)])
        for one in project.releases
    )
    row = {
        "pypi_name": project.name,
        "pypi_latest": latest(found),
        "pypi_summary": project.summary,
        "pypi_classifiers": list(project.classifiers),
        "pypi_licence": project.license,
        "pypi_documentation_url": project.project_urls.get("Documentation"),
        "pypi_status": str(project.status),
        "pypi_serial": project.serial,
    }
    return row, [
        {
            "number": one.number,
            "position": position,
            "uploaded_at": one.uploaded_at,
            "yanked": one.yanked,
            "yanked_reason": one.yanked_reason,
            "requires_python": one.requires_python,
            "prerelease": one.prerelease,
            "files": one.files,
        }
        for position, one in enumerate(found)
    ]


def _states(filling: Filling, package_id: int, repository: Repository, project: Project) -> Iterator[Row]:
    """Return each source's state after its last response: repositories at slots of the day, re-checks over theirs."""
    due = _next_slot(package_id, filling.now, filling.interval)
    answered = due - filling.interval
    tip = repository.history.tip
    head = tip.oid if tip else EMPTY
    whole = _next_slot(package_id, filling.now, filling.recheck)
    for source in (Source.REPOSITORY, Source.CONTRIBUTORS, Source.COMMITS):
        own = source is Source.REPOSITORY
        yield _state(
            package_id,
            source,
            answered_at=answered,
            revision=head,
            full_fetch_at=answered if own else whole - filling.recheck,
            due_at=due - filling.overdue if own else whole,
            due_reason=DueReason.SLOT if own else DueReason.RECHECK,
        )
    quarantined = project.status is ProjectStatus.QUARANTINED
    yield _state(
        package_id,
        Source.INDEX,
        answered_at=filling.now - filling.interval,
        revision=QUARANTINED if quarantined else str(project.serial),
        full_fetch_at=whole - filling.recheck,
        due_at=whole,
        due_reason=DueReason.RECHECK,
    )


def _state(package_id: int, source: Source, *, answered_at: datetime, **columns: Any) -> Row:
    answered = {"answered_at": answered_at, "observed_at": answered_at, "outcome": "fetched", "failures": 0}
    upstream = PYPI if source is Source.INDEX else GITHUB
    return {"package_id": package_id, "source": source.value, "upstream": upstream, **answered, **columns}


def _next_slot(package_id: int, now: datetime, interval: timedelta) -> datetime:
    """Return the first slot from now on; the planner's choice is at least half an interval away."""
    start = _EPOCH + interval * phase(package_id)
    return start + interval * -((start - now) // interval)
