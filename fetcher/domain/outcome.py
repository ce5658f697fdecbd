"""The meaning of a response. Expected responses are values; only our own failures are exceptions (``errors``).

Each reader of an upstream turns a response into exactly one of these. Scheduling turns an outcome into a due time, and
the refresh turns it into a record. Close every union with ``match`` and ``assert_never``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Generic, TypeAlias, TypeVar

from fetcher.domain.model import OutcomeKind, Validators

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T_co]):
    """A response with values."""

    value: T_co
    validators: Validators = Validators()


@dataclass(frozen=True, slots=True)
class NotModified:
    """A response that confirms the stored values."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """A response before the result is computed (202, or 204 without a body). The stored values stay."""

    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A redirect to another address."""

    location: str


@dataclass(frozen=True, slots=True)
class FailureBase:
    """The fields common to all failures."""

    request_id: str | None = field(default=None, kw_only=True, compare=False)
    """The upstream's request id, which its support requests. It is only logged."""


@dataclass(frozen=True, slots=True)
class Gone(FailureBase):
    """A resource that the upstream does not have, has no longer, or hides from this credential."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replaced(FailureBase):
    """Another repository at the known name. It is never taken for the same package."""

    reason: str


class BlockCause(StrEnum):
    ACCESS = "access"
    LEGAL = "legal"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Blocked(FailureBase):
    """A refusal for a reason other than the request rate."""

    cause: BlockCause
    reason: str


@dataclass(frozen=True, slots=True)
class Throttled(FailureBase):
    """A demand for a slower rate: ``retry_after`` if stated, otherwise ``reset_at`` if the quota is exhausted."""

    reason: str
    retry_after: timedelta | None = None
    reset_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Overloaded(FailureBase):
    """A request too large for the upstream. Request less at once."""

    reason: str


@dataclass(frozen=True, slots=True)
class Transient(FailureBase):
    """A temporary fault: a 5xx, a broken connection, a truncated response."""

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed(FailureBase):
    """A response that differs from the upstream's documentation. Nothing of it is stored."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unauthorized(FailureBase):
    """A rejected credential. Every further request with it fails."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """A request not sent, because the quota forbids it before ``until``. Neither a response nor a failure."""

    until: datetime
    reason: str


Failure: TypeAlias = Gone | Replaced | Blocked | Transient | Malformed | Unauthorized | Throttled | Overloaded
NonValue: TypeAlias = NotModified | NotReady | Moved | Failure
"""Outcomes of a sent request without a value."""
Outcome: TypeAlias = Fetched[T] | NonValue | Deferred
"""All possible outcomes of requesting a ``T``."""


def non_value(result: T) -> NonValue | None:
    """Return the result of a reader if it is an outcome without a value; ``None`` for values."""
    return result if isinstance(result, NonValue) else None


def with_request_id(outcome: T, request_id: str | None) -> T:
    """Return ``outcome``; a failure gets the upstream's request id."""
    if request_id is None or not isinstance(outcome, FailureBase) or outcome.request_id is not None:
        return outcome
    return replace(outcome, request_id=request_id)


def kind(outcome: Outcome[T]) -> OutcomeKind:
    """Return the outcome's name as it is stored, logged and counted."""
    return _KINDS[type(outcome)]


_KINDS: Final[dict[type, OutcomeKind]] = {
    Fetched: OutcomeKind.FETCHED,
    NotModified: OutcomeKind.NOT_MODIFIED,
    NotReady: OutcomeKind.NOT_READY,
    Moved: OutcomeKind.MOVED,
    Gone: OutcomeKind.GONE,
    Replaced: OutcomeKind.REPLACED,
    Blocked: OutcomeKind.BLOCKED,
    Throttled: OutcomeKind.THROTTLED,
    Overloaded: OutcomeKind.OVERLOADED,
    Transient: OutcomeKind.TRANSIENT,
    Malformed: OutcomeKind.MALFORMED,
    Unauthorized: OutcomeKind.UNAUTHORIZED,
    Deferred: OutcomeKind.DEFERRED,
}
