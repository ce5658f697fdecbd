"""Migrations with rows: nothing stored is lost on the way to this version and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from fetcher.domain.model import Source
from fetcher.domain.views import RequestState
from fetcher.store import is_current, open_engine, upgrade
from fetcher.store.engine import WRITING
from tests.harness.stores import store_on

BEFORE = "0002"
"""The revision in which sources were named after GitHub and the index."""

MOMENT = "2026-03-18 12:00:00.000000"
FAILURES = [["github", "gone", 'its name is "github", quoted'], ["pypi", "transient", "late"]]
ROWS = f"""
INSERT INTO packages (id, slug, title, repo_url, repo_host, repo_owner, repo_name, repo_key, project)
    VALUES (1, 'a', 'A', 'https://github.com/o/A', 'github.com', 'o', 'A', 'github.com/o/a', 'a');
INSERT INTO observations
    (package_id, node_id, database_id, full_name, stars, forks, description, archived, disabled, empty)
    VALUES (1, 'R_1', 4294967297, 'o/A', 5, 6, '', false, false, false);
INSERT INTO freshness (package_id, last_fetched) VALUES (1, '{MOMENT}');
INSERT INTO source_states (package_id, source, answered_at, observed_at, whole_at, outcome, due_at)
    VALUES (1, 'github', '{MOMENT}', '{MOMENT}', '{MOMENT}', 'fetched', '{MOMENT}');
INSERT INTO source_states (package_id, source, due_at) VALUES (1, 'pypi', '{MOMENT}');
INSERT INTO source_states (package_id, source) VALUES (1, 'contributors');
INSERT INTO source_states (package_id, source) VALUES (1, 'commits');
INSERT INTO events (package_id, at, source, outcome) VALUES (1, '{MOMENT}', 'github', 'fetched');
INSERT INTO markers (name, observed_at, message) VALUES ('plan', '{MOMENT}', 'kept');
INSERT INTO figures (low, high, measured_at, figures) VALUES (0, 0, '{MOMENT}', '{{}}')
"""  # noqa: S608  (constants)


def migrate(engine: Engine, change: Callable[[Config, str], None], revision: str) -> None:
    with engine.execution_options(**{WRITING: True}).begin() as connection:
        config = Config()
        config.set_main_option("script_location", "fetcher.store:migrations")
        config.attributes["connection"] = connection
        change(config, revision)


@pytest.fixture
def earlier(empty_url: str) -> Iterator[Engine]:
    """Provide a database of the earlier revision with a row in every table that changes."""
    engine = open_engine(empty_url)
    migrate(engine, command.upgrade, BEFORE)
    with engine.begin() as connection:
        for statement in ROWS.split(";"):
            connection.execute(text(statement))
        connection.execute(
            text(
                "INSERT INTO refresh_requests (id, package_id, state, asked_at, sent_at, failures)"
                " VALUES ('r', 1, 'failed', :at, :at, :failures)"
            ),
            {"at": MOMENT, "failures": json.dumps(FAILURES)},
        )
    yield engine
    engine.dispose()


def rows(engine: Engine, table: str, *columns: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        statement = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608  (constants)
        return sorted((tuple(row) for row in connection.execute(text(statement))), key=repr)


def test_rows_of_the_earlier_version(earlier: Engine) -> None:
    """Sources have their upstream and generic names, a repository its path and opaque id; the rest stays."""
    upgrade(earlier)
    assert is_current(earlier)
    store = store_on(earlier)
    package = store.packages.get("a")
    assert package is not None
    assert {state.source: state.upstream for state in package.states.values()} == {
        Source.REPOSITORY: "github",
        Source.CONTRIBUTORS: "github",
        Source.COMMITS: "github",
        Source.INDEX: "pypi",
    }
    assert package.states[Source.REPOSITORY].full_fetch_at is not None
    assert package.stats is not None
    assert (package.stats.handle, package.stats.repository_id, package.stats.stars) == ("R_1", "4294967297", 5)
    target = store.claims.target(1)
    assert target is not None
    assert target.repo is not None
    assert target.repo.path == "o/A"
    assert [event.source for event in store.events.of_package(1, 5)] == [Source.REPOSITORY]
    assert store.checkpoints.get("plan").message == "kept"
    request = store.requests.get("r")
    assert request is not None
    assert request.state is RequestState.FAILED
    assert [(one.source, one.message) for one in request.failures] == [
        (Source.REPOSITORY, 'its name is "github", quoted'),
        (Source.INDEX, "late"),
    ]


def test_projects_are_requested_in_full_once_licences_are_stored(earlier: Engine) -> None:
    """The validators of projects are cleared, so that the next response has the licences; repositories keep theirs."""
    migrate(earlier, command.upgrade, "0006")
    with earlier.begin() as connection:
        connection.execute(text("UPDATE source_states SET etag = 'v', last_modified = 'm'"))
    upgrade(earlier)
    found = rows(earlier, "source_states", "source", "etag", "last_modified")
    assert ("index", None, None) in found
    assert ("repository", "v", "m") in found


def test_a_downgrade_restores_the_earlier_rows(earlier: Engine) -> None:
    """Down again, every changed table has the rows from before, except the statistics, which are measured again."""
    tables = {
        "packages": ("id", "slug", "repo_host", "repo_owner", "repo_name", "repo_key"),
        "observations": ("package_id", "node_id", "database_id", "full_name", "stars"),
        "source_states": ("package_id", "source", "answered_at", "whole_at", "due_at"),
        "events": ("package_id", "at", "source"),
        "markers": ("name", "observed_at", "message"),
        "refresh_requests": ("id", "asked_at", "state"),
    }
    before = {table: rows(earlier, table, *columns) for table, columns in tables.items()}
    upgrade(earlier)
    migrate(earlier, command.downgrade, BEFORE)
    assert {table: rows(earlier, table, *columns) for table, columns in tables.items()} == before
    ((_, failures),) = rows(earlier, "refresh_requests", "id", "failures")
    assert (json.loads(failures) if isinstance(failures, str) else failures) == FAILURES
    upgrade(earlier)
    assert is_current(earlier)
