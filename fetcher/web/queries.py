"""What a request says: which packages, which of them, and forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request

from fetcher.domain.errors import RetiredPackage, UnknownPackage
from fetcher.domain.model import StoredPackage
from fetcher.domain.views import Column, Listing, PackageState
from fetcher.ports import Store
from fetcher.web.faults import BadQuery, Refused

S = TypeVar("S", bound=StrEnum)

MOST = 1000
"""Packages a page of the API at most."""
FURTHEST = 10**9
LONGEST_SEARCH = 200
LARGEST_FORM = 2**20
_LARGEST_ID = 2**63 - 1
_SHOWN = 40


def read_listing(parameters: Mapping[str, str], *, sort: str, limit: int) -> Listing:
    """The listing that a query asks for. ``sort`` may begin with ``-``: the other way round."""
    by = parameters.get("sort") or sort
    search = parameters.get("search", "").strip()
    if len(search) > LONGEST_SEARCH:
        raise BadQuery(f"search is {len(search)} characters long", f"At most {LONGEST_SEARCH}")
    state = parameters.get("state")
    return Listing(
        search=search,
        state=_one_of(PackageState, "state", state) if state else None,
        sort=_one_of(Column, "sort", by.removeprefix("-")),
        descending=by.startswith("-"),
        limit=_number(parameters, "limit", limit, 1, MOST),
        offset=_number(parameters, "offset", 0, 0, FURTHEST),
    )


def find(store: Store, id_or_slug: str, listed_at: str = "/packages") -> StoredPackage:
    """The package of that id or slug, an id first; or ``UnknownPackage``, which says where all are listed."""
    names = [id_or_slug]
    if re.fullmatch(r"[0-9]{1,19}", id_or_slug) and int(id_or_slug) <= _LARGEST_ID:
        names = [*store.slugs([int(id_or_slug)]).values(), id_or_slug]
    for name in names:
        found = store.package(name) if storable(name) else None
        if found is not None:
            return found
    raise UnknownPackage("no package has this id or slug", f"{listed_at} lists them all")


def to_refresh(package: StoredPackage) -> int:
    """The id of a package that there is something to ask of."""
    slug = package.entry.slug
    if package.retired_at is not None:
        raise RetiredPackage(f"{slug} is retired by an editor", f"`fetcher revive {slug}` has it fetched again")
    if not package.states or package.entry.id is None:
        raise Refused(f"there is nothing to ask of {slug}", "Neither of its addresses is one that is fetched")
    return package.entry.id


def storable(text: str) -> bool:
    """Whether a database could hold the text at all: PostgreSQL has neither NUL nor half a surrogate pair."""
    return not re.search("[\x00\ud800-\udfff]", text)


async def read_form(request: Request) -> list[tuple[str, str]]:
    """The fields of a form, in their order; a body that is no form has none."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            raise BadQuery("the form is too large", f"At most {LARGEST_FORM} bytes")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise BadQuery("the form cannot be read", "Send it as application/x-www-form-urlencoded") from error


def _one_of(kind: type[S], name: str, value: str) -> S:
    try:
        return kind(value)
    except ValueError:
        raise BadQuery(f"{name} {_short(value)} is not one of ours", f"One of {', '.join(kind)}") from None


def _number(parameters: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = parameters.get(name)
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
        raise BadQuery(f"{name} {_short(text)} is not a number from {least} to {most}", "Leave it out for the default")
    return int(text)


def _short(text: str) -> str:
    """What somebody sent, to be shown to them again."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
