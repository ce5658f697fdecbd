"""Pages of another directory's API."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Sequence

from fetcher.catalogue.credentials import without_secrets
from fetcher.catalogue.intake import LONGEST_JSON, TO_LINES, Item, next_page, read_page, too_long
from fetcher.domain.errors import InputError
from fetcher.http.messages import Fault, NoAnswer, Request
from fetcher.ports import Site

DIRECTORY = "directory"
"""Upstream of requests for another directory's pages. They carry no credential."""
_PASSING = (408, 425, 429)
"""Statuses below 500 that a later request may not get."""


async def pages(url: str, user_agent: str) -> AsyncIterator[Sequence[Item]]:
    """Yield the items of each page of a directory's API. Every page must be on the first one's origin."""
    from fetcher.http.transport import HttpTransport  # noqa: PLC0415  (HTTPX would delay shell completion)

    seen: set[str] = set()
    following: str | None = url
    async with HttpTransport({DIRECTORY: Site((url,))}, user_agent=user_agent) as transport:
        while following is not None and following not in seen:
            seen.add(following)
            shown = without_secrets(following)
            request = Request(
                DIRECTORY,
                DIRECTORY,
                "catalogue",
                following,
                headers={"accept": "application/json"},
                max_bytes=LONGEST_JSON,
            )
            answer = await transport.send(request)
            if isinstance(answer, NoAnswer) and answer.fault is Fault.TOO_LARGE:
                raise InputError(*too_long(shown, f"curl {shlex.quote(shown)} | {TO_LINES} | fetcher import -"))
            if isinstance(answer, NoAnswer):
                raise InputError(f"{shown} does not respond ({answer.reason})", _go_on(url, following))
            if answer.status != 200:
                raise InputError(f"{shown} returned {answer.status}", _remedy(answer.status, url, following))
            page = read_page(answer.body, shown)
            yield page.items
            link = next_page(following, page.next)
            if page.next and link is None:
                raise InputError(f"{shown} names a next page on another host", "Import that address by itself")
            following = link


def _remedy(status: int, url: str, following: str) -> str:
    """Return the remedy for a status; a refused first page is not served later either."""
    if following == url and 400 <= status < 500 and status not in _PASSING:
        return "Check the address"
    return f"Check the address. {_go_on(url, following)}"


def _go_on(url: str, following: str) -> str:
    if following == url:
        return "Try again later"
    following = without_secrets(following)
    return f"The pages before it are stored; `fetcher import {shlex.quote(following)}` continues from there"
