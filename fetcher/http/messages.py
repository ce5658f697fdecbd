"""A request to build, a response to read: the only shapes that pass between the pure core and the transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from fetcher.domain.model import ReportedQuota, Upstream


class Resource(StrEnum):
    """A bucket of quota: GitHub counts REST ("core") and GraphQL apart; PyPI counts nothing but asks for courtesy."""

    CORE = "core"
    GRAPHQL = "graphql"
    PYPI = "pypi"


class Route(StrEnum):
    """The kind of a request: what logs, metrics and expectations group by; a closed set."""

    STATISTICS = "statistics"
    VIEWER = "viewer"
    REPOSITORY = "repository"
    NEWEST_COMMIT = "newest_commit"
    CONTRIBUTORS = "contributors"
    HISTORY = "history"
    PARTICIPATION = "participation"
    RATE_LIMIT = "rate_limit"
    PYPI_JSON = "pypi_json"
    PYPI_SIMPLE = "pypi_simple"
    PYPI_ROOT = "pypi_root"
    CATALOGUE = "catalogue"
    """Another directory's pages, which `fetcher import` reads."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, complete but for the credential, which the transport adds for its upstream."""

    upstream: Upstream
    resource: Resource
    route: Route
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    max_bytes: int = 8 * 1024 * 1024
    points: int = 1
    timeout: float | None = None
    """Seconds for the whole exchange; ``None``: the transport's own."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. Header names are lower case. ``seconds`` is the time from sending to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    attempts: int = 1
    """How many requests it took: what a transport repeats is spent, too."""


@dataclass(frozen=True, slots=True)
class ResponseMeta:
    """What an upstream's headers say beside the response: its quota, and its own id of the exchange."""

    quota: ReportedQuota | None = None
    request_id: str | None = None


NO_META = ResponseMeta()


class Fault(StrEnum):
    """Why there is no answer."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    BROKEN = "broken"
    TOO_LARGE = "too_large"
    FORBIDDEN_HOST = "forbidden_host"
    NO_CREDENTIAL = "no_credential"
    """The upstream gives us none to ask with: an App that is not accepted. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request brought no complete answer; ``reason`` is one line without a secret."""

    fault: Fault
    reason: str
    seconds: float = 0.0
    attempts: int = 1


Answer: TypeAlias = Response | NoAnswer


class Origin(NamedTuple):
    """Where an address leads: who is trusted with a request is decided by this, never by the address's text."""

    scheme: str
    host: str
    port: int | None


def origin(url: str) -> Origin | None:
    """The origin of ``url``, its port by default that of the scheme; ``None`` where it is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return Origin(parts.scheme, parts.hostname, port or {"https": 443, "http": 80}.get(parts.scheme))
