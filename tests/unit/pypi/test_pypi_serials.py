"""Streaming reader of the root's listing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.model import Validators
from fetcher.domain.outcome import Fetched, Malformed
from fetcher.http.messages import Response
from fetcher.upstreams.pypi import NotOffered, SerialFeed, Serials, read_root
from tests.harness.clock import NOW

ROOT = json.dumps(
    {
        "meta": {"_last-serial": 9, "api-version": "1.4"},
        "projects": [
            {"_last-serial": 3, "name": "Foo.Bar"},
            {"name": "baz", "_last-serial": 4, "extra": {"name": "no", "_last-serial": [8]}},
            {"_last-serial": 5, "name": "quux"},
        ],
    }
).encode()


def fed(body: bytes, wanted: frozenset[str] | None = None, size: int = 7) -> object:
    feed = SerialFeed(wanted)
    for start in range(0, len(body), size):
        feed.feed(body[start : start + size])
    found = feed.close()
    return dict(found) if isinstance(found, Serials) else found


def listing(*projects: Any) -> bytes:
    return json.dumps({"projects": projects}).encode()


@given(st.integers(1, len(ROOT)))
def test_pieces_may_be_cut_anywhere(size: int) -> None:
    """Names are canonical, each with its own serial, for any division of the body into pieces."""
    assert fed(ROOT, size=size) == {"foo-bar": 3, "baz": 4, "quux": 5}


def test_only_wanted_names_are_kept() -> None:
    """Memory grows with the catalogue, not with the index."""
    assert fed(ROOT, frozenset({"foo-bar", "absent"})) == {"foo-bar": 3}


@given(st.integers(0, len(ROOT) - 1))
def test_nothing_is_concluded_from_a_listing_that_is_cut_off(end: int) -> None:
    """A body that ends one byte early is malformed, and its beginning is not used."""
    assert isinstance(fed(ROOT[:end]), Malformed)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!DOCTYPE html>", "breaks off"),
        (ROOT + b"{}", "breaks off"),
        (b'{"message": "hello"}', "expected a list of projects, got none"),
        (b'{"projects": {"name": {"name": "a", "_last-serial": 1}}}', "expected a list of projects, got none"),
        (b"[]", "expected a list of projects, got none"),
        (b"[" * 1_000_000, "more than 16 levels"),
        (b'{"projects":[' + b'{"a":' * 1_000_000, "more than 16 levels"),
        (b'{"projects":[' + b"9" * 6000 + b"]}", "breaks off"),
        (b'{"projects":["' + b"a" * 3_000_000 + b'"]}', "a single value of over 64 KiB"),
        (b'{"projects":["\xff"]}', "breaks off"),
        (b'{"projects":[{"name":"a","_last-serial":1e999999}]}', "breaks off"),
    ],
)
def test_a_wrong_listing_is_malformed(body: bytes, reason: str) -> None:
    """Endless nesting, an endless value or a number that crashes the parser gives a one-line reason."""
    outcome = fed(body, size=65536)
    assert isinstance(outcome, Malformed)
    assert reason in outcome.reason
    assert outcome.reason.isprintable()


def test_a_value_without_end_in_tiny_pieces() -> None:
    """An endless value ends early, because the parser's time grows with the square of its length."""
    feed = SerialFeed()
    body, size = b'{"projects":["' + b"a" * 1_000_000, 10
    for start in range(0, len(body), size):
        feed.feed(body[start : start + size])
    outcome = feed.close()
    assert isinstance(outcome, Malformed)
    assert "a single value of over 64 KiB" in outcome.reason


def test_a_project_without_a_serial_is_left_out() -> None:
    """An entry without a serial is left out alone."""
    odd = [{"name": "a"}, {"name": 5, "_last-serial": 1}, {"name": "b", "_last-serial": 1.5}, ["name"], "x", None]
    assert fed(listing(*odd, {"name": "good", "_last-serial": 2}, {"name": "big", "_last-serial": -1})) == {"good": 2}


def test_a_name_that_no_project_has_is_left_out() -> None:
    """A name with a space or a line break is left out, because it could be taken for two others."""
    odd = [{"name": name, "_last-serial": 1} for name in ("a b", "a\nb 2", "")]
    assert fed(listing(*odd, {"name": "good", "_last-serial": 2})) == {"good": 2}


def test_serials_are_packed() -> None:
    """Serials are returned in order, repeatedly, and take little memory."""
    serials = Serials()
    added = [(f"project-{n}", 20_000_000 + n) for n in range(50_000)]
    for name, serial in added:
        serials.add(name, serial)
    assert list(serials) == list(serials) == added
    assert len(serials) == 50_000
    assert sum(map(len, serials._packed)) < 6 * 50_000


def test_an_index_without_serials_does_not_offer_them() -> None:
    """A mirror that lists only names is not a failure; its projects are requested one by one."""
    assert isinstance(fed(listing({"name": "a"}, {"name": "b"})), NotOffered)


def test_an_empty_index_is_no_failure() -> None:
    """An empty listing of a new index has no effect and is not a failure."""
    assert fed(listing()) == {}


def test_reading_the_root_settles_the_feed() -> None:
    """A 200 whose body went through the feed gives its serials with the next request's validators."""
    headers = {"content-type": "application/vnd.pypi.simple.v1+json", "etag": '"r"'}
    feed = SerialFeed()
    feed.feed(ROOT)
    outcome = read_root(Response(200, headers, b""), feed, url="u", now=NOW)
    assert isinstance(outcome, Fetched)
    assert (dict(outcome.value), outcome.validators) == ({"foo-bar": 3, "baz": 4, "quux": 5}, Validators('"r"'))
    assert isinstance(read_root(Response(200, headers, b""), SerialFeed(), url="u", now=NOW), Malformed)
