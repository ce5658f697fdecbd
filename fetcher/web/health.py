"""Whether this process lives, and whether everything behind it does, part by part."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fetcher.domain.errors import FetcherError
from fetcher.domain.formatting import silence
from fetcher.ports import PLANNED
from fetcher.web.site import Site, site_of
from tasks.inspection import idle

OK = "ok"


def healthz(request: Request) -> Response:
    """Alive: it answers."""
    return JSONResponse({"alive": True})


def readyz(request: Request) -> Response:
    """Ready, and which part is not: 503 then."""
    site = site_of(request)
    parts = {name: _told(check, site) for name, check in CHECKS.items()}
    ready = all(said == OK for said in parts.values())
    return JSONResponse({"ready": ready, "parts": parts}, 200 if ready else 503, {"Cache-Control": "no-store"})


def beat(site: Site) -> str:
    """Seen by its last plan, which a worker has carried out."""
    planned_at = site.store.marker(PLANNED).observed_at
    return silence(planned_at, site.clock.now(), site.settings.plan_interval) or OK


def _database(site: Site) -> str:
    site.store.marker(PLANNED)
    return OK


def _redis(site: Site) -> str:
    site.workings.queues()
    return OK


def _workers(site: Site) -> str:
    return idle(site.workings.queues()) or OK


CHECKS: dict[str, Callable[[Site], str]] = {
    "database": _database,
    "redis": _redis,
    "beat": beat,
    "workers": _workers,
}


def _told(check: Callable[[Site], str], site: Site) -> str:
    try:
        return check(site)
    except FetcherError as error:
        return str(error)
