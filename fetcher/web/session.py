"""Who may ask for refreshes: by the operator's token in a header, or by a session that was opened with it.

A session is a cookie that the token itself signs, so nothing is kept on the server and another token ends every one.
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
LASTS = 12 * 3600
"""Seconds until a person logs in again."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in. ``csrf`` is in each of their forms, where no other site can read it."""

    csrf: str


class Sessions:
    """Opens sessions with the operator's token, and knows them again. Without a token there are none."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = token.get_secret_value() if token is not None else ""
        self._signer = URLSafeTimedSerializer(self._token, salt="fetcher.web.session") if self._token else None

    @property
    def possible(self) -> bool:
        return self._signer is not None

    def accepts(self, given: str) -> bool:
        """Whether this is the token; how long that takes does not tell how much of it is right."""
        return bool(self._token) and secrets.compare_digest(given.encode(), self._token.encode())

    def bearer(self, request: Request) -> bool:
        """Whether the request carries the token in ``Authorization``."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.accepts(given.strip())

    def open(self, request: Request, response: Response) -> None:
        """Have the browser remember that the token was given."""
        if self._signer is None:
            return
        response.set_cookie(
            COOKIE,
            str(self._signer.dumps(secrets.token_urlsafe(16))),
            max_age=LASTS,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )

    def close(self, response: Response) -> None:
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    def read(self, request: Request) -> Session | None:
        """The session that the request's cookie is of."""
        cookie = request.cookies.get(COOKIE)
        if self._signer is None or not cookie:
            return None
        try:
            return Session(str(self._signer.loads(cookie, max_age=LASTS)))
        except BadData:
            return None


def is_ours(request: Request, session: Session, form: Mapping[str, str]) -> bool:
    """Whether a form was sent from one of our pages, by the person whose session it is."""
    return from_here(request) and secrets.compare_digest(form.get("csrf", "").encode(), session.csrf.encode())


def from_here(request: Request) -> bool:
    """Whether the browser says that the form was on a page of this site; one that says nothing is believed."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def local_path(text: str) -> str:
    """``text`` if it leads to a page of this site, else the first page: a login sends nobody elsewhere."""
    good = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if good else "/"
