"""Request input: parameters of a listing, a package's id or slug, and forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
from urllib.parse import parse_qsl

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import Request

from fetcher.domain.errors import RetiredPackage, UnknownPackage
from fetcher.domain.model import StoredPackage
from fetcher.domain.text import unstorable
from fetcher.domain.views import Column, Listing, PackageState
from fetcher.store.packages import Packages
from fetcher.web.errors import BadRequest, Forbidden, quoted

MOST = 1000
"""Most packages on a page."""
FURTHEST = 10**9
"""Largest offset."""
LONGEST_SEARCH = 200
"""Longest search text, in characters."""
LARGEST_FORM = 2**20
"""Largest body of a form, in bytes."""
_LARGEST_ID = 2**63 - 1

if TYPE_CHECKING:
    Sort: TypeAlias = str
else:
    Sort = Literal[tuple(sign + column for column in Column for sign in ("", "-"))]


class ListingQuery(BaseModel):
    """Query parameters of a listing, with the defaults of the API. Others are refused."""

    model_config = ConfigDict(extra="forbid")

    search: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_SEARCH)] = ""
    state: PackageState | SkipJsonSchema[None] = None
    sort: Sort = "id"
    limit: Annotated[int, Field(ge=1, le=MOST)] = 20
    offset: Annotated[int, Field(ge=0, le=FURTHEST)] = 0

    @model_validator(mode="before")
    @classmethod
    def _use_defaults(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Drop empty parameters: a browser sends every field of a form."""
        return {name: value for name, value in values.items() if value != ""}

    def listing(self) -> Listing:
        """Return the listing that the store reads."""
        return Listing(
            search=self.search,
            state=self.state,
            sort=Column(self.sort.removeprefix("-")),
            descending=self.sort.startswith("-"),
            limit=self.limit,
            offset=self.offset,
        )


class PageQuery(ListingQuery):
    """Query parameters of a listing, with the defaults of the page."""

    sort: Sort = "slug"
    limit: Annotated[int, Field(ge=1, le=MOST)] = 50


def read_page_query(parameters: Mapping[str, str]) -> Listing:
    """Parse the page's query parameters. Raise ``RequestValidationError`` as FastAPI does."""
    try:
        return PageQuery.model_validate(parameters).listing()
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in error.errors()]) from error


def refuse_unknown(parameters: Mapping[str, str], *known: str) -> None:
    """Raise ``BadRequest`` if a page's query has a parameter that the page does not read."""
    unknown = [name for name in parameters if name not in known]
    if unknown:
        takes = f"This page takes {', '.join(known)}" if known else "This page takes no parameters"
        raise BadRequest(f"unknown parameter {quoted(unknown[0])}", takes)


def read_number(parameters: Mapping[str, str], name: str) -> int | None:
    """Return a count from the query, or ``None`` if it is absent or not a number."""
    value = parameters.get(name, "")
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def find(packages: Packages, id_or_slug: str, listed_at: str = "/packages") -> StoredPackage:
    """Return the package with an id or a slug; an id takes precedence.

    Raise ``UnknownPackage``, whose remedy names ``listed_at``.
    """
    names = [id_or_slug]
    if re.fullmatch(r"[0-9]{1,19}", id_or_slug) and int(id_or_slug) <= _LARGEST_ID:
        names = [*packages.slugs([int(id_or_slug)]).values(), id_or_slug]
    for name in names:
        found = None if unstorable(name) else packages.get(name)
        if found is not None:
            return found
    raise UnknownPackage("no package has this id or slug", f"{listed_at} lists all packages")


def to_refresh(package: StoredPackage) -> int:
    """Return the id of a package that can be refreshed. Raise ``RetiredPackage`` or ``Forbidden`` otherwise."""
    slug = package.entry.slug
    if package.retired_at is not None:
        raise RetiredPackage(f"{slug} is retired", f"`fetcher revive {slug}` resumes fetching")
    if not package.states or package.entry.id is None:
        raise Forbidden(f"{slug} has no source to fetch", "Neither of its addresses is supported")
    return package.entry.id


async def read_form(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a form in their order. Raise ``BadRequest`` if the body cannot be parsed."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise BadRequest("the form is too large", f"Send at most {LARGEST_FORM} bytes")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10_000)
    except ValueError as error:
        raise BadRequest("the form cannot be parsed", "Send it as application/x-www-form-urlencoded") from error
