"""Authentication of webhooks by each forge's rules, in constant time. Source: the forges' webhook documentation."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256


class Forge(StrEnum):
    """A kind of forge that sends webhooks. Its value is the last part of the path that receives them."""

    GITHUB = "github"
    GITLAB = "gitlab"
    FORGEJO = "forgejo"
    """Forgejo and Gitea, which sign alike."""


TOLERANCE = timedelta(minutes=5)
"""Largest difference between a signed timestamp and this machine's clock (Standard Webhooks, "Verifying")."""

_SIGNING_KEY = "whsec_"
"""Prefix of a signing key in base64 (Standard Webhooks)."""

Headers = Mapping[str, str]
"""Headers by names in lower case."""


def is_authentic(forge: Forge, headers: Headers, body: bytes, secret: str, now: datetime) -> bool:
    """Return whether a holder of ``secret`` sent the raw ``body``."""
    return _CHECKS[forge](headers, body, secret, now)


def sends_secret(forge: Forge, headers: Headers) -> bool:
    """Return whether the request states a secret instead of a signature, so that secrets can be guessed by it."""
    return forge is Forge.GITLAB and "webhook-signature" not in headers


def _github(headers: Headers, body: bytes, secret: str, now: datetime) -> bool:
    algorithm, _, signature = headers.get("x-hub-signature-256", "").partition("=")
    return algorithm == "sha256" and _is_hex_of(signature, body, secret)


def _forgejo(headers: Headers, body: bytes, secret: str, now: datetime) -> bool:
    signature = headers.get("x-forgejo-signature") or headers.get("x-gitea-signature", "")
    return _is_hex_of(signature, body, secret)


def _gitlab(headers: Headers, body: bytes, secret: str, now: datetime) -> bool:
    """Check the signature of newer versions, which follow Standard Webhooks, or the secret token."""
    if "webhook-signature" in headers:
        return _is_standard(headers, body, secret, now)
    return _same(headers.get("x-gitlab-token", ""), secret)


def _is_standard(headers: Headers, body: bytes, secret: str, now: datetime) -> bool:
    """Check ``webhook-signature``: versions and HMACs of id, timestamp and body, separated by spaces."""
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        return False
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()
    given = headers["webhook-signature"].split(" ")[:8]
    return any([_same(one, f"v1,{expected}") for one in given])  # noqa: C419  (a list: all are compared)


def _key(secret: str) -> bytes:
    if secret.startswith(_SIGNING_KEY):
        try:
            return base64.b64decode(secret.removeprefix(_SIGNING_KEY), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def _is_hex_of(signature: str, body: bytes, secret: str) -> bool:
    return _same(signature, hmac.new(secret.encode(), body, sha256).hexdigest())


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


_CHECKS: Mapping[Forge, Callable[[Headers, bytes, str, datetime], bool]] = {
    Forge.GITHUB: _github,
    Forge.GITLAB: _gitlab,
    Forge.FORGEJO: _forgejo,
}
