"""The HTTP API: documents in the directory's own form, and refreshes of packages."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Path, Query, Security
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from fetcher import __version__
from fetcher.catalogue.documents import dump, write_document
from fetcher.domain.audit import Action
from fetcher.domain.text import unstorable
from fetcher.domain.views import Column, Listing
from fetcher.web.changes import CURSOR_HEADER
from fetcher.web.changes import router as changes
from fetcher.web.changes import stream_router as stream
from fetcher.web.conditional import Conditions, conditional, last_modified
from fetcher.web.context import context_of
from fetcher.web.described import errors
from fetcher.web.errors import Forbidden, Unauthorized, UnknownRefresh
from fetcher.web.freshness import router as freshness
from fetcher.web.models import Package, Page, Refresh, RequestedRefresh
from fetcher.web.operators import TOKEN, address_of, is_operator
from fetcher.web.queries import ListingQuery, find, to_refresh
from fetcher.web.resource import Resource

LISTED_AT = "/api/v4/packages/"
EDITED = frozenset({Column.ID, Column.SLUG, Column.TITLE, Column.CREATED, Column.MODIFIED})
"""Columns that only editors write. In their order, a refresh moves no package to another page."""

IdOrSlug = Annotated[str, Path(description="An id or a slug.")]
Conditional = Annotated[Conditions, Header()]

_NOT_MODIFIED: dict[str, Any] = {"description": "Not modified since the client's copy."}

router = APIRouter(route_class=Resource, generate_unique_id_function=lambda route: route.name)


async def require_operator(
    request: Request,
    credentials: Annotated[
        HTTPAuthorizationCredentials | None, Security(HTTPBearer(scheme_name="operator", auto_error=False))
    ],
) -> None:
    """Raise ``Forbidden`` if no token is set, and ``Unauthorized`` if the request does not carry it."""
    sessions = context_of(request).sessions
    if not sessions.possible:
        raise Forbidden("refreshing over HTTP is disabled", "Set FETCHER_WEB_TOKEN for the web process")
    token = None if credentials is None else credentials.credentials.strip()
    if token is None or not await run_in_threadpool(is_operator, request, token):
        raise Unauthorized("the operator's token is missing or wrong", "Send `Authorization: Bearer FETCHER_WEB_TOKEN`")


@router.get(LISTED_AT, response_model=Page, responses={304: _NOT_MODIFIED, **errors(400, 503)})
def list_packages(request: Request, query: Annotated[ListingQuery, Query()], conditions: Conditional) -> Response:
    """Return a page of documents. An empty parameter counts as absent.

    `Fetcher-Cursor` is the cursor after which the change feed continues the page. A catalogue taken page by page is
    continued by the cursor of its first page.
    """
    web, now = context_of(request), context_of(request).clock.now()
    wanted, cursor = query.listing(), web.store.changes.extent().end
    listed = web.store.packages.listing(wanted, web.stale_before(now))
    stored = web.store.packages.documents([row.id for row in listed.rows])
    page = {
        "count": listed.count,
        "next": _link(request, wanted, wanted.offset + wanted.limit) if listed.more else None,
        "previous": _link(request, wanted, max(wanted.offset - wanted.limit, 0)) if wanted.offset else None,
        "results": [write_document(package, web.settings.time_zone, now.date()) for package in stored],
    }
    if listed.counted:
        page["count_is"] = f"{listed.counted} {listed.count:,}"
    # A refresh, or time alone, can move packages to or from other pages: then no date of a listed package covers it.
    steady = wanted.sort in EDITED and wanted.state is None and not wanted.search
    modified = last_modified(web.store.packages.touched_at([row.id for row in listed.rows]), now) if steady else None
    response = conditional(conditions, dump(page).encode(), modified)
    response.headers[CURSOR_HEADER] = str(cursor)
    return response


@router.get(LISTED_AT + "{package}/", response_model=Package, responses={304: _NOT_MODIFIED, **errors(404, 503)})
def get_package(request: Request, package: IdOrSlug, conditions: Conditional) -> Response:
    """Return a package's document."""
    web, now = context_of(request), context_of(request).clock.now()
    found = find(web.store.packages, package, LISTED_AT)
    document = write_document(found, web.settings.time_zone, now.date())
    modified = last_modified(web.store.packages.touched_at([found.entry.id or 0]), now)
    return conditional(conditions, dump(document).encode(), modified)


@router.post(
    LISTED_AT + "{package}/refresh/",
    status_code=202,
    responses={202: {"headers": {"Location": {"schema": {"type": "string"}}}}, **errors(401, 403, 404, 409, 429, 503)},
    dependencies=[Depends(require_operator)],
)
def request_refresh(request: Request, package: IdOrSlug, response: Response) -> RequestedRefresh:
    """Request a refresh of a package. `Location` is the path of the refresh."""
    web = context_of(request)
    package_id = to_refresh(find(web.store.packages, package, LISTED_AT))
    (submitted,) = web.request_refreshes([package_id], Action.REFRESH, TOKEN, address_of(request))
    response.headers["Location"] = request.url_for("get_refresh", id=submitted.request.id).path
    response.headers["Cache-Control"] = "no-store"
    path = request.url_for("get_package", package=submitted.request.slug).path
    return RequestedRefresh.from_request(submitted.request, path, web.settings.time_zone, joined=submitted.joined)


@router.get("/api/v4/refreshes/{id}/", responses=errors(404, 503))
def get_refresh(request: Request, refresh_id: Annotated[str, Path(alias="id")], response: Response) -> Refresh:
    """Return the state of a refresh, and what it changed."""
    web = context_of(request)
    found = None if unstorable(refresh_id) else web.store.requests.get(refresh_id)
    if found is None:
        raise UnknownRefresh("no refresh has this id", "Finished refreshes are deleted after a week; request another")
    response.headers["Cache-Control"] = "no-store"
    path = request.url_for("get_package", package=found.slug).path
    return Refresh.from_request(found, path, web.settings.time_zone)


@router.get("/api/schema", include_in_schema=False)
def get_schema(conditions: Conditional) -> Response:
    """Return the description of this API in OpenAPI 3.1."""
    return conditional(conditions, dump(schema()).encode(), None)


def routes() -> list[BaseRoute]:
    """Return every route of the API."""
    return [*router.routes, *freshness.routes, *changes.routes, *stream.routes]


@cache
def schema() -> dict[str, Any]:
    """Return the OpenAPI description, generated from the routes and their models.

    FastAPI documents status 422 for refused parameters. They get 400 here, so those entries are removed.
    """
    described = get_openapi(
        title="Fetcher",
        version=__version__,
        description="Documents of the package directory, and refreshes of packages.",
        routes=routes(),
        separate_input_output_schemas=False,
    )
    for operations in described["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        described["components"]["schemas"].pop(name, None)
    return described


def _link(request: Request, wanted: Listing, offset: int) -> str:
    """Return the URL of the page that starts at ``offset``."""
    kept = [pair for pair in request.query_params.multi_items() if pair[0] not in ("limit", "offset")]
    query = urlencode([*kept, ("limit", wanted.limit), ("offset", offset)])
    return str(request.url.replace(query=query, fragment=""))
