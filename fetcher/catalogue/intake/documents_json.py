"""Documents as JSON: one object, a list, a page of a directory's API, or one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urljoin, urlsplit

from fetcher.catalogue.documents import shown
from fetcher.catalogue.intake.items import Entry, Item, Rejected, as_item
from fetcher.catalogue.intake.lines import Line, decoded

LONGEST_JSON = 64 * 1024 * 1024
"""Longest JSON value in bytes, whether a file, standard input or a page. It is parsed in memory; JSON lines are not."""
TO_LINES = "jq -c '(.objects? // .results? // .)[]'"
"""Command that converts a list or a page to JSON lines."""
PAGE_KEYS = ("objects", "results")
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one page, and the link to the next page as the page spells it."""

    items: tuple[Entry | Rejected, ...]
    next: str | None


def read_page(raw: bytes, where: str) -> Page:
    """Parse a response body: a page, a list or a single document. Invalid JSON yields one rejected record."""
    text = decoded(raw, where)
    value = text if isinstance(text, Rejected) else parse_json(text, where)
    return Page((value,), None) if isinstance(value, Rejected) else page_of(value, where)


def page_of(value: object, where: str) -> Page:
    """Return the records of a parsed JSON value. An object with a slug is always a document."""
    match value:
        case list():
            return Page(_listed(value, where, ""), None)
        case dict() if "slug" not in value:
            key = next((key for key in PAGE_KEYS if isinstance(value.get(key), list)), None)
            if key is not None:
                link, faults = _next_link(value, where)
                return Page(_listed(value[key], where, key) + faults, link)
    return Page((as_item(where, value),), None)


def next_page(url: str, link: str | None) -> str | None:
    """Return the address of the page after ``url``; ``None`` without one, or if it is on another origin.

    A page is data and must not decide the requested host. The user information of ``url`` is kept. Callers must detect
    an endless chain of links.
    """
    if not link or not link.isprintable():
        return None
    try:
        user, address = _without_user(url)
        target = urljoin(address, link.strip()).partition("#")[0]
        origin = _origin(target)
        if origin is None or origin != _origin(address):
            return None
        return target.replace("://", f"://{user}", 1)
    except ValueError:
        return None


def json_lines(lines: Iterable[Line | Rejected], where: str) -> Iterator[Item]:
    """Yield one document a line (or a list or page of them); blank lines are counted and skipped."""
    for line in lines:
        if isinstance(line, Rejected):
            yield line
        elif line.text.strip():
            place = f"{where}, line {line.number}"
            value = parse_json(line.text, place)
            yield from [value] if isinstance(value, Rejected) else page_of(value, place).items


def parse_json(text: str, where: str) -> object:
    """Parse a JSON text; return a ``Rejected`` with the position of the error if it is invalid."""
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        found = shown(text[error.pos : error.pos + 20]) if error.pos < len(text) else "the end"
        return Rejected(where, place, f"JSON ({error.msg})", found)
    except RecursionError:
        return Rejected(where, "document", "JSON", "values nested too deep")
    except ValueError as error:
        return Rejected(where, "document", "JSON", " ".join(str(error).split())[:100])
    return value


def too_long(where: str, command: str) -> tuple[str, str]:
    """Return the message and the remedy for a JSON value longer than ``LONGEST_JSON``."""
    return f"{where} is one JSON value of more than {LONGEST_JSON >> 20} MB", f"Convert it to JSON lines: {command}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant}, which is not JSON")


def _listed(values: Iterable[object], where: str, key: str) -> tuple[Entry | Rejected, ...]:
    return tuple(as_item(f"{where}, {key}[{index}]", value) for index, value in enumerate(values))


def _next_link(page: Mapping[str, object], where: str) -> tuple[str | None, tuple[Rejected, ...]]:
    """Return the link ``next`` from the top level of a page, or from ``meta`` as in the directory's older API."""
    meta = page.get("meta")
    link = page.get("next") or (meta.get("next") if isinstance(meta, dict) else None)
    if not link:
        return None, ()
    if isinstance(link, str):
        return link, ()
    return None, (Rejected(where, "next", "an address or null", shown(link)),)


def _without_user(url: str) -> tuple[str, str]:
    """Return the user information of ``url``, with its ``@``, and the address without it."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return f"{user}{at}", parts._replace(netloc=host).geturl()


def _origin(url: str) -> tuple[str, str, int] | None:
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username or parts.password:
        return None
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme]
