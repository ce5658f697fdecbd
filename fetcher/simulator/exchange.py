"""One request and its response as the handlers use them, without a socket or a framework."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

JSON = "application/json; charset=utf-8"


@dataclass(slots=True, kw_only=True)
class Call:
    """A request with its sender and its time."""

    upstream: str
    """The name of the upstream's mount."""
    route: str
    method: str
    root: str
    """The API root as the client addressed it: links in responses start with it."""
    path: str
    parameters: Mapping[str, Any]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    address: str
    now: datetime
    token: str | None = None
    identity: str = ""
    member: bool = False
    """The sender may see private repositories."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """A response. ``payload`` is encoded as JSON; ``body`` is used without a payload."""

    status: int = 200
    payload: Any = None
    body: bytes = b""
    stream: Callable[[], AsyncIterator[bytes]] | None = None
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    """Set by a handler that knows the validator without the body."""
    points: int = 1
    """The points that it takes from the hour's quota."""
    packages: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    """Its packages: package → path in a GraphQL response's data."""
    reason: str = ""
    """The reason of a refusal, for the log."""
    operation: str = ""
    """The name of the GraphQL operation of the request."""

    def encoded(self) -> bytes:
        if self.payload is None:
            return self.body
        return json.dumps(self.payload, separators=(",", ":"), ensure_ascii=False).encode()


Handler = Callable[[Call], Answer]


def about(package: str) -> dict[str, tuple[str | int, ...]]:
    """Return ``Answer.packages`` of a response about one package."""
    return {package: ()}
