"""Test stores on each supported database, migrated and empty, and builders of test values."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from fetcher.domain.model import (
    CatalogueEntry,
    Claim,
    Observed,
    OutcomeKind,
    ProjectVersions,
    Release,
    RepoRef,
    RepoStats,
    Source,
    SourceState,
    StoredPackage,
    Unsupported,
    Values,
)
from fetcher.store import SqlStore, open_engine, upgrade
from fetcher.upstreams.github.limits import GITHUB
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness import clock
from tests.harness.clock import DAY

NOW = clock.NOW + timedelta(microseconds=123_456)
"""With microseconds, which both databases must keep."""
LEASE = timedelta(minutes=5)
HOST = "github.com"


def read_repo(text: str | None) -> RepoRef | Unsupported | None:
    """Parse addresses as the tests write them; the real parser has tests of its own."""
    if not text:
        return None
    start = f"https://{HOST}/"
    if not text.startswith(start):
        return Unsupported(text, "not a supported host")
    return RepoRef(HOST, text.removeprefix(start))


def read_project(text: str | None) -> str | Unsupported | None:
    if not text:
        return None
    return Unsupported(text, "not a project") if " " in text else text.lower()


def serving(source: Source, host: str | None) -> str | None:
    """Return the upstream of a source, as the registry would."""
    return PYPI if source is Source.INDEX else GITHUB if host == HOST else None


def store_on(engine: Engine, **options: Any) -> SqlStore:
    return SqlStore(engine, read_repo=read_repo, read_project=read_project, serving=serving, **options)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a migrated file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Provide a migrated database of each kind."""
    if backend == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    path = tmp_path / "store.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Provide a database of each kind, without tables."""
    if backend == "postgresql":
        return str(request.getfixturevalue("empty_postgres_url"))
    return f"sqlite:///{tmp_path / 'folder' / 'empty.db'}"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url, pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> SqlStore:
    return store_on(engine)


@pytest.fixture
def catalogue(store: SqlStore) -> Catalogue:
    return Catalogue(store)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A store with the operations that tests repeat."""

    store: SqlStore

    def add(self, *slugs: str, project: bool = False, now: datetime = NOW, **fields: Any) -> list[int]:
        """Import packages of a repository each, and return their ids."""
        entries = [entry(slug, **{"pypi_url": slug if project else None, **fields}) for slug in slugs]
        assert not self.store.packages.import_entries(entries, now).rejected
        known = self.store.packages.ids(slugs)
        return [known[slug] for slug in slugs]

    def claim(self, *sources: Source, limit: int = 100, now: datetime = NOW) -> Claim:
        upstream = PYPI if sources == (Source.INDEX,) else GITHUB
        claim = self.store.claims.claim(upstream, sources, limit, now, LEASE)
        assert claim is not None
        return claim

    def get(self, slug: str) -> StoredPackage:
        found = self.store.packages.get(slug)
        assert found is not None
        return found

    def state(self, slug: str, source: Source) -> SourceState:
        return self.get(slug).states[source]

    def answer(self, package_id: int, source: Source, values: Values | None = None, **fields: Any) -> Observed:
        """Record a response and return the record. ``lease``: the caller's lease, by default none."""
        record = answered(package_id, source, values, **fields)
        self.store.claims.record([record])
        return record


def entry(slug: str, **fields: Any) -> CatalogueEntry:
    return CatalogueEntry(slug, **{"title": slug.title(), "repo_url": f"https://{HOST}/owner/{slug}", **fields})


def answered(package_id: int, source: Source, values: Values | None = None, **fields: Any) -> Observed:
    settings: dict[str, Any] = {
        "lease": None,
        "observed_at": NOW,
        "due_at": NOW + DAY,
        "outcome": OutcomeKind.FETCHED,
        "answered": True,
        **fields,
    }
    settings["outcome"] = OutcomeKind(settings["outcome"])
    return Observed(package_id=package_id, source=source, values=values, **settings)


def failed(package_id: int, source: Source, outcome: str = "transient", **fields: Any) -> Observed:
    settings = {"outcome": outcome, "answered": False, "failures": 1, "first_failed_at": NOW, "message": "why"}
    return answered(package_id, source, **{**settings, **fields})


def stats(**fields: Any) -> RepoStats:
    return RepoStats(
        **{
            "handle": "R_1",
            "repository_id": "1",
            "full_name": "owner/a",
            "stars": 10,
            "forks": 2,
            "watchers": 3,
            "description": "",
            "archived": False,
            "disabled": False,
            "empty": False,
            "default_branch": "main",
            "head_oid": "abc",
            "head_committed_at": NOW - DAY,
            "pushed_at": NOW - DAY,
            **fields,
        }
    )


def release(number: str, **fields: Any) -> Release:
    settings = {"uploaded_at": NOW - DAY, "yanked": False, "yanked_reason": None, "requires_python": None}
    return Release(**{"number": number, **settings, "prerelease": False, "files": 2, **fields})


def versions(*numbers: str, **fields: Any) -> ProjectVersions:
    latest = numbers[-1] if numbers else None
    settings = {"name": "a", "latest": latest, "serial": 7, "info": None, "status": None}
    return ProjectVersions(releases=tuple(release(number) for number in numbers), **{**settings, **fields})


def waits_for_a_lock(engine: Engine) -> bool:
    """Return whether a transaction of this PostgreSQL database waits for a lock."""
    with engine.connect() as connection:
        own = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        waiting = text(own + " AND wait_event_type = 'Lock'")
        return bool(connection.execute(waiting).scalar())
