"""Allowed hosts: a request must address this server by a known name. The API's links contain that name."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine for itself."""

ANY = "*"
"""Value of ``FETCHER_WEB_HOSTS`` that allows every host."""

_HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{0,5})?")


class AllowedHosts:
    """Middleware that responds with status 400 to a ``Host`` that is not allowed, or not readable.

    Allowed are local names, the bound address, the local address of the connection, and ``names``.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(map(plain, names)) | LOCAL
        self._any = ANY in names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = host_of(Headers(scope=scope).get("host", ""))
        own, _ = scope.get("server") or ("", None)
        if host is not None and (self._any or host in self._names or _is_address(host, own)):
            await self._app(scope, receive, send)
            return
        await _refusal(scope["path"])(scope, receive, send)


def _refusal(path: str) -> Response:
    """Return the response to a request by another name: JSON below ``/api/`` and ``/hooks/``, otherwise text.

    The name is not repeated, because an attacker may have chosen it.
    """
    detail, remedy = "this host is not allowed", "Add its name to FETCHER_WEB_HOSTS of the web process"
    if path.startswith(("/api/", "/hooks/")):
        return JSONResponse({"detail": detail, "remedy": remedy}, 400)
    return PlainTextResponse(f"{detail}. {remedy}.\n", 400)


def host_of(header: str) -> str | None:
    """Return the host in a ``Host`` header, without its port, or ``None`` if it is not readable."""
    found = _HOST.fullmatch(header)
    return plain(found[1]) if found else None


def plain(name: str) -> str:
    """Return a host's name in the form that is compared."""
    return name.strip().strip("[]").rstrip(".").lower()


def _is_address(host: str, own: str) -> bool:
    try:
        return ipaddress.ip_address(host) == ipaddress.ip_address(own)
    except ValueError:
        return False
