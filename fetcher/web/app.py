"""The web application: routes, security headers and error handlers."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fetcher.domain.errors import FetcherError
from fetcher.web import actions, api, atom, errors, health, hooks, metrics, pages, pausing
from fetcher.web.context import WebContext
from fetcher.web.hosts import AllowedHosts

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
"""Security headers: no content from other origins, nothing inline, no framing."""


class SecurityHeaders:
    """Middleware that adds ``HEADERS`` to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_headers)


def favicon(_request: Request) -> Response:
    """Respond with the icon to clients that ignore the page's own link to it."""
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")


ROUTES: list[BaseRoute] = [
    Route("/", pages.overview),
    Route("/packages", pages.packages),
    Route("/packages/{slug}", pages.package),
    Route("/packages/{slug}/changes.atom", atom.package_feed),
    Route("/changes.atom", atom.catalogue_feed),
    Route("/packages/{slug}/refresh", actions.refresh, methods=["POST"]),
    Route("/failures", pages.failures),
    Route("/failures/retry", actions.retry, methods=["POST"]),
    Route("/pause", pausing.pause, methods=["POST"]),
    Route("/resume", pausing.resume, methods=["POST"]),
    Route("/login", pages.login),
    Route("/login", actions.login, methods=["POST"]),
    Route("/logout", actions.logout, methods=["POST"]),
    Route("/hooks/{forge}", hooks.hook, methods=["POST"]),
    *api.routes(),
    Route("/healthz", health.healthz),
    Route("/readyz", health.readyz),
    Route("/metrics", metrics.metrics),
    Route("/favicon.ico", favicon),
    Mount("/static", StaticFiles(directory=STATIC)),
]


HANDLERS = {
    FetcherError: errors.on_fetcher_error,
    RequestValidationError: errors.on_invalid_parameters,
    HTTPException: errors.on_http_error,
    Exception: errors.on_crash,
}


def make_app(context: WebContext) -> ASGIApp:
    """Return the application over ``context``.

    FastAPI's documentation pages are off, because they load scripts from a CDN. Its telemetry is off, because no data
    may leave the process.
    """
    app = FastAPI(
        routes=ROUTES,
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.state.context = context
    settings = context.settings
    return SecurityHeaders(AllowedHosts(app, [settings.web_host, *settings.web_hosts.split(",")]))
