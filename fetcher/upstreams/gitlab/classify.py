"""Classification of unexpected responses. Source: GitLab's "User and IP rate limits" and "Rate limits on GitLab.com".

A limit has status 429 and plain text. A blocked address gets 403 for everything, in plain text as well, until the
block is lifted.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fetcher.domain.model import ReportedQuota
from fetcher.domain.outcome import BlockCause, Blocked, Malformed, NonValue, Throttled
from fetcher.http.messages import Answer, NoAnswer, Response, ResponseMeta
from fetcher.http.responses import classify_answer, excerpt, is_json, retry_after, transport_outcome


def classify(answer: Answer) -> Response | NonValue:
    """Return ``answer`` if it is a 200 with JSON, otherwise its outcome."""
    if isinstance(answer, NoAnswer):
        return transport_outcome(answer)
    match answer.status:
        case 200 if not is_json(answer):
            kind = excerpt(answer.headers.get("content-type", "no content type").encode("utf-8", "replace"))
            return Malformed(f"GitLab's API sent {kind} instead of JSON: {excerpt(answer.body)}")
        case 403 if not is_json(answer):
            return Throttled(f"GitLab refuses this address: {_said(answer)}", retry_after=retry_after(answer))
        case 403:
            return Blocked(BlockCause.ACCESS, f"GitLab refuses access: {_said(answer)}")
        case 429:
            return _throttled(answer)
        case _:
            return classify_answer(answer, _describe)


def read_meta(response: Response) -> ResponseMeta:
    """Read the remaining quota from the headers. Many responses have none, and no limit of one API is in them."""
    headers = response.headers
    try:
        quota = ReportedQuota(
            resource="",
            limit=int(headers["ratelimit-limit"]),
            remaining=int(headers["ratelimit-remaining"]),
            reset_at=datetime.fromtimestamp(int(headers["ratelimit-reset"]), UTC),
        )
    except (KeyError, ValueError, OverflowError, OSError):
        quota = None
    return ResponseMeta(quota)


def _throttled(response: Response) -> Throttled:
    """Return the pause: ``retry-after``, otherwise the reset in the headers."""
    reason = f"GitLab's rate limit: {_said(response)}"
    after = retry_after(response)
    if after is not None:
        return Throttled(reason, retry_after=after)
    quota = read_meta(response).quota
    return Throttled(reason, reset_at=quota.reset_at if quota is not None else None)


def _describe(response: Response) -> str:
    """Return the reason of a failure with GitLab's message."""
    match response.status:
        case 401:
            return f"GitLab does not accept the token: {_said(response)}"
        case 404:
            return "GitLab responds with 404: deleted, private, or misspelt"
        case 451:
            return f"blocked for legal reasons: {_said(response)}"
        case status:
            return f"GitLab responds with {status}: {_said(response)}"


def _said(response: Response) -> str:
    return excerpt(response.body) or "no message"
