"""Error responses: JSON under ``/api`` and ``/hooks``, a page elsewhere. Each states what is wrong and a remedy."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fetcher.domain.errors import BrokerError, FetcherError, PausedWork, RetiredPackage, StoreError, UnknownPackage
from fetcher.web.operators import TooManyAttempts
from fetcher.web.rendering import render

log = structlog.get_logger(__name__)

QUOTED = 40
"""Longest part of a refused value that an error repeats, in characters."""


PARAMETERS = {
    "/api/v4/changes/stream": "The parameter is since",
    "/api/v4/changes": "The parameters are since, limit and wait",
}
LISTING_PARAMETERS = "The parameters are search, state, sort, limit and offset"
"""Remedies for an unknown parameter, by path, and of a listing."""


CURSOR_REMEDY = "Send the cursor `next` of an earlier page unchanged, or `now`"
"""Remedy for a cursor of the change feed that is not one."""


class BadRequest(FetcherError):
    """A form cannot be read, or selects nothing."""


class Unauthorized(FetcherError):
    """The request does not carry the operator's token."""


class Forbidden(FetcherError):
    """The action is not available, with any credential."""


class TooLarge(FetcherError):
    """A body is larger than accepted."""


class OutdatedCursor(FetcherError):
    """The changes after a cursor are no longer stored."""


class UnknownRefresh(FetcherError):
    """No stored refresh has the id."""


STATUSES: dict[type[FetcherError], HTTPStatus] = {
    BadRequest: HTTPStatus.BAD_REQUEST,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    UnknownPackage: HTTPStatus.NOT_FOUND,
    UnknownRefresh: HTTPStatus.NOT_FOUND,
    RetiredPackage: HTTPStatus.CONFLICT,
    OutdatedCursor: HTTPStatus.GONE,
    PausedWork: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    BrokerError: HTTPStatus.SERVICE_UNAVAILABLE,
}

ROUTING_ERRORS = {
    HTTPStatus.NOT_FOUND: ("there is nothing at this address", "/api/schema lists the paths of the API"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("this address does not support the method", "The Allow header lists the methods"),
}
"""Detail and remedy for the errors that the router raises."""


def on_fetcher_error(request: Request, error: Exception) -> Response:
    """Respond with the message and the remedy of a ``FetcherError``."""
    if not isinstance(error, FetcherError):
        raise error
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), HTTPStatus.SERVICE_UNAVAILABLE)
    if isinstance(error, TooManyAttempts):
        return _error(request, status, error.message, error.remedy, {"Retry-After": str(error.seconds)})
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
    return _error(request, status, error.message, error.remedy, headers)


def on_invalid_parameters(request: Request, error: Exception) -> Response:
    """Respond with status 400, which repeats the first parameter that validation refused."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    _, name, *_ = first["loc"]
    if first["type"] == "extra_forbidden":
        detail, remedy = f"unknown parameter {quoted(str(name))}", PARAMETERS.get(request.url.path, LISTING_PARAMETERS)
    else:
        remedy = CURSOR_REMEDY if name == "since" else first["msg"]
        detail = f"{name} {quoted(str(first['input']))} is not valid"
    return _error(request, HTTPStatus.BAD_REQUEST, detail, remedy, {})


def quoted(value: str) -> str:
    """Return a refused value as an error repeats it."""
    return repr(value if len(value) <= QUOTED else value[:QUOTED] + "…")


def on_http_error(request: Request, error: Exception) -> Response:
    """Respond to an ``HTTPException`` of the router: an unknown path or method."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    detail, remedy = ROUTING_ERRORS.get(status, (str(error.detail), ""))
    return _error(request, status, detail, remedy, dict(error.headers or {}))


def on_crash(request: Request, error: Exception) -> Response:
    """Log an unexpected exception and respond with status 500, without details."""
    log.error("crash", path=request.url.path, exc_info=error)
    detail, remedy = "an unexpected error occurred", "The log of the web process has the traceback"
    return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail, remedy, {})


def _error(request: Request, status: HTTPStatus, detail: str, remedy: str, headers: dict[str, str]) -> Response:
    if request.url.path.startswith(("/api/", "/hooks/")):
        return JSONResponse({"detail": detail, "remedy": remedy}, status, headers)
    values = {"status": int(status), "detail": detail, "remedy": remedy, "pauses": ()}
    return render(request, "error.html", values, status_code=int(status), headers=headers)
