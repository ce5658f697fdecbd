"""Request and response messages, which pass between the pure core and the transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from fetcher.domain.model import ReportedQuota

RouteKey: TypeAlias = tuple[str, str]
"""An upstream, and a kind of its requests."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request without the credential, which the transport adds for its upstream unless ``anonymous``."""

    upstream: str
    """Name of the upstream, whose credential the transport adds and whose quota is spent."""
    resource: str
    """Quota bucket of the upstream: GitHub counts REST and GraphQL apart."""
    route: str
    """Kind of the request, by which logs, metrics and latency estimates are grouped; one of the upstream's few."""
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    max_bytes: int = 8 * 1024 * 1024
    points: int = 1
    packages: int = 0
    """Packages that share the request; 0 if it is not a batch."""
    timeout: float | None = None
    """Seconds for the complete exchange; ``None`` selects the transport's default."""
    anonymous: bool = False
    """The transport adds no credential: git's endpoints of public repositories need none."""
    user_agent_prefix: str = ""
    """Text before the User-Agent, by which a host recognises the protocol."""

    @property
    def key(self) -> RouteKey:
        """Key of what is learnt about a route: two hosts of one kind of forge time out independently."""
        return self.upstream, self.route


@dataclass(frozen=True, slots=True)
class Response:
    """One response. Header names are lower case. ``seconds`` is the time from sending to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    attempts: int = 1
    """Number of requests sent, including those the transport repeated, which cost quota as well."""


@dataclass(frozen=True, slots=True)
class ResponseMeta:
    """The quota and the request id from an upstream's headers."""

    quota: ReportedQuota | None = None
    request_id: str | None = None


NO_META = ResponseMeta()


class Fault(StrEnum):
    """The reason for a missing response."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    BROKEN = "broken"
    TOO_LARGE = "too_large"
    FORBIDDEN_HOST = "forbidden_host"
    NO_CREDENTIAL = "no_credential"
    """The upstream issues no credential, because it does not accept the App. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A request without a complete response. ``reason`` is one line without a secret."""

    fault: Fault
    reason: str
    seconds: float = 0.0
    attempts: int = 1


Answer: TypeAlias = Response | NoAnswer


class Origin(NamedTuple):
    """The origin of an address. Trust is decided by it, never by the address's text."""

    scheme: str
    host: str
    port: int | None


def origin(url: str) -> Origin | None:
    """Return the origin of ``url``, with the scheme's default port, or ``None`` if it is not an address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return Origin(parts.scheme, parts.hostname, port or {"https": 443, "http": 80}.get(parts.scheme))
