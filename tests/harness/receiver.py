"""A receiver of webhooks on loopback: it verifies each message by the reference library and returns given statuses."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.harness.loopback import LoopbackServer, Received, Reply


class Receiver(LoopbackServer):
    """A web server that keeps each verified message. A message with a wrong signature gets status 401."""

    def __init__(self, secret: str = "") -> None:
        super().__init__()
        self.url += "/hook"
        self.secret = secret
        self.answers: dict[str, tuple[int, Mapping[str, str]]] = {}
        """Status and headers by path; default: 204."""
        self.messages: list[dict[str, Any]] = []
        self.arrived: list[float] = []
        """Time of each message, in seconds since the epoch."""
        self.ids: list[str] = []
        """The ``webhook-id`` of every request, refused ones included."""

    def reply(self, request: Received) -> Reply:
        arrived = time.time()
        self.ids.append(request.headers.get("webhook-id", ""))
        status, headers = self.answers.get(request.path, (204, {}))
        if self.secret:
            try:
                Webhook(self.secret).verify(request.body, dict(request.headers))
            except Exception:  # noqa: BLE001  (whatever the reference library raises)
                status = 401
        if status < 300:
            self.arrived.append(arrived)
            self.messages.append(json.loads(request.body))
        return Reply(status, headers)
