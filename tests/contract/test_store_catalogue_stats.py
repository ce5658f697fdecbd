"""Catalogue statistics compared with a recount of every package, small and in partitions, as packages come and go."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, select, text

from fetcher.domain.catalogue_stats import OVERDUE_AFTER, PLANNING, STALE_AFTER, CatalogueStats
from fetcher.domain.formatting import failure_kind
from fetcher.domain.model import REPOSITORY_SOURCES, Record, Source, SourceState, StoredPackage
from fetcher.domain.scheduling import is_gone
from fetcher.domain.views import PackageState
from fetcher.store import SqlStore
from fetcher.store.schema import catalogue_stats, packages
from tests.harness.clock import DAY, HOUR
from tests.harness.examples import seeds
from tests.harness.stores import LEASE, NOW, Catalogue, answered, failed, store_on

SIZE = 10
FAILING = ("gone", "replaced", "blocked", "unauthorized", "malformed")


def _records(random: Random, package_id: int) -> list[Record]:
    """Return random records of a package's sources: most fetched at some time, a few failing, some never requested."""
    records = []
    for source in Source:
        at = NOW - random.choice([10, 3600, 86_400, 40 * 86_400]) * random.random() * timedelta(seconds=1)
        due = NOW + timedelta(seconds=random.uniform(-2 * 86_400, 86_400))
        match random.choice(["answered"] * 5 + ["never", "failing", "gone", "missing", "too large"]):
            case "answered":
                records.append(answered(package_id, source, observed_at=at, due_at=due))
            case "failing":
                outcome = random.choice(["transient", "not_ready", *FAILING[1:]])
                records.append(failed(package_id, source, outcome, observed_at=at, due_at=due))
            case "gone":
                first = at - timedelta(days=3)
                records.append(failed(package_id, source, "gone", observed_at=at, failures=3, first_failed_at=first))
            case "missing":
                records.append(failed(package_id, source, "gone", observed_at=at, first_failed_at=at))
            case "too large":
                records.append(answered(package_id, source, outcome="blocked", observed_at=at, due_at=due))
    return records


def _fill(catalogue: Catalogue, random: Random, slugs: Sequence[str]) -> None:
    ids = catalogue.add(*slugs, project=True)
    catalogue.store.claims.record([record for package_id in ids for record in _records(random, package_id)])
    catalogue.store.packages.retire(random.sample(ids, len(ids) // 10), NOW)
    catalogue.add(f"{slugs[0]}-elsewhere", repo_url="https://elsewhere.example/x")
    catalogue.add(f"{slugs[0]}-bare", repo_url=None)


def _stored(store: SqlStore, engine: Engine) -> list[StoredPackage]:
    with engine.connect() as connection:
        slugs = connection.execute(select(packages.c.slug)).scalars().all()
    found = [store.packages.get(slug) for slug in slugs]
    return [one for one in found if one is not None]


def _failing(state: SourceState) -> bool:
    return state.failures > 0 or (state.outcome in FAILING and state.outcome != "blocked")


def _state(package: StoredPackage, now: datetime) -> PackageState:
    """Return the state of a package as ``PackageState`` defines it."""
    if package.retired_at is not None:
        return PackageState.RETIRED
    failing = [state for state in package.states.values() if _failing(state)]
    if failing:
        return PackageState.GONE if any(map(is_gone, failing)) else PackageState.FAILING
    if "elsewhere" in package.entry.slug or "bare" in package.entry.slug:
        return PackageState.UNSUPPORTED
    fetched = package.observed.last_fetched
    if fetched is None:
        return PackageState.NOT_FETCHED
    return PackageState.STALE if fetched < now - STALE_AFTER * DAY else PackageState.FRESH


def _report(figures: CatalogueStats, now: datetime) -> dict[str, Any]:
    """Return all values that the statistics give exactly for the time of measurement."""
    report: dict[str, Any] = {
        "packages": figures.packages,
        "states": dict(figures.states(now, DAY)),
        "failures": dict(figures.failures),
    }
    for source in Source:
        one = figures.source(source)
        report[source.value] = {
            "packages": one.packages,
            "answered": one.answered,
            "oldest": one.oldest,
            "oldest age": one.age(1, now),
            "next due": one.next_due,
            "due": one.due_by(now),
            "overdue": one.overdue(now, DAY),
            "within": one.on_time(now, DAY),
            "leased": one.leased,
            "failing": one.failing,
            "gone": one.gone,
        }
    return report


def _recount(found: Sequence[StoredPackage], now: datetime) -> dict[str, Any]:
    """Return the same values, counted package by package."""
    standing = Counter(_state(package, now) for package in found)
    every = [state for package in found if package.retired_at is None for state in package.states.values()]
    report: dict[str, Any] = {
        "packages": len(found),
        "states": {state: standing[state] for state in PackageState},
        "failures": dict(Counter(failure_kind(state) for state in every if _failing(state))),
    }
    for source in Source:
        own = [state for state in every if state.source is source]
        answers = [state.answered_at for state in own if state.answered_at]
        due = [state.due_at for state in own if state.due_at]
        oldest = min(answers, default=None)
        report[source.value] = {
            "packages": len(own),
            "answered": len(answers),
            "oldest": oldest,
            "oldest age": now - oldest if oldest else None,
            "next due": min(due, default=None),
            "due": sum(at <= now for at in due),
            "overdue": sum(at <= now - OVERDUE_AFTER * DAY for at in due),
            "within": sum(at >= now - DAY - PLANNING for at in answers) / len(own) if own else None,
            "leased": sum(state.lease_until is not None and state.lease_until > now for state in own),
            "failing": sum(map(_failing, own)),
            "gone": sum(map(is_gone, own)),
        }
    return report


@pytest.mark.parametrize("seed", seeds(3))
def test_a_small_catalogue_is_counted_exactly(catalogue: Catalogue, engine: Engine, seed: int) -> None:
    """All statistics equal a recount, now and at a later time; nothing is stored."""
    _fill(catalogue, Random(seed), [f"p{n}" for n in range(60)])  # noqa: S311  (no secret: the same each time)
    catalogue.claim(Source.INDEX, limit=7)
    found = _stored(catalogue.store, engine)
    for now in (NOW, NOW + HOUR):
        assert _report(catalogue.store.statistics.read(now, DAY), now) == _recount(found, now)
    catalogue.store.statistics.measure(NOW, DAY)
    assert _partitions(engine) == []


def test_ages_by_rank(catalogue: Catalogue) -> None:
    """The median and 95th percentile of a hundred ages are accurate to a 32nd, and the maximum is exact."""
    ids = catalogue.add(*(f"p{n}" for n in range(100)))
    catalogue.store.claims.record(
        [answered(i, Source.REPOSITORY, observed_at=NOW - n * HOUR) for n, i in enumerate(ids, 1)]
    )
    github = catalogue.store.statistics.read(NOW, DAY).source(Source.REPOSITORY)
    for share, hours in ((0.5, 50), (0.95, 95)):
        age = github.age(share, NOW)
        assert age is not None
        assert abs(age - hours * HOUR) <= hours * HOUR / 32
    assert github.age(1, NOW) == 100 * HOUR
    assert catalogue.store.statistics.read(NOW, DAY).source(Source.COMMITS).age(0.5, NOW) is None


@pytest.fixture
def divided(engine: Engine) -> Catalogue:
    return Catalogue(store_on(engine, partition_size=SIZE))


def _partitions(engine: Engine) -> list[Any]:
    """Return the rows of the partitions in order, without that of the sum."""
    with engine.connect() as connection:
        rows = connection.execute(select(catalogue_stats).order_by(catalogue_stats.c.low)).all()
    return [row for row in rows if row.low != row.high]


def _round(catalogue: Catalogue, engine: Engine, now: datetime = NOW) -> None:
    """Tick until all partitions have been measured at ``now`` and leave no gap."""
    for _ in range(60):
        catalogue.store.statistics.measure(now, DAY)
        partitions = _partitions(engine)
        gapless = all(a.high == b.low for a, b in pairwise(partitions)) and partitions[-1].high == 2**63 - 1
        if gapless and all(row.measured_at == now for row in partitions):
            return
    raise AssertionError("the round does not end")


@pytest.mark.parametrize("seed", seeds(3))
def test_partitions_say_together_what_is_there(divided: Catalogue, engine: Engine, seed: int) -> None:
    """The first read measures every partition; packages added and removed are counted by the next pass."""
    random, now = Random(seed), NOW  # noqa: S311  (no secret: the same each time)
    _fill(divided, random, [f"p{n}" for n in range(48)])
    assert _report(divided.store.statistics.read(now, DAY), now) == _recount(_stored(divided.store, engine), now)
    assert divided.store.statistics.read(now, DAY).parts == 5
    for turn in range(3):
        now += HOUR
        with engine.begin() as connection:
            there = connection.execute(select(packages.c.id)).scalars().all()
            away = random.sample(list(there), 15) if turn else sorted(there)[:30]
            connection.execute(delete(packages).where(packages.c.id.in_(away)))
        slugs = [f"p{turn}-{n}" for n in range(35)]
        _fill(divided, random, slugs)
        _round(divided, engine, now)
        assert _report(divided.store.statistics.read(now, DAY), now) == _recount(_stored(divided.store, engine), now)


def test_partitions_stay_of_a_size(divided: Catalogue, engine: Engine) -> None:
    """A partition with many new packages is cut, one with few left is joined with its neighbour: sizes are bounded."""
    divided.add(*(f"p{n}" for n in range(95)))
    _round(divided, engine)
    with engine.begin() as connection:
        ids = connection.execute(select(packages.c.id).order_by(packages.c.id)).scalars().all()
        connection.execute(delete(packages).where(packages.c.id.in_(ids[2:60])))
    for later in range(1, 4):
        _round(divided, engine, NOW + later * HOUR)
    held = [sum(row.low <= i < row.high for i in (*ids[:2], *ids[60:])) for row in _partitions(engine)]
    assert sum(held) == 37
    assert all(SIZE // 2 <= count <= 2 * SIZE for count in held[:-1])


def test_a_tick_measures_the_oldest_slices(divided: Catalogue, engine: Engine) -> None:
    """A tick measures two partitions; the sum is as old as its oldest part, and ages grow in between."""
    divided.add(*(f"p{n}" for n in range(30)))
    _round(divided, engine)
    divided.store.statistics.measure(NOW + HOUR, DAY)
    figures = divided.store.statistics.read(NOW + HOUR, DAY)
    assert (figures.measured_at, figures.parts) == (NOW, 3)
    divided.store.statistics.measure(NOW + HOUR, DAY)
    assert divided.store.statistics.read(NOW + HOUR, DAY).measured_at == NOW + HOUR
    assert figures.source(Source.REPOSITORY).due_by(NOW + HOUR) == 30


def test_two_that_tick_at_once_do_no_harm(divided: Catalogue, engine: Engine) -> None:
    """Concurrent ticks, of a second beat or another reader, measure partitions twice and count them once."""
    divided.add(*(f"p{n}" for n in range(60)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: divided.store.statistics.read(NOW, DAY).packages, range(4)))
    assert found == [60] * 4
    _round(divided, engine, NOW + HOUR)
    assert divided.store.statistics.read(NOW + HOUR, DAY).packages == 60


def test_statistics_are_read_as_they_were_stored(divided: Catalogue, engine: Engine) -> None:
    """Statistics survive JSON unchanged: the sum of partitions equals one measurement of all packages."""
    _fill(divided, Random(7), [f"p{n}" for n in range(30)])  # noqa: S311  (no secret: the same each time)
    apart = divided.store.statistics.read(NOW, DAY)
    at_once = store_on(engine).statistics.read(NOW, DAY)
    assert replace(apart, parts=1, fetched=at_once.fetched) == replace(at_once, sources=dict(apart.sources))
    assert apart.fetched == at_once.fetched
    assert {name: one for name, one in apart.sources.items() if one.packages} == at_once.sources


# --- query plans -------------------------------------------------------------------------------------------------

_MANY = 20_000
_WALKS = re.compile(r"(Seq Scan on|SCAN) (packages|freshness|source_states)\b(?! USING)")


def _insert_many(connection: Connection, of_database: str) -> None:
    """Insert twenty thousand packages with three sources each, in SQL."""
    numbers = f"generate_series(1, {_MANY}) AS n(i)"
    if of_database == "sqlite":
        counting = f"SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {_MANY}"  # noqa: S608  (of our own making)
        numbers = f"(WITH RECURSIVE n AS ({counting}) SELECT i FROM n) AS n"  # noqa: S608  (of our own making)
    at = NOW.isoformat(sep=" ").removesuffix("+00:00") + ("+00" if of_database == "postgresql" else "")
    name = "'p' || n.i"
    statements = [
        f"INSERT INTO packages (id, slug, title, repo_host) SELECT n.i, {name}, {name}, 'h' FROM {numbers}",  # noqa: S608  (of our own making)
        f"INSERT INTO freshness (package_id, last_fetched) SELECT n.i, '{at}' FROM {numbers}",  # noqa: S608  (of our own making)
        *(
            "INSERT INTO source_states (package_id, source, upstream, answered_at, due_at, outcome) "  # noqa: S608  (of our own making)
            f"SELECT n.i, '{source}', 'github', '{at}', '{at}', CASE WHEN n.i % 50 = 0 THEN 'gone' ELSE 'fetched' END "
            f"FROM {numbers}"
            for source in REPOSITORY_SOURCES
        ),
        "ANALYZE",
    ]
    for statement in statements:
        connection.execute(text(statement))


@contextmanager
def _heard(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Collect every query that ``engine`` executes."""
    listed: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT") and "advisory" not in statement:
            listed.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    yield listed
    event.remove(engine, "before_cursor_execute", hear)


def _plan(connection: Connection, statement: str, parameters: Any) -> str:
    word = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    rows = connection.exec_driver_sql(f"{word} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)


def test_a_tick_reads_its_partition_and_no_more(engine: Engine, backend: str) -> None:
    """No query of a tick or of a read scans a table: all use an index, within bounds."""
    with engine.begin() as connection:
        _insert_many(connection, backend)
    store = store_on(engine, partition_size=1000)
    assert store.statistics.read(NOW, DAY).packages == _MANY
    with _heard(engine) as listed:
        store.statistics.measure(NOW + HOUR, DAY)
        store.statistics.read(NOW + HOUR, DAY)
    plans = []
    with engine.connect() as connection:
        plans = [_plan(connection, *query) for query in listed]
    assert len([plan for plan in plans if "source_states" in plan]) >= 4
    for plan in plans:
        for table in ("packages", "freshness", "source_states"):
            assert f"Seq Scan on {table}" not in plan
            assert not any(
                line.strip().startswith(f"SCAN {table}") and "INDEX" not in line for line in plan.split("\n")
            )
        if "source_states" in plan:
            assert "package_id >= " in plan or "package_id>?" in plan, plan


def test_leases_are_counted_while_they_last(catalogue: Catalogue) -> None:
    """An expired lease is not counted."""
    catalogue.add("a", "b")
    catalogue.claim(Source.REPOSITORY)
    assert catalogue.store.statistics.read(NOW, DAY).source(Source.REPOSITORY).leased == 2
    assert catalogue.store.statistics.read(NOW + LEASE, DAY).source(Source.REPOSITORY).leased == 0
