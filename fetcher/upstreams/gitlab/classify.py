"""Classification of unexpected responses. Source: GitLab's "User and IP rate limits" and "Rate limits on GitLab.com".

A limit has status 429 and plain text. A blocked address gets 403 for everything, in plain text as well, until the
block is lifted.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field, TypeAdapter, ValidationError

from fetcher.domain.outcome import BlockCause, Blocked, NonValue, Throttled
from fetcher.http.messages import Answer, Response
from fetcher.http.responses import excerpt, retry_after
from fetcher.http.shapes import Shape
from fetcher.upstreams.hosted.classify import classify_api, describe


class Reason(Shape):
    message: str = ""


class ErrorBody(Shape):
    """An error of REST (``message``), of OAuth (``error``) or of GraphQL (``errors``)."""

    message: object = None
    error: object = None
    errors: list[Reason] = Field(default_factory=list)


_ERROR = TypeAdapter(ErrorBody)


def classify(answer: Answer, host: str) -> Response | NonValue:
    """Return ``answer`` if it is a 200 with JSON, otherwise its outcome. A 403 in JSON refuses one project or token."""
    if isinstance(answer, Response) and answer.status == 429 and retry_after(answer) is None:
        return Throttled(f"{host} answers 429: {excerpt(answer.body)}", reset_at=_reset_at(answer))
    if isinstance(answer, Response) and answer.status == 403 and (message := _message(answer.body)) is not None:
        return Blocked(BlockCause.ACCESS, describe(answer, host, message))
    return classify_api(answer, host, _message)


def _message(body: bytes) -> str | None:
    """Return the message in an error body of the API; ``None`` for plain text and pages."""
    try:
        error = _ERROR.validate_json(body)
    except ValidationError:
        return None
    stated = error.message or error.error or (error.errors[0].message if error.errors else None)
    return str(stated) if stated else None


def _reset_at(response: Response) -> datetime | None:
    """Read the end of the limit's window from the headers, in which the limits of single APIs are missing."""
    try:
        return datetime.fromtimestamp(int(response.headers["ratelimit-reset"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
