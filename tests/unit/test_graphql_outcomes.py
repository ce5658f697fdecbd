"""The meaning of classified responses for a complete GraphQL query."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Gone,
    Malformed,
    Moved,
    NonValue,
    NotModified,
    NotReady,
    Overloaded,
    Throttled,
    Transient,
    Unauthorized,
)
from fetcher.http.messages import Answer, Fault, NoAnswer, Response
from fetcher.upstreams.graphql import query_outcome, words

OK, GATEWAY, BROKEN = Response(200, {}, b"{}"), Response(502, {}, b""), Response(500, {}, b"")
SLOW, LOST = NoAnswer(Fault.TIMED_OUT, "too slow"), NoAnswer(Fault.BROKEN, "lost")
LIMITED = Throttled("slow down", retry_after=timedelta(seconds=1))
NO_BODY = Malformed("a.org: GraphQL responded with a redirect or without a body")


@pytest.mark.parametrize(
    ("answer", "outcome", "expected"),
    [
        (OK, OK, OK),
        (SLOW, Transient("too slow"), Overloaded("too slow")),
        (GATEWAY, Transient("502"), Overloaded("502")),
        (BROKEN, Transient("500"), Transient("500")),
        (LOST, Transient("lost"), Transient("lost")),
        (OK, NotModified(), NO_BODY),
        (OK, NotReady("202"), NO_BODY),
        (OK, Moved("/elsewhere"), NO_BODY),
        (OK, Gone("404"), Malformed("a.org has no GraphQL at this address: 404")),
        (OK, Blocked(BlockCause.ACCESS, "403"), Unauthorized("403")),
        (OK, LIMITED, LIMITED),
    ],
)
def test_the_outcome_of_a_query(answer: Answer, outcome: Response | NonValue, expected: Response | NonValue) -> None:
    """No status marks a repository as missing or blocked, and a slow server gets smaller queries."""
    assert query_outcome(answer, outcome, "a.org") == expected


def test_a_message_is_one_short_line() -> None:
    """A reason quotes an error's message without line breaks, and cuts a long one."""
    assert words("two\nlines") == "two lines"
    assert len(words("x" * 10_000)) < 300
