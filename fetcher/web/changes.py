"""The change feed over HTTP: pages with long polling, and a stream of server-sent events on the same cursor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic.json_schema import SkipJsonSchema
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from fetcher.catalogue.documents import write_document
from fetcher.domain.changes import TOMBSTONES, Change, ChangePage, Cursor, Feed, parse_cursor
from fetcher.domain.errors import FetcherError
from fetcher.web.change_models import NOW, ChangedPackages, ChangesQuery, StreamQuery
from fetcher.web.conditional import matches
from fetcher.web.context import WebContext, context_of
from fetcher.web.described import errors
from fetcher.web.errors import BadRequest, OutdatedCursor
from fetcher.web.resource import Resource

CHANGES_AT = "/api/v4/changes"
STREAM_AT = CHANGES_AT + "/stream"

CURSOR_HEADER = "Fetcher-Cursor"
"""Header of a page of documents: the end of the change feed before the page was read."""

_LAST_EVENT = Header(description="Cursor of the last event; it precedes `since`.")

_PAGE = 100
"""Changes read at once for a stream."""

_NOT_CHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Nothing has changed since the client's cursor."}}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One event `change` a changed package, with its cursor as id and the JSON of a page's result.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

router = APIRouter(route_class=Resource, generate_unique_id_function=lambda route: route.name)
stream_router = APIRouter(generate_unique_id_function=lambda route: route.name)
"""The stream has no HEAD, which would last as long as a GET."""


@router.get(CHANGES_AT, response_model=ChangedPackages, responses={**_NOT_CHANGED, **errors(400, 410, 503)})
async def list_changes(
    request: Request,
    query: Annotated[ChangesQuery, Query()],
    if_none_match: Annotated[str | SkipJsonSchema[None], Header()] = None,
) -> Response:
    """Return the packages that changed since a cursor, each once, with its newest state.

    The tag is the cursor of the following page. Weeks that move on with the date, and `last_fetched`, are no change.
    """
    web = context_of(request)
    page = await run_in_threadpool(_page, web, query.since, query.limit)
    if not page.changes and query.wait:
        with web.followers.place():
            await web.followers.wait(page.after.position, query.wait)
        page = await run_in_threadpool(_page, web, str(page.after), query.limit)
    headers = {"ETag": f'W/"{page.next}"', "Cache-Control": "no-cache"}
    if matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    body = await run_in_threadpool(_json_of, web, page)
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))  # an indented page would take ten times as long
    return Response(text, media_type="application/json", headers=headers)


@stream_router.get(STREAM_AT, response_class=StreamingResponse, responses={**_STREAM, **errors(400, 410, 503)})
async def stream_changes(
    request: Request,
    query: Annotated[StreamQuery, Query()],
    last_event_id: Annotated[
        str | SkipJsonSchema[None], Header(description="Cursor of the last event; precedes `since`.")
    ] = None,
) -> Response:
    """Return the changes since a cursor as server-sent events, and each later change when it is made."""
    web = context_of(request)
    page = await run_in_threadpool(_page, web, last_event_id or query.since, _PAGE)
    with web.followers.place():
        pass  # a full process refuses with a status; the stream itself takes the place
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    longest = web.followers.stream_seconds + web.followers.keep_alive
    return EventStream(events(web, page), longest, headers)


class EventStream(StreamingResponse):
    """A stream that ends after ``seconds``, also while its client does not read.

    Such a client would otherwise keep its place among the followers for as long as its connection lives.
    """

    def __init__(self, stream: AsyncGenerator[str], seconds: float, headers: Mapping[str, str]) -> None:
        super().__init__(stream, media_type="text/event-stream", headers=headers)
        self._stream = stream
        self._seconds = seconds

    async def stream_response(self, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await super().stream_response(send)
        except TimeoutError:
            return
        finally:
            await self._stream.aclose()


async def events(web: WebContext, page: ChangePage) -> AsyncGenerator[str]:
    """Yield the changes of ``page`` and all later ones as server-sent events, with a comment while there is none."""
    clock, followers = asyncio.get_running_loop().time, web.followers
    with followers.place(), suppress(FetcherError):  # the client connects again, and then receives a status
        end = clock() + followers.stream_seconds
        yield "retry: 5000\n\n"
        while True:
            body = await run_in_threadpool(_json_of, web, page)
            for one in body["results"]:
                yield f"id: {one['cursor']}\nevent: change\ndata: {json.dumps(one, ensure_ascii=False)}\n\n"
            while not page.more:
                left = max(end - clock(), 0)
                if await followers.wait(page.next.position, min(followers.keep_alive, left)):
                    break
                if clock() >= end:
                    return
                yield ": no change\n\n"
            page = await run_in_threadpool(_page, web, str(page.next), _PAGE)


def _page(web: WebContext, since: str | None, limit: int) -> ChangePage:
    """Return the page after the cursor ``since``. Raise ``OutdatedCursor`` if changes after it are not stored."""
    changes = web.store.changes
    changes.renew(web.clock.now())
    after = _cursor(since, changes.extent())
    page = changes.page(after, limit)
    if not page.feed.holds(after):
        raise OutdatedCursor(
            "the changes after this cursor are no longer stored, or it is of another database",
            "Take all packages by `fetcher export` or from /api/v4/packages/?limit=1000, "
            f"then continue from the cursor that it states: --cursor or the header {CURSOR_HEADER}",
        )
    return page


def _cursor(since: str | None, feed: Feed) -> Cursor:
    if not since:
        return feed.start
    if since == NOW:
        return feed.end
    found = parse_cursor(since)
    if found is None:
        raise BadRequest("the cursor cannot be read", "Send `next` of the last page, unchanged")
    return found


def _json_of(web: WebContext, page: ChangePage) -> dict[str, Any]:
    """Return the page as JSON, with the documents as they are now."""
    today = web.clock.now().date()
    living = [one.package_id for one in page.changes if one.kind not in TOMBSTONES]
    documents = {
        package.entry.id: write_document(package, web.settings.time_zone, today)
        for package in web.store.packages.documents(living)
    }
    return {
        "results": [_result(web, page, one, documents.get(one.package_id)) for one in page.changes],
        "next": str(page.next),
        "done": not page.more,
    }


def _result(web: WebContext, page: ChangePage, one: Change, document: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "cursor": str(page.after.at(one.position)),
        "id": one.package_id,
        "slug": one.slug,
        "kind": str(one.kind),
        "fields": list(one.fields),
        "events": [str(event) for event in one.events],
        "at": _local(web, one.at),
        "package": document,
    }


def _local(web: WebContext, moment: datetime) -> str:
    return moment.astimezone(web.settings.time_zone).isoformat()
