"""The meaning of HTTP statuses for a GraphQL query, which is a POST about many repositories at once."""

from __future__ import annotations

from typing import Final, assert_never

from fetcher.domain.outcome import (
    Blocked,
    Failure,
    Gone,
    Malformed,
    Moved,
    NonValue,
    NotModified,
    NotReady,
    Overloaded,
    Replaced,
    Throttled,
    Transient,
    Unauthorized,
)
from fetcher.http.messages import Answer, Fault, NoAnswer, Response
from fetcher.http.responses import excerpt

_LONGEST: Final = 200
"""Bytes of an error's message that a reason quotes."""

_GATEWAY: Final = (502, 504)
"""Statuses of a proxy whose server took too long."""


def query_outcome(answer: Answer, outcome: Response | NonValue, server: str) -> Response | Failure:
    """Return the response to a query, or the failure of the complete query by its classified ``outcome``.

    A server that takes too long may serve a smaller query. A status that concerns one resource elsewhere concerns the
    API or the credential here, so that no repository is taken for missing or blocked.
    """
    if isinstance(answer, NoAnswer) and answer.fault is Fault.TIMED_OUT:
        return Overloaded(answer.reason)
    match outcome:
        case Transient() if isinstance(answer, Response) and answer.status in _GATEWAY:
            return Overloaded(outcome.reason)
        case NotModified() | NotReady() | Moved():
            return Malformed(f"{server}: GraphQL responded with a redirect or without a body")
        case Gone():
            return Malformed(f"{server} has no GraphQL at this address: {outcome.reason}")
        case Blocked():
            return Unauthorized(outcome.reason)
        case Response() | Transient() | Malformed() | Unauthorized() | Throttled() | Overloaded() | Replaced():
            return outcome
        case _:
            assert_never(outcome)


def words(message: str) -> str:
    """Return the message of a GraphQL error, cut to a line."""
    return excerpt(message.encode(), _LONGEST)
