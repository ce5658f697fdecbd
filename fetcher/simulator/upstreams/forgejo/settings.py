"""The settings of the simulated Forgejo."""

from dataclasses import dataclass, field
from datetime import timedelta

HALF_AN_HOUR = timedelta(minutes=30)
TOKEN = "simulated-forgejo-token"  # noqa: S105 - not a real account's token


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgejo:
    """The features of an instance."""

    requests: int = 4_000
    """Requests of one address in half an hour that the proxy before it passes on; 0 is any number."""
    sign_in: bool = False
    """The instance serves nothing without an account."""


@dataclass(frozen=True, kw_only=True)
class ForgejoSettings:
    """Forgejo's part of the simulator's settings."""

    forgejo: Forgejo = field(default_factory=Forgejo)
