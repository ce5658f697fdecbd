"""Authentication: tokens, their identities, and a GitHub App's installation tokens."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fetcher.simulator.upstreams.github.limits import ANONYMOUS

DEFAULT_TOKEN = "simulated-token"  # noqa: S105 - not a real account's token
DEFAULT_IDENTITY = "simulated-user"
TOKEN_LIFETIME = timedelta(hours=1)


@dataclass(slots=True)
class Credentials:
    """The valid tokens and their identities: limits are counted per identity, validators per token."""

    identities: dict[str, str] = field(default_factory=lambda: {DEFAULT_TOKEN: DEFAULT_IDENTITY})
    revoked: set[str] = field(default_factory=set)
    _expiry: dict[str, datetime] = field(default_factory=dict)
    _issued: int = 0

    @classmethod
    def of(cls, tokens: Mapping[str, str]) -> "Credentials":
        """Return credentials from a mapping token → identity."""
        return cls(identities=dict(tokens))

    def identity(self, token: str | None, address: str, now: datetime) -> str | None:
        """Return the identity of a request; None if its token is invalid."""
        if token is None:
            return ANONYMOUS + address
        if token in self.revoked or now >= self._expiry.get(token, now + TOKEN_LIFETIME):
            return None
        return self.identities.get(token)

    def issue(self, installation: int, now: datetime) -> tuple[str, datetime]:
        """Return a new token of a GitHub App's installation and its expiry; the App is one identity."""
        self._issued += 1
        token, expires = f"ghs_simulated{self._issued:06d}", now + TOKEN_LIFETIME
        self.identities[token] = f"installation {installation}"
        self._expiry[token] = expires
        return token, expires


def token_of(authorization: str | None) -> str | None:
    """Return the token of an ``Authorization`` header, in any form that GitHub accepts; None without one."""
    if not authorization:
        return None
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return value.strip()
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
