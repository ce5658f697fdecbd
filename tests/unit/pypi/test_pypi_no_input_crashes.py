"""Readers with random bytes, random JSON and mutated real responses: each input ends in an outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain import outcome
from fetcher.http.messages import Response
from fetcher.upstreams.pypi import NotOffered, Partial, SerialFeed, read_json, read_root, read_simple
from tests.harness.clock import NOW
from tests.harness.examples import examples

DATA = Path(__file__).parents[2] / "data" / "pypi"
REAL = [(DATA / name).read_bytes() for name in ("json_project.json", "simple_project.json")]
PAGE = (DATA / "simple_project.html").read_bytes()
OUTCOMES = (*get_args(outcome.Failure), outcome.Fetched, outcome.NotModified, outcome.Moved, Partial, NotOffered)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
header_values = st.text(max_size=40) | st.sampled_from(
    ["application/json", "text/html", "3", "Sat, 21 Nov 2026 12:05:00 GMT"]
)
headers = st.dictionaries(
    st.sampled_from(["content-type", "etag", "last-modified", "retry-after", "location", "x-pypi-last-serial"]),
    header_values,
)


TAGS = [
    *(
        b"<a href=x>",
        b"</a>",
        b"<a href='lesscpy-1.0.tar.gz' data-yanked>",
        b"<a>",
        b"<base href='http://['>",
        b"<html>",
    ),
    *(b"<meta name=pypi:repository-version content=9>", b"<meta name=pypi:project-status content=x>", b"</html>"),
    *(
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"<![x[",
        b"<!x",
        b"<?",
        b"<script>",
        b"</script",
        b"<",
        b">",
        b"&#xd800;",
        b"\x00",
    ),
    *(b"lesscpy-2.0.zip", b" ", b"=", b"'", b'"', b"\xff"),
]


def read_all(response: Response) -> None:
    """Read ``response`` with every reader; the feed gets the body as a stream."""
    feed = SerialFeed()
    for start in range(0, len(response.body), 50):
        feed.feed(response.body[start : start + 50])
    for result in (
        read_json(response, "lesscpy", url="https://index.example/x", now=NOW),
        read_simple(response, "lesscpy", url="https://index.example/x", now=NOW),
        read_root(response, feed, url="https://index.example/x", now=NOW),
    ):
        assert isinstance(result, OUTCOMES)
        reason = getattr(result, "reason", "")
        assert reason.isprintable()
        assert len(reason) < 400


@given(st.integers(100, 999), headers, st.binary(max_size=200))
def test_random_bytes(status: int, fields: dict[str, str], body: bytes) -> None:
    """Any status, headers and bytes give an outcome."""
    read_all(Response(status, fields, body))


@given(st.lists(st.sampled_from(TAGS) | st.binary(max_size=4), max_size=40), st.sampled_from(["text/html", ""]))
@examples(3)
def test_random_markup(pieces: list[bytes], kind: str) -> None:
    """Any sequence of tags, declarations and bytes is read as HTML."""
    read_all(Response(200, {"content-type": kind}, b"".join(pieces)))


@given(st.data())
@examples(3)
def test_mutated_pages(data: st.DataObject) -> None:
    """A real listing with some bytes removed and others inserted gives an outcome."""
    mutated = bytearray(PAGE)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(mutated)))
        mutated[start : start + data.draw(st.integers(0, 30))] = data.draw(
            st.binary(max_size=6) | st.sampled_from(TAGS)
        )
    read_all(Response(200, {"content-type": "text/html"}, bytes(mutated)))


@given(json_values)
def test_random_json(value: Any) -> None:
    """Any JSON, including NaN and lone surrogates, gives an outcome."""
    read_all(Response(200, {}, json.dumps(value).encode()))


@given(st.sampled_from(REAL), st.data())
@examples(3)
def test_mutated_answers(body: bytes, data: st.DataObject) -> None:
    """A real response with some bytes removed and others inserted gives an outcome."""
    mutated = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(mutated)))
        end = start + data.draw(st.integers(0, 30))
        mutated[start:end] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"[" * 9, b"9" * 40, b"\\ud800", b"\\u0000"])
        )
    read_all(Response(200, {}, bytes(mutated)))


@given(st.sampled_from(REAL), st.data())
@examples(3)
def test_replaced_values(body: bytes, data: st.DataObject) -> None:
    """A real response with one value replaced by any other gives an outcome."""
    value = json.loads(body)
    parent, key = value, data.draw(st.sampled_from(sorted(value)))
    while isinstance(parent[key], dict | list) and parent[key] and data.draw(st.booleans()):
        parent = parent[key]
        key = data.draw(
            st.sampled_from(sorted(parent)) if isinstance(parent, dict) else st.integers(0, len(parent) - 1)
        )
    parent[key] = data.draw(json_values)
    read_all(Response(200, {}, json.dumps(value).encode()))
