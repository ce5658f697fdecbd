"""Classification of an index's responses by status and headers, before the body is read. Source: RFC 9110."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Generic, TypeAlias, TypeVar, assert_never
from urllib.parse import urljoin

from fetcher.domain.model import Validators
from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Gone,
    Malformed,
    Moved,
    NotModified,
    Outcome,
    Throttled,
    Transient,
)
from fetcher.http.messages import Answer, Fault, NoAnswer, Response
from fetcher.upstreams.pypi.text import beginning, one_line

T_co = TypeVar("T_co", covariant=True)

LONGEST_WAIT = timedelta(days=1)
"""Longest accepted ``Retry-After``. A longer one is taken for a mistake, and the retry follows after a day."""

_VALIDATOR = re.compile(r"[\x20-\x7e]{1,512}")
_HTML = frozenset({"text/html", "application/xhtml+xml", "application/vnd.pypi.simple.v1+html"})
_UNTOLD = frozenset({"", "application/octet-stream"})
"""Content types that do not identify a response's form, as sent by servers of plain files. The body has to decide."""


@dataclass(frozen=True, slots=True)
class NotOffered:
    """A response form that the index does not offer (a Simple API without a readable form, a root without serials).

    Neither a failure nor a statement on the project. Use another API, and retry this one rarely.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Partial(Generic[T_co]):
    """A good response without all releases (the JSON API's ``releases`` is deprecated): fetch Simple, then merge."""

    value: T_co
    validators: Validators = Validators()


HeaderOutcome: TypeAlias = NotModified | Moved | Gone | Blocked | Throttled | Transient | Malformed
"""Outcomes known without reading a body."""

IndexOutcome: TypeAlias = Outcome[T_co] | NotOffered


def good_response(answer: Answer, *, url: str, now: datetime) -> Response | HeaderOutcome:
    """Return the response if it is a 200, otherwise the outcome of its status. ``url`` is the requested address."""
    match answer:
        case NoAnswer():
            return _unanswered(answer)
        case Response(status=200):
            return answer
        case Response():
            return _by_status(answer, url, now)
        case _:
            assert_never(answer)


def validators_of(response: Response) -> Validators:
    """Return the validators of the next conditional request, without headers that cannot be sent back."""
    return Validators(_header(response, "etag"), _header(response, "last-modified"))


def media_type(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_html(response: Response) -> bool:
    return media_type(response) in _HTML


def is_untold(response: Response) -> bool:
    """Return whether the content type does not identify the body."""
    return media_type(response) in _UNTOLD


def not_json(response: Response, api: str) -> Malformed | None:
    """Return a failure if the content type is not JSON."""
    kind = media_type(response)
    if kind in _UNTOLD or kind == "application/json" or kind.endswith("+json"):
        return None
    said = f"expected JSON, got {kind or 'no content type'} that begins {beginning(response.body)}"
    return Malformed(one_line(f"{api}: {said}"))


def _unanswered(answer: NoAnswer) -> Transient | Malformed:
    match answer.fault:
        case Fault.UNREACHABLE | Fault.TIMED_OUT | Fault.BROKEN | Fault.NO_CREDENTIAL:
            return Transient(one_line(answer.reason))
        case Fault.TOO_LARGE | Fault.FORBIDDEN_HOST:
            return Malformed(one_line(answer.reason))
        case _:
            assert_never(answer.fault)


def _by_status(response: Response, url: str, now: datetime) -> HeaderOutcome:
    said = f"the index answered {response.status}"
    wait = _retry_after(response.headers.get("retry-after"), now)
    match response.status:
        case 304:
            return NotModified()
        case 301 | 302 | 307 | 308:
            return _moved(response, url)
        case 404 | 410:
            return Gone(f"{said}: it knows no such project")
        case 401 | 403:
            return Blocked(BlockCause.ACCESS, said)
        case 451:
            return Blocked(BlockCause.LEGAL, said)
        case 429:
            return Throttled(said, retry_after=wait)
        case 503 if wait is not None:
            return Throttled(said, retry_after=wait)
        case status if status == 408 or 500 <= status <= 599:
            return Transient(said)
        case _:
            return Malformed(one_line(f"{said} where 200 was expected; it begins {beginning(response.body)}"))


def _moved(response: Response, url: str) -> Moved | Malformed:
    location = response.headers.get("location", "").strip()
    try:
        target = urljoin(url, location) if location else ""
    except ValueError:
        target = ""
    if not target.isprintable() or not target.startswith(("https://", "http://")):
        said = f"the index answered {response.status} with location {location!r}"
        return Malformed(one_line(f"{said} where an http address was expected"))
    return Moved(target)


def _retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Return seconds or an HTTP date as a duration from ``now``: never negative, at most ``LONGEST_WAIT``."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+", text):
        # More digits than these always exceed the limit, so they are not converted.
        return min(timedelta(seconds=int(text)), LONGEST_WAIT) if len(text) <= 9 else LONGEST_WAIT
    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max(aware - now, timedelta()), LONGEST_WAIT)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _header(response: Response, name: str) -> str | None:
    value = response.headers.get(name, "")
    return value if _VALIDATOR.fullmatch(value) else None
