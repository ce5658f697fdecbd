"""The schema: migrations match the declared tables, indexes support planning, database errors have clear messages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, inspect, text

from fetcher.domain.errors import StoreError
from fetcher.domain.model import REPOSITORY_SOURCES, Source
from fetcher.store import current_revision, downgrade, is_current, open_engine, require_current, upgrade
from fetcher.store.migrations import HEAD
from fetcher.store.schema import Base
from fetcher.upstreams.github.limits import GITHUB
from tests.harness.postgres import PostgresServer
from tests.harness.stores import LEASE, NOW, Catalogue, answered, stats, store_on


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Engine]:
    engine = open_engine(postgres_url)
    yield engine
    engine.dispose()


def test_migrated_is_declared(engine: Engine) -> None:
    """Alembic finds no difference between the migrated database and the tables in the code."""
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_upgrade_from_empty_and_again(empty_url: str) -> None:
    """An empty database is migrated to this version, and its folder created; a second time nothing happens."""
    engine = open_engine(empty_url)
    assert (current_revision(engine), is_current(engine)) == (None, False)
    upgrade(engine)
    assert is_current(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO checkpoints (name) VALUES ('kept')"))
    upgrade(engine)
    assert is_current(engine)
    assert store_on(engine).checkpoints.get("kept").name == "kept"
    engine.dispose()


def test_a_database_of_a_newer_version(engine: Engine) -> None:
    """A database with an unknown revision is not touched. Both revisions and the remedy are named."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not is_current(engine)
    for attempt in (upgrade, partial(downgrade, revision="0003")):
        with pytest.raises(StoreError, match=f"is at revision 9999, and this version knows {HEAD} at most") as refused:
            attempt(engine)
        assert refused.value.remedy.startswith("Install the newer version")
    assert current_revision(engine) == "9999"


def test_a_database_of_an_older_version(engine: Engine) -> None:
    """Both revisions and the command that migrates it are named."""
    older = f"{int(HEAD) - 1:04}"
    downgrade(engine, older)
    with pytest.raises(StoreError, match=f"is at revision {older}, and this version needs {HEAD}") as refused:
        require_current(engine)
    assert refused.value.remedy == "Run `fetcher db upgrade`"


def test_a_misspelt_file_is_not_created(tmp_path: Path) -> None:
    """A read of a missing file of SQLite's reports that it has no tables, and makes neither file nor folder."""
    engine = open_engine(f"sqlite:///{tmp_path}/misspelt/fetcher.db")
    with pytest.raises(StoreError, match="has no tables") as refused:
        require_current(engine)
    assert refused.value.remedy == "Check FETCHER_DATABASE_URL, or run `fetcher db upgrade`"
    assert list(tmp_path.iterdir()) == []


def test_upgrades_at_the_same_time(empty_url: str) -> None:
    """Four processes that start together migrate once, and none fails."""

    def start(_: int) -> None:
        engine = open_engine(empty_url)
        upgrade(engine)
        engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    engine = open_engine(empty_url)
    assert is_current(engine)
    engine.dispose()


def test_the_wide_table_has_no_index_but_its_key(engine: Engine) -> None:
    """Writing an observation updates no index."""
    assert inspect(engine).get_indexes("observations") == []
    assert inspect(engine).get_indexes("freshness") == []


def test_claiming_reads_no_more_than_it_takes(postgres: Engine) -> None:
    """On PostgreSQL a claim among 20,000 due packages is a bounded index scan without a sort."""
    with postgres.begin() as connection:
        _fill(connection, 20_000)
    with postgres.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    plan = _explain(postgres, lambda: store_on(postgres).claims.claim(GITHUB, REPOSITORY_SOURCES, 100, NOW, LEASE))
    nodes = list(_nodes(plan))
    scans = [node for node in nodes if node["Node Type"].endswith("Scan") and "Relation Name" in node]
    assert {scan["Node Type"] for scan in scans} == {"Index Scan"}
    assert "ix_source_states_due" in {scan["Index Name"] for scan in scans}
    assert max(scan["Actual Rows"] * scan["Actual Loops"] for scan in scans) <= 400
    assert max((node["Actual Rows"] for node in nodes if node["Node Type"] == "Sort"), default=0) <= 400


def test_counting_leases_reads_the_index_alone(postgres: Engine) -> None:
    """On PostgreSQL the number of leased packages comes from the partial index, not from the table."""
    with postgres.begin() as connection:
        _fill(connection, 20_000)
    store_on(postgres).claims.claim(GITHUB, [Source.REPOSITORY], 200, NOW, LEASE)
    with postgres.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    plan = _explain(postgres, lambda: store_on(postgres).claims.leased(GITHUB, [Source.REPOSITORY], NOW))
    scans = {(node["Node Type"], node["Index Name"]) for node in _nodes(plan) if "Index Name" in node}
    assert scans == {("Index Only Scan", "ix_source_states_leased")}


def test_freshness_is_a_heap_only_update(postgres: Engine) -> None:
    """On PostgreSQL moving ``last_fetched`` touches no index, except when a page is full."""
    catalogue = Catalogue(store_on(postgres))
    ids = catalogue.add(*(f"p{n}" for n in range(50)), pypi_url=None)
    for hour in range(3):
        at = NOW + timedelta(hours=hour)
        records = [
            answered(i, s, stats() if s is Source.REPOSITORY else None, observed_at=at)
            for i in ids
            for s in REPOSITORY_SOURCES
        ]
        catalogue.store.claims.record(records)
    with postgres.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        updated, hot = connection.execute(
            text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'freshness'")
        ).one()
    assert updated >= 150
    assert hot > 0.9 * updated


def test_a_cut_connection_is_taken_up_again(postgres: Engine, postgres_url: str) -> None:
    """After a backend dies at commit the transaction is run again, with the effect of one run."""
    pauses: list[float] = []
    catalogue = Catalogue(store_on(postgres, pause=pauses.append))
    (a,) = catalogue.add("a")
    cuts = iter([True])

    @event.listens_for(postgres, "commit")
    def cut(connection: Connection) -> None:
        if next(cuts, False):
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            other = open_engine(postgres_url)
            with other.begin() as killer:
                killer.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
            other.dispose()
            connection.exec_driver_sql("SELECT 1")

    catalogue.answer(a, Source.REPOSITORY, stats())
    assert catalogue.get("a").stats == stats()
    assert len(pauses) == 1


def test_a_server_that_is_not_there(postgres_server: PostgresServer) -> None:
    """An unknown database or an unreachable server is one line with a remedy, without the password."""
    unknown = store_on(open_engine(postgres_server.url("nobody_made_this")))
    with pytest.raises(StoreError, match=r"does not exist on its server"):
        unknown.claims.due_ids(None, None)
    silent = store_on(open_engine("postgresql://me:s3cret@/x?host=/nonexistent/folder"))
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        silent.claims.due_ids(None, None)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_locked_file(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite file locked by another process is reported in one line after the wait, and works once it is free."""
    monkeypatch.setattr("fetcher.store.engine.BUSY_SECONDS", 0.05)
    path = tmp_path / "a.db"
    shutil.copy(sqlite_template, path)
    holder, engine = (open_engine(f"sqlite:///{path}") for _ in range(2))
    store = store_on(engine)
    with holder.connect() as connection:
        connection.exec_driver_sql("INSERT INTO checkpoints (name) VALUES ('x')")
        with pytest.raises(StoreError, match="locked by another process"):
            store.claims.expire(NOW)
        connection.rollback()
    assert store.claims.expire(NOW) == 0
    holder.dispose()
    engine.dispose()


def test_a_full_disk(tmp_path: Path, sqlite_template: Path) -> None:
    """A SQLite file that cannot grow is reported, and data stored before is still there."""
    path = tmp_path / "a.db"
    shutil.copy(sqlite_template, path)
    engine = open_engine(f"sqlite:///{path}")
    catalogue = Catalogue(store_on(engine))
    catalogue.add("a")

    @event.listens_for(engine, "begin")
    def limit(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StoreError, match="has no room left"):
        catalogue.add(*(f"package-{n}" for n in range(2_000)))
    assert catalogue.get("a").entry.slug == "a"
    assert catalogue.store.packages.get("package-1") is None
    engine.dispose()


def test_a_folder_that_is_no_folder(tmp_path: Path) -> None:
    """A path below a file and a file that is not a database are reported in one line each."""
    (tmp_path / "file").write_text("no database, and long enough to be read as a header" * 50)
    with pytest.raises(StoreError, match="folder of the database"):
        open_engine(f"sqlite:///{tmp_path}/file/x.db").connect()
    with pytest.raises(StoreError, match="is damaged"):
        store_on(open_engine(f"sqlite:///{tmp_path}/file")).claims.due_ids(None, None)


def _fill(connection: Connection, packages: int) -> None:
    """Insert packages with all repository sources due, one a second, in SQL."""
    numbers = f"generate_series(1, {packages}) AS n"
    connection.exec_driver_sql(f"INSERT INTO packages (id, slug, title) SELECT n, 'p' || n, '' FROM {numbers}")  # noqa: S608  (of our own making)
    for source in REPOSITORY_SOURCES:
        connection.exec_driver_sql(
            "INSERT INTO source_states (package_id, source, upstream, due_at)"  # noqa: S608  (of our own making)
            f" SELECT n, '{source.value}', 'github', timestamptz '2025-01-01' + n * interval '1 second' FROM {numbers}"
        )


def _explain(engine: Engine, call: Callable[[], object]) -> dict[str, Any]:
    """Return the executed plan of the one statement that ``call`` runs."""
    statements: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def keep(_conn: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        statements.append((statement, parameters))

    call()
    event.remove(engine, "before_cursor_execute", keep)
    statement, parameters = statements[-1]
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
        connection.rollback()
    root: dict[str, Any] = plan[0]["Plan"]
    return root


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def test_the_head_that_is_looked_for_is_the_newest_migration() -> None:
    """The constant compared by every command, to avoid importing Alembic, is the newest migration."""
    config = Config()
    config.set_main_option("script_location", "fetcher.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
