"""Real git repositories, served over HTTP on loopback by git's own CGI program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from tests.harness.loopback import LoopbackServer, Received, Reply

# Neither the user's nor the system's configuration of git applies to the tests.
_CLEAN = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ.get("PATH", os.defpath)}


@cache
def backend() -> Path:
    """Return the path of ``git http-backend``."""
    found = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True)
    return Path(found.stdout.strip()) / "git-http-backend"


@dataclass
class Repository:
    """A bare repository on disk, written by ``git fast-import``."""

    path: Path

    @classmethod
    def create(cls, path: Path, *, object_format: str = "sha1", branch: str = "main") -> Repository:
        """Create an empty repository that serves filters."""
        init = ["init", "-q", "--bare", f"--object-format={object_format}", f"--initial-branch={branch}", str(path)]
        subprocess.run(["git", *init], check=True, env=_CLEAN)
        made = cls(path)
        made.git("config", "uploadpack.allowFilter", "true")
        made.git("config", "http.uploadpack", "true")
        return made

    def git(self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run git in the repository and return its output."""
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            check=True,
            capture_output=True,
            input=stdin,
            env={**_CLEAN, **(env or {})},
        )
        return done.stdout.decode("utf-8", "replace")

    def fast_import(self, stream: bytes) -> None:
        """Add the commits of a ``fast-import`` stream; ``--force`` permits forced pushes."""
        self.git("fast-import", "--quiet", "--force", stdin=stream)

    @property
    def head(self) -> str:
        """The oid at the tip of the default branch."""
        return self.git("rev-parse", "HEAD").strip()


class GitServer(LoopbackServer):
    """A server of all repositories below ``root``, by ``git http-backend``."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.requests: list[tuple[str, str, bytes]] = []
        """Method, path with query, and body of each request."""
        self.sent = 0
        """Bytes of all response bodies."""
        self.user_agents: set[str] = set()
        self.broken: Callable[[bytes], bool] = lambda body: False
        """Selects the requests, by their bodies, that get status 502."""

    def reply(self, request: Received) -> Reply:
        self.requests.append((request.method, request.path, request.body))
        self.user_agents.add(request.headers.get("user-agent", ""))
        if self.broken(request.body):
            return Reply(502)
        head, _, content = self._run(request).partition(b"\r\n\r\n")
        lines = [line.partition(":") for line in head.decode().split("\r\n") if line]
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        status = int(headers.pop("status", "200 OK").split()[0])
        self.sent += len(content)
        return Reply(status, headers, content)

    def _run(self, request: Received) -> bytes:
        """Return the CGI program's complete output."""
        parts, headers, body = urlsplit(request.path), request.headers, request.body
        env = {
            **_CLEAN,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_GIT_PROTOCOL": headers.get("git-protocol", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        return subprocess.run([str(backend())], env=env, input=body, capture_output=True, check=False).stdout
