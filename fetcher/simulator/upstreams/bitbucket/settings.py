"""The settings of the simulated Bitbucket."""

from dataclasses import dataclass, field

TOKEN = "simulated-bitbucket-token"  # noqa: S105 - not a real account's token


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitbucket:
    """The limits of the API, which does not count git; 0 is any number."""

    anonymous_per_hour: int = 60
    """Requests of one address without an account."""
    account_per_hour: int = 1_000


@dataclass(frozen=True, kw_only=True)
class BitbucketSettings:
    """Bitbucket's part of the simulator's settings."""

    bitbucket: Bitbucket = field(default_factory=Bitbucket)
