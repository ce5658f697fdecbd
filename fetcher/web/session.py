"""Authentication of the operator: a bearer token, or a session opened with it.

A session is a cookie signed with the token. The server stores nothing, and a new token ends every session.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

COOKIE = "fetcher_session"
MAX_AGE = 12 * 3600
"""Seconds until a session expires."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the operator. ``csrf`` is in each of its forms, where no other site can read it."""

    csrf: str


class Sessions:
    """Sessions signed with the operator's token. Without a token there are none."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = token.get_secret_value() if token is not None else ""
        self._signer = URLSafeTimedSerializer(self._token, salt="fetcher.web.session") if self._token else None

    @property
    def possible(self) -> bool:
        return self._signer is not None

    def accepts(self, token: str) -> bool:
        """Return whether ``token`` is the operator's, in constant time."""
        return bool(self._token) and secrets.compare_digest(token.encode(), self._token.encode())

    def open(self, request: Request, response: Response) -> None:
        """Set the cookie of a new session."""
        if self._signer is None:
            return
        response.set_cookie(
            COOKIE,
            str(self._signer.dumps(secrets.token_urlsafe(16))),
            max_age=MAX_AGE,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )

    def close(self, response: Response) -> None:
        """Delete the cookie."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    def read(self, request: Request) -> Session | None:
        """Return the session of the request's cookie, or ``None`` if the cookie is absent, forged or expired."""
        cookie = request.cookies.get(COOKIE)
        if self._signer is None or not cookie:
            return None
        try:
            return Session(str(self._signer.loads(cookie, max_age=MAX_AGE)))
        except BadData:
            return None


def has_csrf_token(request: Request, session: Session, form: Mapping[str, str]) -> bool:
    """Return whether the form was sent from a page of this site, in this session."""
    return is_same_origin(request) and secrets.compare_digest(form.get("csrf", "").encode(), session.csrf.encode())


def is_same_origin(request: Request) -> bool:
    """Return whether the browser reports this site as the form's origin. Accept browsers that report no origin."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:  # a text that is no address, such as `http://[`
        return False


def local_path(text: str) -> str:
    """Return ``text`` if it is a path of this site, and ``/`` otherwise: a login redirects to no other site."""
    local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if local else "/"
