"""A small web server on loopback that returns given responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.harness.loopback import LoopbackServer, Received, Reply


class Pages(LoopbackServer):
    """A server that returns the given responses, and records every request."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, tuple[int, Mapping[str, str], bytes]] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []

    def give(self, path: str, value: Any, **headers: str) -> str:
        """Serve ``value`` at ``path`` (bytes unchanged, other values as JSON) and return its address."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.answers[path] = (200, {"Content-Type": "application/json", **headers}, body)
        return self.url + path

    def reply(self, request: Received) -> Reply:
        self.requests.append((request.path, request.headers))
        return Reply(*self.answers.get(request.path, (404, {}, b"not here")))
