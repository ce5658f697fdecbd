"""Detection of a host's kind: headers of its front page, then the version endpoints of GitLab, Forgejo and Gitea.

A host that responds without any sign of a forge is served by git. A failed detection states nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from fetcher.domain.forges import ForgeKind
from fetcher.domain.model import Purpose
from fetcher.domain.outcome import Deferred, Malformed, Throttled, Transient
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, NoAnswer, Request, Response
from fetcher.http.responses import retry_after, transport_outcome
from fetcher.upstreams.hosted.base import ForgeHost
from fetcher.upstreams.hosted.policies import Resource

TIMEOUT: Final = 10.0
"""Seconds for each request. A host that takes longer is tried again later."""

_MOST_BYTES: Final = 4 * 1024 * 1024
"""Most bytes of a front page. Only its status and headers are read."""

_HEADERS: Final = {
    "x-forgejo-version": ForgeKind.FORGEJO,
    "x-gitea-version": ForgeKind.FORGEJO,
    "x-gitlab-meta": ForgeKind.GITLAB,
    "x-gitlab-version": ForgeKind.GITLAB,
    "x-github-request-id": ForgeKind.GIT,
}
"""Headers of responses that one kind of forge sends. A GitHub Enterprise that no setting names is served by git."""


_REFUSALS: Final = (401, 403)


class Route(StrEnum):
    """Kind of a request."""

    DETECTION = "forge_detection"


@dataclass(frozen=True, slots=True)
class Detected:
    """The kind of a host, and the sign by which it was recognized."""

    kind: ForgeKind
    sign: str


@dataclass(frozen=True, slots=True)
class Undetected:
    """A detection without a result, to be repeated: the host did not respond, or its quota has no room."""

    reason: str


_Read: TypeAlias = Detected | Throttled | Transient | Malformed | None
"""A reading of one response; ``None`` if it has no sign of a forge."""


async def detect(host: ForgeHost, gateway: Gateway, purpose: Purpose) -> Detected | Undetected:
    """Request at most three resources of ``host`` and return its kind."""
    for path, read in (("/", _front_page), ("/api/v4/version", _gitlab), ("/api/v1/version", _forgejo)):
        request = Request(
            host.name, Resource.API, Route.DETECTION, host.root + path, max_bytes=_MOST_BYTES, timeout=TIMEOUT
        )
        found = await gateway.send(request, purpose, read)
        if isinstance(found, Detected):
            return found
        if isinstance(found, Deferred | Throttled | Transient | Malformed):
            return Undetected(found.reason)
    return Detected(ForgeKind.GIT, "no sign of GitLab, Forgejo or Gitea")


def _front_page(answer: Answer) -> _Read:
    """Read the headers of any response, also of a redirect to a login page."""
    return _sign(answer) or _unusable(answer)


def _gitlab(answer: Answer) -> _Read:
    """Read GitLab's endpoint: its version for members, and for others a refusal in GitLab's JSON."""
    body = _object(answer)
    if _status(answer) == 200 and {"version", "revision"} <= body.keys():
        return Detected(ForgeKind.GITLAB, "/api/v4/version states a version and a revision")
    if _status(answer) == 401 and body.get("message") == "401 Unauthorized":
        return Detected(ForgeKind.GITLAB, "/api/v4/version refuses as GitLab does")
    return _sign(answer) or _unusable(answer)


def _forgejo(answer: Answer) -> _Read:
    """Read the endpoint of Forgejo and Gitea: an object with the version alone."""
    body = _object(answer)
    if _status(answer) == 200 and body.keys() == {"version"} and isinstance(body["version"], str):
        return Detected(ForgeKind.FORGEJO, "/api/v1/version states a version")
    if _status(answer) in _REFUSALS:
        return _sign(answer) or Transient(f"status {_status(answer)}: it shows its kind only after a login")
    return _sign(answer) or _unusable(answer)


def _status(answer: Answer) -> int | None:
    return answer.status if isinstance(answer, Response) else None


def _sign(answer: Answer) -> Detected | None:
    """Return the kind by the headers of any response."""
    if not isinstance(answer, Response):
        return None
    return next((Detected(kind, f"header {name}") for name, kind in _HEADERS.items() if name in answer.headers), None)


def _unusable(answer: Answer) -> Throttled | Transient | Malformed | None:
    """Return the failure after which nothing more is requested now; ``None`` for a response to read."""
    if isinstance(answer, NoAnswer):
        failure = transport_outcome(answer)
        return failure if isinstance(failure, Transient | Malformed) else Malformed(failure.reason)
    if answer.status == 429:
        return Throttled("status 429", retry_after=retry_after(answer))
    return Transient(f"status {answer.status}") if answer.status >= 500 else None


def _object(answer: Answer) -> dict[str, object]:
    """Return the response's JSON object; an empty one if the body is anything else."""
    if not isinstance(answer, Response):
        return {}
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
