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
    """The upstream answered with values."""

    value: T_co
    validators: Validators = Validators()


@dataclass(frozen=True, slots=True)
class NotModified:
    """What is stored is what the upstream has."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """The upstream is still computing (202, or 204 without a body): what is stored stays."""

    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The thing asked for answers at another address."""

    location: str


@dataclass(frozen=True, slots=True)
class FailureBase:
    """The fields that every failure has beside its meaning."""

    request_id: str | None = field(default=None, kw_only=True, compare=False)
    """The upstream's own name for the exchange, which its support asks for. It is logged, and says nothing else."""


@dataclass(frozen=True, slots=True)
class Gone(FailureBase):
    """The upstream knows no such thing, or no longer, or not for this credential."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replaced(FailureBase):
    """Another repository answers under the known name: never silently the same package."""

    reason: str


class BlockCause(StrEnum):
    ACCESS = "access"
    LEGAL = "legal"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Blocked(FailureBase):
    """The upstream refuses to tell, for a reason that is not the pace of asking."""

    cause: BlockCause
    reason: str


@dataclass(frozen=True, slots=True)
class Throttled(FailureBase):
    """The upstream asks for a slower pace: ``retry_after`` if it says so, else ``reset_at`` if it is the quota."""

    reason: str
    retry_after: timedelta | None = None
    reset_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Overloaded(FailureBase):
    """The question was too much for the upstream: ask for less at once."""

    reason: str


@dataclass(frozen=True, slots=True)
class Transient(FailureBase):
    """A fault that passes: a 5xx, a broken connection, an answer cut short."""

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed(FailureBase):
    """An answer that is not what the upstream documents; nothing of it is kept."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unauthorized(FailureBase):
    """The credential is not accepted: every further request with it is in vain."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not asked at all: the quota allows it not before ``until``. Not an answer and not a failure."""

    until: datetime
    reason: str


Failure: TypeAlias = Gone | Replaced | Blocked | Transient | Malformed | Unauthorized | Throttled | Overloaded
Outcome: TypeAlias = Fetched[T] | NotModified | NotReady | Moved | Failure | Deferred
"""All that asking for a ``T`` can come to."""


def with_request_id(outcome: T, request_id: str | None) -> T:
    """Return ``outcome``, a failure with the upstream's own id of the exchange."""
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
