"""Value types of the quota domain, and the protocol that every quota ledger implements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from fetcher.domain.model import Purpose, ReportedQuota
from fetcher.quota.limits import Policies


class PauseCause(StrEnum):
    """Why an upstream must not be requested for a while."""

    QUOTA = "quota"
    """The primary quota is used up; it is renewed at its reset."""
    LIMIT = "limit"
    """Another rate limit was exceeded: GitHub's secondary limits, or 429 from an index."""
    REJECTED = "rejected"
    """The credential was rejected. Waiting does not help: an operator must replace it."""


@dataclass(frozen=True, slots=True)
class QuotaRequest:
    """A request that is about to be sent, as the ledger sees it."""

    identity: str
    """Whose quota is spent: an account, an App installation or an address; never a credential."""
    upstream: str
    resource: str
    purpose: Purpose
    points: int = 1
    """Points of the primary quota that the request costs."""
    seconds: float = 1.0
    """Expected response time. GitHub limits the seconds of processing in a minute."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Permission to send one request. The caller must settle it; otherwise it expires and counts as spent."""

    id: str
    request: QuotaRequest
    at: datetime


@dataclass(frozen=True, slots=True)
class RetryAt:
    """A refused reservation: the request may be reserved again at ``until``."""

    until: datetime
    reason: str
    contention: bool = False
    """Only other requests are in the way, neither the primary quota nor a pause. Their responses end the wait."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A response's demand to send no more requests for a while.

    ``retry_after`` takes precedence over ``reset_at``. Without either, the ledger backs off exponentially.
    """

    cause: PauseCause
    reason: str
    retry_after: timedelta | None = None
    reset_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of a completed request, and what its response reported."""

    points: int
    """Points of the primary quota: 0 for a 304, and where nothing reached the upstream."""
    seconds: float
    """Measured response time."""
    attempts: int = 1
    """Requests sent, including those repeated by the transport."""
    quota: ReportedQuota | None = None
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The state of one identity's resource, for planning and for display."""

    identity: str
    upstream: str
    resource: str
    limit: int | None
    """Primary quota of a window; ``None`` until a response has reported it."""
    remaining: int | None
    reset_at: datetime | None
    paused_until: datetime | None
    pause_reason: str | None
    in_flight: int
    """Reservations that are not settled."""
    pause_cause: PauseCause | None = None


class Quota(Protocol):
    """A ledger shared by all workers of an identity. It fails closed: without the ledger, ``reserve`` refuses."""

    async def reserve(self, request: QuotaRequest, now: datetime) -> Reservation | RetryAt:
        """Reserve one request, or return when to try again."""
        ...

    async def settle(self, reservation: Reservation, usage: Usage, now: datetime) -> None:
        """Replace a reservation by what the request cost."""
        ...

    async def capacity(self, request: QuotaRequest, horizon: timedelta, now: datetime) -> int:
        """Estimate how many requests like ``request`` can be reserved from ``now`` to ``now + horizon``."""
        ...

    async def quota_status(self, now: datetime) -> Sequence[QuotaStatus]:
        """Return the status of every identity's resources; empty while the ledger is unavailable."""
        ...

    def adopt(self, policies: Policies) -> None:
        """Replace the policies after an upstream was added. Accounts stay."""
        ...

    async def forget(self, identity: str) -> None:
        """Stop listing ``identity`` in the quota status until it is used again.

        A token's identity is forgotten once the account behind it is known: usage is then recorded for the account.
        """
        ...
