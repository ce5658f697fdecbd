"""A receiver of webhooks on loopback: it verifies each message by the reference library and returns given statuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

_POLL = 0.1
_ENDS_WITHIN = 30.0


class Receiver:
    """A web server that keeps each verified message. A message with a wrong signature gets status 401."""

    def __init__(self, secret: str = "") -> None:
        self.secret = secret
        self.answers: dict[str, tuple[int, Mapping[str, str]]] = {}
        """Status and headers by path; default: 204."""
        self.messages: list[dict[str, Any]] = []
        self.ids: list[str] = []
        """The ``webhook-id`` of every request, refused ones included."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,), daemon=True)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_ENDS_WITHIN)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.ids.append(headers.get("webhook-id", ""))
                status, more = receiver.answers.get(self.path, (204, {}))
                if receiver.secret:
                    try:
                        Webhook(receiver.secret).verify(body, headers)
                    except Exception:  # noqa: BLE001  (whatever the reference library raises)
                        status = 401
                if status < 300:
                    receiver.messages.append(json.loads(body))
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815  (the base class's name)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
                """Print nothing: the test asserts the messages."""

        return Handler
