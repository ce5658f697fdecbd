"""Liveness and readiness: the process itself, and each service it depends on."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fetcher.domain.errors import FetcherError
from fetcher.domain.formatting import silence
from fetcher.ports import PLANNED
from fetcher.web.context import WebContext, context_of, pauses
from tasks.inspection import idle

OK = "ok"


def healthz(request: Request) -> Response:
    """Respond with status 200 while the process serves requests."""
    return JSONResponse({"alive": True})


def readyz(request: Request) -> Response:
    """Respond with the status of each dependency: 200 if all are ready, 503 otherwise.

    An operator's pause is named and is not an outage.
    """
    web = context_of(request)
    parts = {name: _status(check, web) for name, check in CHECKS.items()}
    ready = all(status == OK for status in parts.values())
    paused = [one.in_words(web.clock.now()) for one in pauses(web)]
    body = {"ready": ready, "parts": parts} | ({"paused": paused} if paused else {})
    return JSONResponse(body, 200 if ready else 503, {"Cache-Control": "no-store"})


def beat(web: WebContext) -> str:
    """Return the status of beat, derived from the last plan that a worker carried out."""
    planned_at, embedded = web.store.checkpoints.get(PLANNED).observed_at, web.settings.redis_url is None
    return silence(planned_at, web.clock.now(), web.settings.plan_interval, embedded=embedded) or OK


def _database(web: WebContext) -> str:
    web.store.checkpoints.get(PLANNED)
    return OK


def _redis(web: WebContext) -> str:
    web.runtime.queues()
    return OK


def _workers(web: WebContext) -> str:
    return idle(web.runtime.queues()) or OK


CHECKS: dict[str, Callable[[WebContext], str]] = {
    "database": _database,
    "redis": _redis,
    "beat": beat,
    "workers": _workers,
}


def _status(check: Callable[[WebContext], str], web: WebContext) -> str:
    try:
        return check(web)
    except FetcherError as error:
        return str(error)
