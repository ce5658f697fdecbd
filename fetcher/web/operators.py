"""Checks of the operator's token: wrong ones are logged, and delay the next check of their address."""

from __future__ import annotations

import math

import structlog
from starlette.requests import Request

from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.errors import FetcherError
from fetcher.web.context import context_of

log = structlog.get_logger(__name__)

SESSION, TOKEN = "session", "token"
"""Actors in the audit log: an operator at the page, and a client of the API."""


class TooManyAttempts(FetcherError):
    """A token of an address that has sent wrong ones, before its delay has passed."""

    def __init__(self, message: str, remedy: str = "", seconds: int = 1) -> None:
        super().__init__(message, remedy)
        self.seconds = seconds
        """Seconds until a token is checked again."""


def address_of(request: Request) -> str:
    """Return the client's network address."""
    return request.client.host if request.client is not None else "unknown"


def is_operator(request: Request, token: str) -> bool:
    """Return whether ``token`` is the operator's. Raise ``TooManyAttempts`` after several wrong ones of the address."""
    web, address = context_of(request), address_of(request)
    now = web.clock.now()
    delay = web.throttle.delay(address, now)
    if delay:
        seconds = max(math.ceil(delay.total_seconds()), 1)
        raise TooManyAttempts("too many wrong tokens from this address", f"Try again in {seconds} s", seconds)
    if web.sessions.accepts(token):
        web.throttle.succeeded(address)
        return True
    number = web.throttle.failed(address, now)
    log.warning("login failed", address=address, path=request.url.path, attempts=number)
    detail = f"{request.url.path}, attempt {number}"
    web.audit([AuditEntry(now, "unknown", Action.LOGIN_FAILED, detail=detail, address=address)])
    return False
