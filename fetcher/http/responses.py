"""Reading of responses by status and headers alone, common to all upstreams. Source: RFC 9110.

The reader of an upstream first interprets the statuses that have a meaning of their own there, then calls
``classify_answer`` for the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias, assert_never

from fetcher.domain.model import Validators
from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Gone,
    Malformed,
    Moved,
    NotModified,
    Throttled,
    Transient,
    Unauthorized,
)
from fetcher.domain.text import one_line
from fetcher.http.messages import Answer, Fault, NoAnswer, Response

LONGEST_WAIT: Final = timedelta(days=1)
"""Longest accepted ``Retry-After``. A longer one is taken for a mistake, and the retry follows after a day."""

_LONGEST_DIGITS = 9
"""Most digits of a number of seconds that are converted. A longer number always exceeds ``LONGEST_WAIT``."""

_QUOTED_BYTES = 60
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,512}")

StatusOutcome: TypeAlias = NotModified | Moved | Gone | Blocked | Throttled | Transient | Malformed | Unauthorized
"""Outcomes known without reading a body."""

Describe: TypeAlias = Callable[[Response], str]
"""A function that returns the reason of a failure: the upstream's name, the status, its message."""


def classify_answer(answer: Answer, describe: Describe, *, now: datetime | None = None) -> Response | StatusOutcome:
    """Return the response if it is a 200, otherwise the outcome that its status has at any upstream.

    ``describe`` returns the reason of each failure. ``now`` is needed to read a ``Retry-After`` with a date. An
    upstream with own meanings of a status (403, 202, 410 …) handles it before this call.
    """
    if isinstance(answer, NoAnswer):
        return transport_outcome(answer)
    match answer.status:
        case 200:
            return answer
        case 301 | 302 | 303 | 307 | 308:
            location = answer.headers.get("location")
            return Moved(location) if location else Malformed(f"redirect {answer.status} without a location")
        case 304:
            return NotModified()
        case 401:
            return Unauthorized(describe(answer))
        case 404 | 410:
            return Gone(describe(answer))
        case 451:
            return Blocked(BlockCause.LEGAL, describe(answer))
        case 429:
            return Throttled(describe(answer), retry_after=retry_after(answer, now=now))
        case 503 if (wait := retry_after(answer, now=now)) is not None:
            return Throttled(describe(answer), retry_after=wait)
        case status if status == 408 or 500 <= status <= 599:
            return Transient(describe(answer))
        case _:
            return Malformed(describe(answer))


def transport_outcome(answer: NoAnswer) -> Transient | Malformed | Unauthorized:
    """Return the outcome of a transport fault."""
    reason = one_line(answer.reason)
    match answer.fault:
        case Fault.TOO_LARGE | Fault.FORBIDDEN_HOST:
            return Malformed(reason)
        case Fault.NO_CREDENTIAL:
            return Unauthorized(reason)
        case Fault.UNREACHABLE | Fault.TIMED_OUT | Fault.BROKEN:
            return Transient(reason)
        case _:
            assert_never(answer.fault)


def retry_after(response: Response, *, now: datetime | None = None) -> timedelta | None:
    """Return ``Retry-After`` as a duration: never negative, at most ``LONGEST_WAIT``, ``None`` if unreadable.

    An HTTP date is read if ``now`` is given.
    """
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return min(timedelta(seconds=int(text)), LONGEST_WAIT) if len(text) <= _LONGEST_DIGITS else LONGEST_WAIT
    return _until(text, now) if now is not None else None


def validators_of(response: Response) -> Validators:
    """Return the validators of the next conditional request, without headers that cannot be sent back."""
    return Validators(_validator(response, "etag"), _validator(response, "last-modified"))


def media_type(response: Response) -> str:
    """Return the content type without parameters, in lower case; empty if the response has none."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(response: Response) -> bool:
    """Return whether the content type is JSON."""
    kind = media_type(response)
    return kind == "application/json" or kind.endswith("+json")


def not_json(response: Response) -> Malformed:
    """Return the failure of a good response that is not JSON: a login page, a proxy's notice."""
    kind = excerpt(response.headers.get("content-type", "no content type").encode("utf-8", "replace"))
    return Malformed(f"expected JSON, got {kind}: {excerpt(response.body)}")


def sent_at(response: Response) -> datetime | None:
    """Return the upstream's clock when it sent the response (``Date``), or ``None`` if unreadable."""
    return _moment(response.headers.get("date", ""))


def excerpt(body: bytes, length: int = 120) -> str:
    """Return the beginning of a body as one printable line of at most ``length`` characters."""
    return one_line(body[: length * 4].decode("utf-8", "replace"), length)


def quoted_excerpt(body: bytes) -> str:
    """Return the first characters of a body in quotes, with control characters and invalid bytes escaped."""
    if not body:
        return "an empty body"
    head = body[:_QUOTED_BYTES].decode("utf-8", "backslashreplace")
    return repr(head + ("…" if len(body) > _QUOTED_BYTES else ""))


def _until(date: str, now: datetime) -> timedelta | None:
    moment = _moment(date)
    return None if moment is None else min(max(moment - now, timedelta()), LONGEST_WAIT)


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _validator(response: Response, name: str) -> str | None:
    value = response.headers.get(name, "")
    return value if _VALIDATOR.fullmatch(value) else None
