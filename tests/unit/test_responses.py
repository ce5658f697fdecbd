"""Statuses that mean the same at every upstream, as a reader of a new upstream gets them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.outcome import (
    BlockCause,
    Blocked,
    Gone,
    Malformed,
    Moved,
    NotModified,
    Throttled,
    Transient,
    Unauthorized,
)
from fetcher.http.messages import Fault, NoAnswer, Response
from fetcher.http.responses import classify_answer, excerpt, retry_after
from tests.harness.clock import NOW

IN_AN_HOUR = "Wed, 18 Mar 2026 13:00:00 GMT"


def described(response: Response) -> str:
    return f"Codeberg: {response.status}"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (304, NotModified()),
        (401, Unauthorized("Codeberg: 401")),
        (404, Gone("Codeberg: 404")),
        (410, Gone("Codeberg: 410")),
        (451, Blocked(BlockCause.LEGAL, "Codeberg: 451")),
        (429, Throttled("Codeberg: 429")),
        (408, Transient("Codeberg: 408")),
        (500, Transient("Codeberg: 500")),
        (503, Transient("Codeberg: 503")),
        (599, Transient("Codeberg: 599")),
        (204, Malformed("Codeberg: 204")),
        (418, Malformed("Codeberg: 418")),
        (600, Malformed("Codeberg: 600")),
    ],
)
def test_a_status_has_one_meaning(status: int, outcome: object) -> None:
    """The reason of each failure comes from the reader's own description."""
    assert classify_answer(Response(status, {}, b""), described) == outcome


def test_a_good_response_is_returned() -> None:
    """A 200 is left to the reader, whatever its content type."""
    good = Response(200, {}, b"")
    assert classify_answer(good, described) is good


@pytest.mark.parametrize("status", [429, 503])
def test_a_stated_pause_throttles(status: int) -> None:
    """Seconds are read without ``now``; a date needs it."""
    seconds = Response(status, {"retry-after": "30"}, b"")
    assert classify_answer(seconds, described) == Throttled(f"Codeberg: {status}", retry_after=timedelta(seconds=30))
    dated = Response(status, {"retry-after": IN_AN_HOUR}, b"")
    hour = timedelta(hours=1)
    assert classify_answer(dated, described, now=NOW) == Throttled(f"Codeberg: {status}", retry_after=hour)
    assert retry_after(dated) is None


def test_a_redirect() -> None:
    """The location is passed on as stated; the gateway decides whether it is followed."""
    assert classify_answer(Response(301, {"location": "/new"}, b""), described) == Moved("/new")
    assert isinstance(classify_answer(Response(301, {}, b""), described), Malformed)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault.UNREACHABLE, Transient("why not")),
        (Fault.TIMED_OUT, Transient("why not")),
        (Fault.BROKEN, Transient("why not")),
        (Fault.TOO_LARGE, Malformed("why not")),
        (Fault.FORBIDDEN_HOST, Malformed("why not")),
        (Fault.NO_CREDENTIAL, Unauthorized("why not")),
    ],
)
def test_a_transport_fault(fault: Fault, outcome: object) -> None:
    """Each fault has one outcome, with its reason on one line."""
    assert classify_answer(NoAnswer(fault, "why\nnot"), described) == outcome


@given(st.text(), st.integers(100, 999), st.binary(max_size=600))
def test_no_header_and_no_body_raises(header: str, status: int, body: bytes) -> None:
    """Any response has an outcome, any pause is at most a day, and any excerpt is one short printable line."""
    response = Response(status, {"retry-after": header, "etag": header, "location": header}, body)
    classify_answer(response, described, now=NOW)
    wait = retry_after(response, now=NOW)
    assert wait is None or timedelta() <= wait <= timedelta(days=1)
    assert excerpt(body).isprintable()
    assert len(excerpt(body)) <= 120
