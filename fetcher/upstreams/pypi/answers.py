"""Classification of an index's responses by status and headers, before the body is read. Source: RFC 9110."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar
from urllib.parse import urljoin

from fetcher.domain.model import Validators
from fetcher.domain.outcome import BlockCause, Blocked, Malformed, Moved, Outcome, Transient
from fetcher.domain.text import one_line
from fetcher.http.messages import Answer, Fault, NoAnswer, Response
from fetcher.http.responses import StatusOutcome, classify_answer, is_json, media_type, quoted_excerpt

T_co = TypeVar("T_co", covariant=True)

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


IndexOutcome: TypeAlias = Outcome[T_co] | NotOffered


def good_response(answer: Answer, *, url: str, now: datetime) -> Response | StatusOutcome:
    """Return the response if it is a 200, otherwise the outcome of its status. ``url`` is the requested address."""
    match answer:
        case NoAnswer(fault=Fault.NO_CREDENTIAL):
            return Transient(one_line(answer.reason))
        case Response(status=301 | 302 | 307 | 308):
            return _moved(answer, url)
        case Response(status=401 | 403):
            return Blocked(BlockCause.ACCESS, _describe(answer))
        case Response(status=303):
            return Malformed(_describe(answer))
        case _:
            return classify_answer(answer, _describe, now=now)


def is_html(response: Response) -> bool:
    return media_type(response) in _HTML


def is_untold(response: Response) -> bool:
    """Return whether the content type does not identify the body."""
    return media_type(response) in _UNTOLD


def not_json(response: Response, api: str) -> Malformed | None:
    """Return a failure if the content type is not JSON."""
    kind = media_type(response)
    if kind in _UNTOLD or is_json(response):
        return None
    said = f"expected JSON, got {kind or 'no content type'} that begins {quoted_excerpt(response.body)}"
    return Malformed(one_line(f"{api}: {said}"))


def _describe(response: Response) -> str:
    said = f"the index answered {response.status}"
    match response.status:
        case 404 | 410:
            return f"{said}: it knows no such project"
        case status if status in (401, 403, 408, 429, 451) or 500 <= status <= 599:
            return said
        case _:
            return one_line(f"{said} where 200 was expected; it begins {quoted_excerpt(response.body)}")


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
