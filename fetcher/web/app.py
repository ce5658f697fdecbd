"""The web application: its routes, its headers, and what becomes of what goes wrong."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fetcher.domain.errors import FetcherError
from fetcher.web import actions, api, faults, health, metrics, pages
from fetcher.web.site import Site

STATIC = Path(__file__).parent / "static"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Nothing from elsewhere, nothing inline, in nobody's frame."""


class Guarded:
    """Puts ``HEADERS`` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)


ROUTES: list[BaseRoute] = [
    Route("/", pages.overview),
    Route("/packages", pages.packages),
    Route("/packages/{slug}", pages.package),
    Route("/packages/{slug}/refresh", actions.refresh, methods=["POST"]),
    Route("/failures", pages.failures),
    Route("/failures/retry", actions.retry, methods=["POST"]),
    Route("/login", pages.login),
    Route("/login", actions.login, methods=["POST"]),
    Route("/logout", actions.logout, methods=["POST"]),
    *api.ROUTES,
    Route("/healthz", health.healthz),
    Route("/readyz", health.readyz),
    Route("/metrics", metrics.metrics),
    Mount("/static", StaticFiles(directory=STATIC)),
]


def make_app(site: Site) -> ASGIApp:
    """The application over ``site``."""
    app = Starlette(
        routes=ROUTES,
        exception_handlers={
            FetcherError: faults.on_fetcher_error,
            HTTPException: faults.on_http_error,
            Exception: faults.on_crash,
        },
    )
    app.state.site = site
    return Guarded(app)
