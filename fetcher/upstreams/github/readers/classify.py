"""Classification of unexpected responses, with throttling separated from refusal.

Source: GitHub's "Rate limits for the REST API" and "Best practices". A limit has status 403 *or* 429; a bare 403 is not
throttling. ``retry-after`` has priority, then the reset if the remaining quota is zero. Otherwise Fetcher chooses the
pause.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pydantic import ValidationError

from fetcher.domain.model import ReportedQuota
from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Malformed,
    NonValue,
    NotReady,
    Throttled,
    Transient,
)
from fetcher.http.messages import Answer, NoAnswer, Response, ResponseMeta
from fetcher.http.responses import classify_answer, excerpt, is_json, not_json, retry_after, transport_outcome
from fetcher.upstreams.github.readers.shapes import ErrorBody
from fetcher.upstreams.github.requests import API_VERSION

_TOO_LARGE = ("too large", "history or contributor list")
_BLOCKED = ("access blocked", "has been disabled", "not accessible", "saml", "ip allow list", "suspended")
_LIMITED = ("rate limit", "abuse", "secondary limit")
_SECONDARY = ("secondary", "abuse")
_REQUEST_ID = re.compile(r"[0-9A-Za-z:-]{1,64}")


def classify(answer: Answer) -> Response | NonValue:
    """Return ``answer`` if it is a 200 with JSON, otherwise its outcome."""
    if isinstance(answer, NoAnswer):
        return transport_outcome(answer)
    match answer.status:
        case 200 if not is_json(answer):
            return not_json(answer)
        case 202 | 204:
            return NotReady(f"GitHub is still computing it (status {answer.status})")
        case 403 | 429:
            return _refusal(answer)
        case 409:
            return Transient(_describe(answer))
        case 410:
            return Malformed(_retired(answer))
        case _:
            return classify_answer(answer, _describe)


def throttled(response: Response, reason: str, *, primary: bool = False) -> Throttled:
    """Read the pause that a limit demands: ``retry-after``, otherwise the reset if the quota is exhausted.

    ``primary``: the response names the primary limit. Its reset then counts at any remaining quota, because a GraphQL
    query can cost more points than are left.
    """
    after = retry_after(response)
    if after is not None:
        return Throttled(reason, retry_after=after)
    quota = read_quota(response)
    if quota is not None and (primary or quota.remaining == 0):
        return Throttled(reason, reset_at=quota.reset_at)
    return Throttled(reason)


def stated_failure(response: Response) -> Throttled | Malformed | None:
    """Read a body in REST's error form, at any status; ``None`` without a top-level ``message``.

    Source: "Rate limits and query limits for the GraphQL API": a secondary limit has status 200 or 403.
    """
    try:
        message = ErrorBody.model_validate_json(response.body).message
    except ValidationError:
        return None
    if not message:
        return None
    words = excerpt(message.encode())
    if _names_a_limit(message):
        return throttled(response, words)
    return Malformed(f"GitHub reports an error with status {response.status}: {words}")


def is_secondary(message: str) -> bool:
    """Return whether a limit's message is that of a secondary limit ("abuse" is its older name)."""
    return any(sign in message.lower() for sign in _SECONDARY)


def read_quota(response: Response) -> ReportedQuota | None:
    """Read the remaining quota from the headers of any response."""
    headers = response.headers
    try:
        return ReportedQuota(
            resource=headers.get("x-ratelimit-resource", ""),
            limit=int(headers["x-ratelimit-limit"]),
            remaining=int(headers["x-ratelimit-remaining"]),
            reset_at=datetime.fromtimestamp(int(headers["x-ratelimit-reset"]), UTC),
        )
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def read_meta(response: Response) -> ResponseMeta:
    """Read the quota and the request id from GitHub's headers."""
    given = response.headers.get("x-github-request-id", "")
    return ResponseMeta(read_quota(response), given if _REQUEST_ID.fullmatch(given) else None)


def message_of(response: Response) -> str:
    """Return GitHub's message, cut to a line."""
    try:
        return excerpt(ErrorBody.model_validate_json(response.body).message.encode()) or "no message"
    except ValidationError:
        return excerpt(response.body) or "no message"


def _describe(response: Response) -> str:
    """Return the reason of a failure with GitHub's message."""
    message = message_of(response)
    match response.status:
        case 401:
            return f"GitHub does not accept the credential: {message}"
        case 404:
            return "GitHub answers 404: deleted, private, or misspelt"
        case 451:
            return f"blocked for legal reasons: {message}"
        case status if status in (408, 409) or 500 <= status <= 599:
            return f"GitHub answers {status}: {message}"
        case status:
            return f"unexpected status {status}: {message}"


def _refusal(response: Response) -> Throttled | Blocked:
    message = message_of(response)
    lowered = message.lower()
    if any(sign in lowered for sign in _TOO_LARGE):
        return Blocked(BlockCause.TOO_LARGE, message)
    limited = _names_a_limit(message)
    if not limited and any(sign in lowered for sign in _BLOCKED):
        return Blocked(BlockCause.ACCESS, message)
    quota = read_quota(response)
    spent = quota is not None and quota.remaining == 0
    if limited or spent or response.status == 429 or "retry-after" in response.headers:
        return throttled(response, f"GitHub answers {response.status}: {message}")
    return Blocked(BlockCause.ACCESS, f"GitHub answers 403: {message}")


def _retired(response: Response) -> str:
    """Explain a 410, GitHub's response for a retired API version, which is independent of the repository.

    Source: GitHub's "API Versions".
    """
    gone = f"GitHub has retired version {API_VERSION} of its REST API (status 410): install a newer Fetcher."
    return f"{gone} GitHub's message: {message_of(response)}"


def _names_a_limit(message: str) -> bool:
    return any(sign in message.lower() for sign in _LIMITED)
