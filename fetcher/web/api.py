"""The API: the directory's documents as it publishes them, and refreshes that are asked for and followed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fetcher.catalogue.documents import dump, write_document
from fetcher.domain.views import Column, Listing, RefreshRequest
from fetcher.web.conditional import conditional, last_modified
from fetcher.web.faults import NotAllowed, Refused
from fetcher.web.openapi import schema
from fetcher.web.queries import find, read_listing, storable, to_refresh
from fetcher.web.resources import resource
from fetcher.web.site import Site, site_of

PAGE = 20
LISTED_AT = "/api/v4/packages/"
EDITED = frozenset({Column.ID, Column.SLUG, Column.TITLE, Column.CREATED, Column.MODIFIED})
"""Columns that editors alone write: in their order, a page's packages change by an editor's word only."""
NO_TOKEN = "refreshing by HTTP is switched off"  # noqa: S105  (a sentence)
NO_TOKEN_REMEDY = "Set FETCHER_WEB_TOKEN for the web process"  # noqa: S105  (a sentence)


def packages(request: Request) -> Response:
    """A page of documents, in the directory's own shape."""
    site, now = site_of(request), site_of(request).clock.now()
    wanted = read_listing(request.query_params, sort="id", limit=PAGE)
    listed = site.store.listing(wanted, site.stale_before(now))
    stored = site.store.packages([row.id for row in listed.rows])
    page = {
        "count": listed.count,
        "next": _link(request, wanted, wanted.offset + wanted.limit) if listed.more else None,
        "previous": _link(request, wanted, max(wanted.offset - wanted.limit, 0)) if wanted.offset else None,
        "results": [write_document(package, site.settings.time_zone, now.date()) for package in stored],
    }
    if listed.counted:
        page["count_is"] = f"{listed.counted} {listed.count:,}"
    # What refreshes, or time alone, put in another order or select anew changes without one of these being asked.
    steady = wanted.sort in EDITED and wanted.state is None and not wanted.search
    modified = last_modified(site.store.touched_at([row.id for row in listed.rows]), now) if steady else None
    return conditional(request, dump(page).encode(), modified)


def package(request: Request) -> Response:
    """One document."""
    site, now = site_of(request), site_of(request).clock.now()
    found = find(site.store, request.path_params["package"], LISTED_AT)
    document = write_document(found, site.settings.time_zone, now.date())
    modified = last_modified(site.store.touched_at([found.entry.id or 0]), now)
    return conditional(request, dump(document).encode(), modified)


def refresh(request: Request) -> Response:
    """Ask for a refresh: 202, and where it can be followed."""
    site = site_of(request)
    _check_token(request, site)
    package_id = to_refresh(find(site.store, request.path_params["package"], LISTED_AT))
    (asked,) = site.workings.refresh([package_id], site.clock.now())
    where = request.url_for("refresh", id=asked.request.id)
    body = {**_printed(request, asked.request, site), "joined": asked.joined}
    return JSONResponse(body, 202, {"Location": where.path, "Cache-Control": "no-store"})


def refresh_request(request: Request) -> Response:
    """How far a refresh is, and what it changed."""
    site, name = site_of(request), request.path_params["id"]
    found = site.store.request(name) if storable(name) else None
    if found is None:
        return JSONResponse(
            {"detail": "no refresh has this id", "remedy": "What is finished is forgotten after a week; ask again"}, 404
        )
    return JSONResponse(_printed(request, found, site), headers={"Cache-Control": "no-store"})


def openapi(request: Request) -> Response:
    """This API, described."""
    return conditional(request, json.dumps(schema(), ensure_ascii=False).encode(), None)


def _check_token(request: Request, site: Site) -> None:
    if not site.sessions.possible:
        raise Refused(NO_TOKEN, NO_TOKEN_REMEDY)
    if not site.sessions.bearer(request):
        raise NotAllowed("the operator's token is missing or wrong", "Send `Authorization: Bearer FETCHER_WEB_TOKEN`")


def _link(request: Request, wanted: Listing, offset: int) -> str:
    """The address of the page that starts at ``offset``."""
    kept = [pair for pair in request.query_params.multi_items() if pair[0] not in ("limit", "offset")]
    query = urlencode([*kept, ("limit", wanted.limit), ("offset", offset)])
    return str(request.url.replace(query=query, fragment=""))


def _printed(request: Request, asked: RefreshRequest, site: Site) -> dict[str, Any]:
    zone = site.settings.time_zone

    def moment(name: str) -> str | None:
        at = getattr(asked, name)
        return at.astimezone(zone).isoformat() if at else None

    return {
        "id": asked.id,
        "package": request.url_for("package", package=asked.slug).path,
        "slug": asked.slug,
        "state": str(asked.state),
        "asked_at": moment("asked_at"),
        "started_at": moment("started_at"),
        "finished_at": moment("finished_at"),
        "changed": {change.field: {"before": change.before, "after": change.after} for change in asked.changes},
        "failures": [
            {"source": str(failure.source), "outcome": failure.outcome, "message": failure.message}
            for failure in asked.failures
        ],
        "reason": asked.reason,
    }


ROUTES: list[Route] = [
    resource(LISTED_AT, "packages", get=packages),
    resource("/api/v4/packages/{package}/", "package", get=package),
    resource("/api/v4/packages/{package}/refresh/", "ask", post=refresh),
    resource("/api/v4/refreshes/{id}/", "refresh", get=refresh_request),
    resource("/api/schema", "schema", get=openapi),
]
