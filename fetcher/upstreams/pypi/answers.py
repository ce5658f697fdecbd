"""What an index's status line and headers mean, before anybody reads a body. Source: RFC 9110."""

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
"""A ``Retry-After`` beyond this is taken for a mistake: the index is asked again after a day."""

_VALIDATOR = re.compile(r"[\x20-\x7e]{1,512}")
_HTML = frozenset({"text/html", "application/xhtml+xml", "application/vnd.pypi.simple.v1+html"})
_UNTOLD = frozenset({"", "application/octet-stream"})
"""A server of plain files says no more of an answer than this: its body has to tell."""


@dataclass(frozen=True, slots=True)
class Unoffered:
    """This index does not offer what was asked (a Simple API without a form that is read, a root without serials).

    Not a failure, and no word on the project: ask another way, and this way again only seldom.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Partial(Generic[T_co]):
    """A good answer that leaves releases out (the JSON API's ``releases`` is deprecated): ask Simple, then merge."""

    value: T_co
    validators: Validators = Validators()


Bodiless: TypeAlias = NotModified | Moved | Gone | Blocked | Throttled | Transient | Malformed
"""All that can be told without reading a body."""

Settled: TypeAlias = Outcome[T_co] | Unoffered


def good_response(answer: Answer, *, url: str, now: datetime) -> Response | Bodiless:
    """The answer itself where it is a 200, else what its status means. ``url`` is what was asked."""
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
    """What makes the next ask conditional; a header that could not be sent back is not kept."""
    return Validators(_header(response, "etag"), _header(response, "last-modified"))


def media_type(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_html(response: Response) -> bool:
    return media_type(response) in _HTML


def is_untold(response: Response) -> bool:
    """Return whether the content type says nothing of the body."""
    return media_type(response) in _UNTOLD


def not_json(response: Response, api: str) -> Malformed | None:
    """What is wrong with the content type, if anything is."""
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


def _by_status(response: Response, url: str, now: datetime) -> Bodiless:
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
    """Seconds or an HTTP date, as a span from ``now``: never negative, never beyond ``LONGEST_WAIT``."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+", text):
        # No longer run of digits than can be a second count within bounds is worth converting.
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
