"""A path and what may be done there: ``HEAD``, ``OPTIONS`` and ``Allow`` follow from the methods that it has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Handler: TypeAlias = Callable[[Request], Response]
FormHandler: TypeAlias = Callable[[Request], Awaitable[Response]]


def resource(path: str, name: str, *, get: Handler | None = None, post: Handler | None = None) -> Route:
    """A route of the API. Handlers wait for the database, so each has a thread."""
    handlers = {method: handler for method, handler in (("GET", get), ("HEAD", get), ("POST", post)) if handler}
    allow = ", ".join([*handlers, "OPTIONS"])

    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": allow})
        handler = handlers.get(request.method)
        if handler is None:
            raise HTTPException(405, f"{request.method} is not possible here", {"Allow": allow})
        response = await run_in_threadpool(handler, request)
        response.headers["Allow"] = allow
        if request.method == "HEAD":
            response.body = b""  # the length stays, as RFC 9110 has it
        return response

    return Route(path, _Application(endpoint), name=name)


class _Application:
    """An endpoint that is given every method: Starlette would answer for those that a function does not have."""

    def __init__(self, endpoint: FormHandler) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._endpoint(request)
        await response(scope, receive, send)
