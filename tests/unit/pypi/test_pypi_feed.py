"""The feed of new releases: its reader, and the decisions that follow from it."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.model import FollowedProject
from fetcher.domain.outcome import Blocked, Fetched, Malformed, Moved, NotModified, Throttled, Transient
from fetcher.http.messages import Answer, Fault, NoAnswer, Response
from fetcher.upstreams.pypi.answers import IndexOutcome, NotOffered
from fetcher.upstreams.pypi.feed import Feed, FeedItem, Mark, has_gap, is_wanted, read_feed
from fetcher.upstreams.pypi.requests import FEED_BYTES, feed_request
from tests.harness.clock import NOW
from tests.harness.examples import examples

MINUTE = timedelta(minutes=1)
XML = {"content-type": "text/xml; charset=UTF-8", "etag": '"1"'}
BOMB = (
    b'<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>'
    b"<rss><channel><item><title>&c; 1.0</title></item></channel></rss>"
)
OUTSIDE = b'<!DOCTYPE rss [<!ENTITY f SYSTEM "file:///etc/passwd">]><rss><channel><title>&f;</title></channel></rss>'


def listed(*items: str) -> bytes:
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{"".join(items)}</channel></rss>'.encode()


def item(title: str = "Alpha 1.0", minutes: float = 1, date: str | None = None) -> str:
    at = format_datetime(NOW - minutes * MINUTE, usegmt=True) if date is None else date
    return f"<item><title>{title}</title><link>x</link><description>d</description><pubDate>{at}</pubDate></item>"


def read(body: bytes, status: int = 200) -> IndexOutcome[Feed]:
    return read_feed(Response(status, XML, body), url="http://index/rss/updates.xml", now=NOW)


def feed(*minutes: float) -> Feed:
    return Feed(tuple(FeedItem(f"p{one} 1.0", f"p{one}", "1.0", NOW - one * MINUTE) for one in minutes))


def test_items_have_canonical_names_and_times() -> None:
    """Names are normalised (PEP 503), times are UTC, the newest item is first, and the validator is kept."""
    got = read(listed(item("Old_Name 0.1", 5), item("Zope.Interface 7.0rc1", 2)))
    assert isinstance(got, Fetched)
    assert [(one.project, one.version, one.published_at) for one in got.value.items] == [
        ("zope-interface", "7.0rc1", NOW - 2 * MINUTE),
        ("old-name", "0.1", NOW - 5 * MINUTE),
    ]
    assert got.validators.etag == '"1"'


def test_an_empty_feed_is_a_feed() -> None:
    """A new index has no release yet."""
    assert read(listed()) == Fetched(Feed(()), read_validators())


def read_validators() -> object:
    got = read(listed())
    assert isinstance(got, Fetched)
    return got.validators


@pytest.mark.parametrize(
    "unreadable",
    [item("no-version"), item("a 1.0 beta"), item("-a- 1.0"), item(date="soon"), item(date=""), item(minutes=-3000)],
)
def test_an_unreadable_item_is_skipped(unreadable: str) -> None:
    """An item without a name, a version or a credible date does not hide the others."""
    got = read(listed(unreadable, item("good 1.0")))
    assert isinstance(got, Fetched)
    assert [one.project for one in got.value.items] == ["good"]
    assert isinstance(read(listed(unreadable)), Malformed)


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        OUTSIDE,
        b"",
        b"<html><body>Sign in</body></html>",
        b"<!doctype html><html><p>Sign in</html>",
        b'{"releases": []}',
        listed(item())[:-30],
        b"<rss></rss>",
        b"<feed xmlns='http://www.w3.org/2005/Atom'><entry/></feed>",
        b'<?xml version="1.0" encoding="nonsense"?><rss/>',
        b"<rss><channel>" + b"<a>" * 100_000,
        b"\x00\xff",
    ],
    ids=["bomb", "outside", "empty", "page", "doctype", "json", "cut", "bare", "atom", "encoding", "deep", "binary"],
)
def test_a_body_that_is_no_feed_is_malformed(body: bytes) -> None:
    """Entity bombs, references to files, pages and truncated bodies are one line of failure and no value."""
    got = read(body)
    assert isinstance(got, Malformed)
    assert "\n" not in got.reason
    assert "root:" not in got.reason


def test_deep_nesting_ends_in_an_outcome() -> None:
    """A well-formed body nested as deeply as its size allows is read without recursion."""
    got = read(b"<rss><channel>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</channel></rss>")
    assert isinstance(got, Fetched)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(404, {}, b""), NotOffered),
        (Response(410, {}, b""), NotOffered),
        (Response(304, {}, b""), NotModified),
        (Response(301, {"location": "/rss/updates.xml/"}, b""), Moved),
        (Response(403, {}, b""), Blocked),
        (Response(429, {"retry-after": "30"}, b""), Throttled),
        (Response(503, {}, b""), Transient),
        (NoAnswer(Fault.TIMED_OUT, "timed out"), Transient),
        (NoAnswer(Fault.TOO_LARGE, "the answer is larger than 1048576 bytes"), Malformed),
    ],
)
def test_a_status_decides_before_the_body(answer: Answer, expected: type) -> None:
    """A mirror without a feed, a limit and an oversized body each have their outcome."""
    assert isinstance(read_feed(answer, url="http://index/rss/updates.xml", now=NOW), expected)


def test_the_request_is_small_and_conditional() -> None:
    """The transport refuses a larger body, so 50 MB never reach the parser."""
    request = feed_request("http://index/root/")
    assert request.url == "http://index/root/rss/updates.xml"
    assert request.max_bytes == FEED_BYTES <= 1024 * 1024


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
@examples(1)
def test_no_body_crashes_the_reader(body: bytes) -> None:
    """Random bytes, alone and inside a channel, end in an outcome."""
    for sent in (body, b"<rss><channel><item>" + body + b"</item></channel></rss>"):
        assert isinstance(read(sent), Fetched | Malformed)


def test_windows_that_overlap_have_no_gap() -> None:
    """The earlier poll's newest item is in the window, or the window reaches back to its publication."""
    last = Mark("p10 1.0", NOW - 10 * MINUTE)
    assert not has_gap(feed(1, 10), last)
    assert not has_gap(feed(1, 12), last), "the item was deleted, and the window reaches further back"
    assert not has_gap(feed(20, 30), last), "a stale edge serves an older window"
    assert not has_gap(feed(1), None), "there was no earlier poll"


def test_a_window_of_newer_items_only_is_a_gap() -> None:
    """More releases than the window holds came between two polls, or the feed was not polled for a while."""
    last = Mark("p10 1.0", NOW - 10 * MINUTE)
    assert has_gap(feed(1, 9), last)
    assert has_gap(feed(), last)


@pytest.mark.parametrize(
    ("requested", "versions", "wanted"),
    [
        (None, (), True),
        (6, ("1.0",), True),
        (4, ("1.0", "2.0"), False),
        (4, ("1.0", "2.0.0"), False),
        (4, ("1.0",), True),
        (-6, ("1.0",), False),
    ],
    ids=["never", "before", "arrived", "spelling", "stale edge", "deleted"],
)
def test_a_project_is_wanted_until_its_release_arrived(
    requested: float | None, versions: tuple[str, ...], *, wanted: bool
) -> None:
    """It is requested once after each publication, and for ten minutes again if the release is missing."""
    published = FeedItem("p 2.0", "p", "2.0", NOW - 5 * MINUTE)
    observed_at = None if requested is None else NOW - requested * MINUTE
    assert is_wanted(published, FollowedProject(1, "p", observed_at, frozenset(versions)), NOW) is wanted


def test_a_clock_ahead_repeats_no_request() -> None:
    """An index whose times are hours ahead names each release at every poll. Once it has arrived, that is enough."""
    published = FeedItem("p 2.0", "p", "2.0", NOW + 480 * MINUTE)
    assert is_wanted(published, FollowedProject(1, "p", NOW - MINUTE, frozenset(["1.0"])), NOW)
    assert not is_wanted(published, FollowedProject(1, "p", NOW - MINUTE, frozenset(["1.0", "2.0"])), NOW)


def test_a_project_requested_by_a_clock_that_was_ahead_is_wanted() -> None:
    """The time of its request is unknown, so the release may be newer."""
    published = FeedItem("p 2.0", "p", "2.0", NOW - timedelta(days=30))
    assert is_wanted(published, FollowedProject(1, "p", NOW + timedelta(days=40), frozenset(["1.0"])), NOW)
