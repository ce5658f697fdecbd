"""A large catalogue on PostgreSQL: no periodic task and no page scans a large table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from fetcher.domain.model import DETAIL_SOURCES, REPOSITORY_SOURCES, Purpose, Record, ReportedQuota, Source
from fetcher.domain.scheduling import Cadence
from fetcher.domain.views import Column, Listing
from fetcher.quota import QuotaRequest, Reservation, Usage
from fetcher.quota.memory import MemoryQuota
from fetcher.refresh.dispatch import Dispatcher
from fetcher.store import SqlStore, open_engine
from fetcher.upstreams.github.lanes import GRAPHQL_LANE
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.clock import DAY, HOUR, StoppedClock
from tests.harness.policies import POLICIES
from tests.harness.postgres import PostgresServer
from tests.harness.stores import LEASE, NOW, Catalogue, answered, stats, store_on

LARGE = {"packages", "observations", "freshness", "source_states", "releases", "history", "events"}
WEEK = 7 * DAY


FILL = """
CREATE TEMP TABLE numbers AS SELECT n, timestamptz '2026-03-18 11:50+00' + (n * 7919 % 86400) * interval '1 s' AS slot
    FROM generate_series(1, 20000) AS n;
INSERT INTO packages (id, slug, title, repo_url, repo_host, repo_path, repo_key, project)
    SELECT n, 'p' || n, 'P' || n, 'https://github.com/o/p' || n, 'github.com', 'o/p' || n, 'github.com/o/p' || n,
    'p' || n FROM numbers;
INSERT INTO observations (package_id, handle, full_name, stars, description, head_oid)
    SELECT n, 'R_' || n, 'o/p' || n, n % 500, repeat('word ', 20), md5(n::text) FROM numbers;
INSERT INTO freshness (package_id, last_fetched) SELECT n, slot - interval '1 day' FROM numbers;
INSERT INTO source_states
    (package_id, source, upstream, answered_at, observed_at, revision, full_fetch_at, outcome, due_at)
    SELECT n, s, CASE s WHEN 'index' THEN 'pypi' ELSE 'github' END,
    slot - interval '1 day', slot - interval '1 day', n % 9, timestamptz '2026-03-18 12:00+00', 'fetched',
    slot + CASE WHEN s IN ('repository', 'index') THEN interval '0' ELSE (n % 30) * interval '1 day' END
    FROM numbers, unnest(ARRAY['repository', 'contributors', 'commits', 'index']) AS s;
INSERT INTO history (package_id, day, stars)
    SELECT n, date '2026-02-18' + d, n FROM numbers, generate_series(0, 2) AS d;
INSERT INTO events (package_id, at, source, outcome)
    SELECT n, slot - d * interval '1 day', 'repository', 'fetched' FROM numbers, generate_series(1, 3) AS d;
INSERT INTO releases
    SELECT n, d::text, d, NULL, false, NULL, NULL, false, 1 FROM numbers, generate_series(1, 3) AS d;
DROP TABLE numbers;
"""


@pytest.fixture(scope="module")
def large(postgres_server: PostgresServer) -> Iterator[Engine]:
    """Provide an analyzed catalogue after its first pass, with each package due at its own second of the day."""
    url = postgres_server.create("fetcher_template")
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.connection.cursor().execute(FILL)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    yield engine
    engine.dispose()
    postgres_server.drop(url)


PERIODIC: dict[str, Callable[[SqlStore], object]] = {
    "plan: statistics": lambda store: store.claims.claim(GITHUB, [Source.REPOSITORY], 100, NOW, LEASE, DAY / 8),
    "plan: details": lambda store: store.claims.claim(GITHUB, DETAIL_SOURCES, 50, NOW, LEASE),
    "plan: projects": lambda store: store.claims.claim(PYPI, [Source.INDEX], 50, NOW, LEASE),
    "plan: what is leased": lambda store: store.claims.leased(GITHUB, REPOSITORY_SOURCES, NOW),
    "expire: leases": lambda store: store.claims.expire(NOW + WEEK),
    "expire: times of a wrong clock": lambda store: store.claims.bring_back(
        [GITHUB, PYPI], NOW - 7 * WEEK, Cadence(), LEASE
    ),
    "expire: requests": lambda store: store.requests.lost(NOW),
    "prune: history": lambda store: store.history.prune(NOW),
    "prune: timeline": lambda store: store.events.prune(NOW, 50),
    "prune: requests": lambda store: store.requests.prune(NOW),
    "serials: which are followed": lambda store: store.index_serials.projects(),
    "serials: heard": lambda store: store.index_serials.confirm([(f"p{n}", n % 9) for n in range(1, 500)], NOW, WEEK),
    "serials: none has moved": lambda store: store.index_serials.confirm_all(NOW + DAY, WEEK),
    "serials: no word of the root": lambda store: store.claims.make_due(
        PYPI, Source.INDEX, answered_before=NOW - 20 * HOUR, now=NOW - HOUR
    ),
}


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce chunk sizes in proportion to this catalogue, as a thousand is to a million packages."""
    monkeypatch.setattr("fetcher.store.statistics.id_ranges.next_range.__defaults__", (1000,))
    monkeypatch.setattr("fetcher.store.index_serials.CHUNK", 50)
    monkeypatch.setattr("fetcher.store.claims.AT_ONCE", 50)


@pytest.mark.parametrize("task", PERIODIC)
def test_no_periodic_task_reads_a_table_from_end_to_end(large: Engine, task: str) -> None:
    """PostgreSQL finds the rows of every periodic statement by an index."""
    assert _scanned(large, PERIODIC[task]) == {}


def test_a_batch_is_read_and_written_by_index(large: Engine) -> None:
    """Loading and recording a claim scan no large table."""
    store = store_on(large)
    for upstream, sources in ((GITHUB, [Source.REPOSITORY]), (PYPI, [Source.INDEX])):
        claim = store.claims.claim(upstream, sources, 100, NOW + 52 * WEEK, LEASE)
        assert claim is not None
        assert _scanned(large, lambda store: store.claims.load(claim, details=True)) == {}  # noqa: B023  (called at once)
        records = [
            answered(i, s, stats(handle=f"R_{i}") if s is Source.REPOSITORY and not i % 10 else None, lease=claim.lease)
            for i in claim.package_ids
            for s in sources
        ]
        assert _scanned(large, lambda store: store.claims.record(records)) == {}  # noqa: B023  (called at once)


@pytest.mark.parametrize("column", [Column.SLUG, Column.ID])
@pytest.mark.parametrize("offset", [0, 10_000, 19_980])
def test_leafing_through_the_catalogue_sorts_nothing(large: Engine, column: Column, offset: int) -> None:
    """First, middle and last pages, in both directions, are an index scan and the lines of the page alone."""
    for wanted in (Listing(sort=column, offset=offset), Listing(sort=column, offset=offset, descending=True)):
        assert _scanned(large, lambda store: store.packages.listing(wanted, NOW - DAY)) == {}  # noqa: B023  (called at once)


def test_one_package_is_found_by_index(large: Engine) -> None:
    """A package's page, with timeline, history and the date of its response, scans no large table."""
    for question in (
        lambda store: store.packages.get("p77"),
        lambda store: store.history.of_package("p77"),
        lambda store: store.events.of_package(77, 20),
        lambda store: store.requests.latest(77),
        lambda store: store.packages.documents([1, 2, 3]),
        lambda store: store.packages.touched_at([1, 2, 3]),
        lambda store: store.events.counts(NOW - HOUR, timedelta(minutes=5), 12),
    ):
        assert _scanned(large, question) == {}


async def test_the_queue_is_bounded_by_the_quota(large: Engine) -> None:
    """Of 20,000 due packages, only as many are claimed as responses of two seconds allow within three minutes.

    A claimed batch is a message in Redis: planning again adds none until some of them are recorded.
    """
    quota, store = MemoryQuota(POLICIES), store_on(large)
    now, plan_for = NOW + 100 * WEEK, timedelta(minutes=3)
    request = QuotaRequest("me", GITHUB, Resource.GRAPHQL, Purpose.BACKGROUND, seconds=2)
    for spent in range(25):
        reservation = await quota.reserve(request, now)
        assert isinstance(reservation, Reservation)
        now += timedelta(seconds=2)
        left = ReportedQuota(str(Resource.GRAPHQL), 5000, 5000 - spent, now + HOUR)
        await quota.settle(reservation, Usage(1, 2.0, quota=left), now)
    clock = StoppedClock(now)
    planner = Dispatcher(store.claims, quota, clock, {GITHUB: "me"}, [GRAPHQL_LANE], 2 * DAY, plan_for)
    assert len(store.claims.due_ids([Source.REPOSITORY], now)) == 20_000
    served = await quota.capacity(request, plan_for, now) * GRAPHQL_LANE.packages_per_request
    claims = await planner.claims()
    assert 0 < sum(len(claim.package_ids) for claim in claims) <= served
    assert served < 20_000 / 2
    assert len(claims) <= math.ceil(served / GRAPHQL_LANE.batch)
    assert await planner.claims() == []


def test_a_batch_takes_few_round_trips(postgres_url: str) -> None:
    """A hundred unchanged packages take six statements, and a hundred changed ones few more."""
    engine = open_engine(postgres_url)
    catalogue = Catalogue(store_on(engine))
    ids = catalogue.add(*(f"p{n}" for n in range(100)), pypi_url=None)

    def statements(at: int, star: int) -> int:
        records = [record for i in ids for record in _pass(i, at, star)]
        return len(_statements(engine, lambda: catalogue.store.claims.record(records)))

    assert statements(0, 0) <= 20
    assert statements(1, 0) <= 6
    assert statements(2, 7) <= 12
    engine.dispose()


def test_unchanged_columns_are_updated_in_place(postgres_url: str) -> None:
    """Without changes only narrow rows are updated, and only the fetched source's index entry moves.

    Contributors and commits are confirmed and ``last_fetched`` advances without an index entry. The repository's row is
    due at another time: its entry in the due index moves once per pass.
    """
    engine = open_engine(postgres_url)
    catalogue = Catalogue(store_on(engine))
    ids = catalogue.add(*(f"p{n}" for n in range(200)), pypi_url=None)
    before: dict[str, int] = {}
    for day in range(5):
        catalogue.store.claims.record([record for i in ids for record in _pass(i, day, 0)])
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM source_states, freshness"))
        if day == 1:
            before = _written(engine)
    written = {name: count - before.get(name, 0) for name, count in _written(engine).items() if count > before[name]}
    assert set(written) <= {"source_states", "source_states in place", "freshness", "freshness in place"}
    assert written["source_states"] == 3 * 3 * 200
    assert written["source_states in place"] >= 0.9 * 2 * 3 * 200
    assert written["freshness in place"] >= 0.9 * written["freshness"]
    engine.dispose()


def _pass(package_id: int, day: int, star: int) -> list[Record]:
    """Return the records of a pass over one package, ``day`` days later."""
    at = NOW + day * DAY
    return [
        answered(
            package_id,
            source,
            stats(handle=f"R_{package_id}", stars=star) if source is Source.REPOSITORY else None,
            observed_at=at,
            due_at=at + DAY if source is Source.REPOSITORY else NOW + 30 * DAY,
            revision="abc",
        )
        for source in REPOSITORY_SOURCES
    ]


def _scanned(engine: Engine, question: Callable[[SqlStore], object]) -> dict[str, str]:
    """Return the large tables that a statement of ``question`` scans, with the statement."""
    found = {}
    for statement, parameters in _statements(engine, lambda: question(store_on(engine))):
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
            connection.rollback()
        tables = {node["Relation Name"] for node in _nodes(plan[0]["Plan"]) if node["Node Type"] == "Seq Scan"}
        found |= dict.fromkeys(tables & LARGE, statement)
    return found


def _statements(engine: Engine, call: Callable[[], object]) -> list[tuple[str, Any]]:
    """Return the statements that ``call`` executes, with parameters (of many sets, the first)."""
    statements: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def keep(_on: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        statements.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    try:
        call()
    finally:
        event.remove(engine, "before_cursor_execute", keep)
    assert statements
    return statements


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _written(engine: Engine) -> dict[str, int]:
    """Return the number of rows written to each table so far, and how many of them in place (HOT)."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        rows = connection.execute(
            text("SELECT relname, n_tup_ins + n_tup_upd + n_tup_del, n_tup_hot_upd FROM pg_stat_user_tables")
        ).all()
    return {name: count for name, all_, hot in rows for name, count in ((name, all_), (f"{name} in place", hot))}
