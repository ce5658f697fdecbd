"""What goes wrong, told to whoever asked: JSON under ``/api``, a page elsewhere; what it was and what to do."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fetcher.domain.errors import BrokerError, FetcherError, RetiredPackage, StoreError, UnknownPackage
from fetcher.web.rendering import render

log = structlog.get_logger(__name__)


class BadQuery(FetcherError):
    """A parameter cannot be read."""


class NotAllowed(FetcherError):
    """Whoever asks has not shown the operator's token."""


class Refused(FetcherError):
    """Nobody may do this, whoever asks."""


STATUSES: dict[type[FetcherError], HTTPStatus] = {
    BadQuery: HTTPStatus.BAD_REQUEST,
    NotAllowed: HTTPStatus.UNAUTHORIZED,
    Refused: HTTPStatus.FORBIDDEN,
    UnknownPackage: HTTPStatus.NOT_FOUND,
    RetiredPackage: HTTPStatus.CONFLICT,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    BrokerError: HTTPStatus.SERVICE_UNAVAILABLE,
}

REFUSALS = {
    HTTPStatus.NOT_FOUND: ("there is nothing at this address", "/api/schema names what there is"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("this address does not know the method", "The header Allow names those it knows"),
}
"""What Starlette has one word for, and what to do."""


def on_fetcher_error(request: Request, error: Exception) -> Response:
    """Our own failures carry their own words."""
    if not isinstance(error, FetcherError):
        raise error
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), HTTPStatus.SERVICE_UNAVAILABLE)
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
    return _told(request, status, error.message, error.remedy, headers)


def on_http_error(request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself: an unknown path, another method."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    detail, remedy = REFUSALS.get(status, (str(error.detail), ""))
    return _told(request, status, detail, remedy, dict(error.headers or {}))


def on_crash(request: Request, error: Exception) -> Response:
    """A mistake of ours: nothing of it leaves the house but that it happened."""
    log.error("crash", path=request.url.path, exc_info=error)
    return _told(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "something broke here", "The log of the web process says what", {}
    )


def _told(request: Request, status: HTTPStatus, detail: str, remedy: str, headers: dict[str, str]) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": detail, "remedy": remedy}, status, headers)
    context = {"status": int(status), "detail": detail, "remedy": remedy}
    return render(request, "error.html", context, status_code=int(status), headers=headers)
