"""Real git repositories, served over HTTP on loopback by git's own CGI program."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_POLL = 0.1
_ENDS_WITHIN = 30.0

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


@dataclass
class GitServer:
    """A server of all repositories below ``root``, by ``git http-backend``."""

    root: Path
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Method, path with query, and body of each request."""
    sent: int = 0
    """Bytes of all response bodies."""
    user_agents: set[str] = field(default_factory=set)
    broken: Callable[[bytes], bool] = lambda body: False
    """Selects the requests, by their bodies, that get status 502."""

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> GitServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_ENDS_WITHIN)

    def _run(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the CGI program's complete output."""
        parts = urlsplit(target)
        env = {
            **_CLEAN,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": method,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_GIT_PROTOCOL": headers.get("git-protocol", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        return subprocess.run([str(backend())], env=env, input=body, capture_output=True, check=False).stdout

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.respond(b"")

            def do_POST(self) -> None:
                self.respond(self.rfile.read(int(self.headers.get("content-length", "0"))))

            def respond(self, body: bytes) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append((self.command, self.path, body))
                server.user_agents.add(headers.get("user-agent", ""))
                if server.broken(body):
                    self.send_error(502)
                    return
                head, _, content = server._run(self.command, self.path, headers, body).partition(b"\r\n\r\n")
                lines = [line.partition(":") for line in head.decode().split("\r\n") if line]
                given = {name.strip().lower(): value.strip() for name, _, value in lines}
                self.send_response(int(given.pop("status", "200 OK").split()[0]))
                for name, value in given.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                server.sent += len(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
                """Print nothing: the test asserts the requests."""

        return Handler
