"""A small web server on loopback that returns given responses."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_POLL = 0.1
_ENDS_WITHIN = 30.0


class Pages:
    """A server that returns the given responses, and records every request."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Mapping[str, str], bytes]] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def give(self, path: str, value: Any, **headers: str) -> str:
        """Serve ``value`` at ``path`` (bytes unchanged, other values as JSON) and return its address."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.answers[path] = (200, {"Content-Type": "application/json", **headers}, body)
        return self.url + path

    def __enter__(self) -> Pages:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_ENDS_WITHIN)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pages.requests.append((self.path, dict(self.headers)))
                status, headers, body = pages.answers.get(self.path, (404, {}, b"not here"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815  (the base class's name)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
                """Print nothing: the test asserts the requests."""

        return Handler
