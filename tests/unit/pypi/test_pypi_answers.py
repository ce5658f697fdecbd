"""Outcomes of an index's status, headers and missing responses, equal for all three readers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from fetcher.domain.outcome import BlockCause, Blocked, Gone, Malformed, Moved, NotModified, Throttled, Transient
from fetcher.http.messages import Answer, Fault, NoAnswer, Response
from fetcher.upstreams.pypi import NotOffered, SerialFeed, read_json, read_root, read_simple
from tests.harness.clock import NOW

URL = "https://index.example/simple/x/"

Reader = Callable[[Answer], object]
READERS: list[Reader] = [
    lambda answer: read_json(answer, "x", url=URL, now=NOW),
    lambda answer: read_simple(answer, "x", url=URL, now=NOW),
    lambda answer: read_root(answer, SerialFeed(), url=URL, now=NOW),
]


@pytest.fixture(params=READERS, ids=["json", "simple", "root"])
def read(request: pytest.FixtureRequest) -> Reader:
    reader: Reader = request.param
    return reader


def answered(status: int, body: bytes = b"", **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (304, NotModified()),
        (401, Blocked(BlockCause.ACCESS, "the index returned 401")),
        (403, Blocked(BlockCause.ACCESS, "the index returned 403")),
        (451, Blocked(BlockCause.LEGAL, "the index returned 451")),
        (429, Throttled("the index returned 429")),
        (503, Transient("the index returned 503")),
        (500, Transient("the index returned 500")),
        (408, Transient("the index returned 408")),
    ],
)
def test_a_status_means_one_thing(read: Reader, status: int, meaning: object) -> None:
    """An empty body does not change the outcome of a status (mirrors send 404 with none)."""
    assert read(answered(status)) == meaning


@pytest.mark.parametrize("status", [404, 410])
def test_missing_projects(read: Reader, status: int) -> None:
    """A missing project is gone; a missing root is an index without a listing and concerns no project."""
    gone = Gone(f"the index returned {status}: it knows no such project")
    assert read(answered(status)) == (
        NotOffered("Simple API's root: the index has none") if read is READERS[2] else gone
    )


@pytest.mark.parametrize("status", [204, 206, 300, 303, 400, 418, 999])
def test_an_undocumented_status_is_malformed(read: Reader, status: int) -> None:
    """An undocumented status is malformed, with the beginning of the body, and nothing of it is stored."""
    outcome = read(answered(status, b"I'm a\nteapot\x1b"))
    assert isinstance(outcome, Malformed)
    assert str(status) in outcome.reason
    assert outcome.reason.isprintable()


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/simple/y/", "https://index.example/simple/y/"),
        ("../y/", "https://index.example/simple/y/"),
        ("https://other.example/simple/x/", "https://other.example/simple/x/"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_moved_to_an_absolute_address(read: Reader, status: int, location: str, target: str) -> None:
    """The location is resolved against the requested address; the reader does not follow it."""
    assert read(answered(status, location=location)) == Moved(target)


@pytest.mark.parametrize("location", ["", "http://[", "javascript:alert(1)", "file:///etc/passwd", "/a\x00b"])
def test_a_redirect_to_nowhere_is_malformed(read: Reader, location: str) -> None:
    """A missing or broken location, or one that is no web address, is reported in one printable line."""
    outcome = read(answered(302, location=location))
    assert isinstance(outcome, Malformed)
    assert outcome.reason.isprintable()


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("Wed, 18 Mar 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Wed, 18 Mar 2026 12:05:00 -0000", timedelta(minutes=5)),
        ("Wed, 18 Mar 2026 11:00:00 GMT", timedelta()),
        ("999999999", timedelta(days=1)),
        ("9" * 5000, timedelta(days=1)),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(read: Reader, status: int, value: str, wait: timedelta) -> None:
    """Seconds or a date are accepted; a past date is no wait, and more than a day is taken for a mistake."""
    assert read(answered(status, retry_after=value)) == Throttled(f"the index returned {status}", retry_after=wait)


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "Sat, 99 Nov 99999 12:05:00 GMT", "\x00", "٣"])
def test_a_malformed_retry_after_is_ignored(read: Reader, value: str) -> None:
    """A 429 still throttles; a 503 then counts as a temporary fault."""
    assert read(answered(429, retry_after=value)) == Throttled("the index returned 429")
    assert read(answered(503, retry_after=value)) == Transient("the index returned 503")


@pytest.mark.parametrize("fault", list(Fault))
def test_no_answer_passes_unless_it_cannot(read: Reader, fault: Fault) -> None:
    """A broken connection is temporary; an oversized body and a forbidden host are not."""
    lasting = fault in {Fault.TOO_LARGE, Fault.FORBIDDEN_HOST}
    assert read(NoAnswer(fault, "why")) == (Malformed("why") if lasting else Transient("why"))


def test_html_instead_of_json(read: Reader) -> None:
    """A web page is malformed for a project, and for a root means that its JSON form is not offered."""
    outcome = read(answered(200, b"<!DOCTYPE html>", content_type="text/html; charset=utf-8"))
    assert isinstance(outcome, NotOffered if read is READERS[2] else Malformed)


def test_not_acceptable_is_no_form_at_all() -> None:
    """A strictly negotiating index sends 406 if it lacks every accepted form."""
    assert isinstance(READERS[1](answered(406)), NotOffered)
    assert isinstance(READERS[2](answered(406)), NotOffered)


def test_another_content_type_is_malformed(read: Reader) -> None:
    """The reason states the expected and the actual content type."""
    outcome = read(answered(200, b"\x89PNG", content_type="image/png"))
    assert isinstance(outcome, Malformed)
    assert "expected JSON, got image/png that begins" in outcome.reason
