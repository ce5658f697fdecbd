"""Pages of a directory's API, and the links to the next page."""

from __future__ import annotations

import json

import pytest

from fetcher.catalogue.intake import Entry, Page, Rejected, next_page, read_page

URL = "https://directory.example/api/v4/packages/?page=1"


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ({"count": 9, "next": "/?page=2", "results": [{"slug": "a"}, {"slug": "b"}]}, "/?page=2"),
        ({"meta": {"next": "/?offset=2"}, "objects": [{"slug": "a"}, {"slug": "b"}]}, "/?offset=2"),
        ({"meta": {"next": None}, "objects": [{"slug": "a"}, {"slug": "b"}]}, None),
        ({"next": "", "results": [{"slug": "a"}, {"slug": "b"}]}, None),
        ([{"slug": "a"}, {"slug": "b"}], None),
    ],
)
def test_a_page_and_its_link(page: object, link: str | None) -> None:
    """Read ``next`` at the top (newer API) or in ``meta`` (older API); a bare list has none."""
    read = read_page(json.dumps(page).encode(), "p1")
    assert [item.entry.slug for item in read.items if isinstance(item, Entry)] == ["a", "b"]
    assert read.next == link


def test_an_object_with_a_slug_is_a_document() -> None:
    """Treat it as a document even if an unknown key is named like a page's list."""
    (item,) = read_page(b'{"slug": "x", "results": [1]}', "p").items
    assert isinstance(item, Entry)
    assert item.entry.extra == {"results": [1]}


def test_a_bad_record_of_a_page_is_named_by_its_index() -> None:
    """Reject a bad record alone; an invalid link is an error of its own."""
    read = read_page(b'{"results": [{"slug": "a"}, {"slug": "b", "id": "x"}, 7], "next": 2}', "p1")
    assert [item.where for item in read.items] == ["p1, results[0]", "p1, results[1]", "p1, results[2]", "p1"]
    bad = [item for item in read.items if isinstance(item, Rejected)]
    assert [(item.field, item.got) for item in bad] == [("id", "'x'"), ("document", "7"), ("next", "2")]


@pytest.mark.parametrize(
    "raw",
    [b"", b"<html>", b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b"[NaN]", b"7", b'{"objects": 3}', b'{"next": "x"}'],
)
def test_a_wrong_page_is_one_rejected_record(raw: bytes) -> None:
    """Reject invalid JSON, endless nesting, an endless number, or a value of another type."""
    read = read_page(raw, "p")
    assert isinstance(read, Page)
    assert [type(item) for item in read.items] == [Rejected]
    assert str(read.items[0]).isprintable()


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        ("https://directory.example/api/v4/packages/?page=2", "https://directory.example/api/v4/packages/?page=2"),
        ("https://DIRECTORY.example:443/x#y", "https://DIRECTORY.example:443/x"),
        ("?page=2", "https://directory.example/api/v4/packages/?page=2"),
        ("/x", "https://directory.example/x"),
        (None, None),
        ("", None),
        ("//evil.example/x", None),
        ("https://evil.example/", None),
        ("https://directory.example.evil.example/", None),
        ("http://directory.example/api", None),
        ("https://directory.example:8443/", None),
        ("https://user@directory.example/", None),
        ("https://directory.example@evil.example/", None),
        ("file:///etc/passwd", None),
        ("https://[", None),
        ("https://directory.example:99999/", None),
        ("/x\n/y", None),
    ],
)
def test_the_next_page_stays_on_its_origin(link: str | None, followed: str | None) -> None:
    """Reject links to another host or to an unencrypted scheme: a page must not choose the requested host."""
    assert next_page(URL, link) == followed


@pytest.mark.parametrize(
    "link", ["https://directory.example/api/v4/packages/?page=2", "?page=2", "/api/v4/packages/?page=2"]
)
def test_the_next_page_has_the_same_user(link: str) -> None:
    """A link names no user; the address that was given does, and its pages are requested as the same one."""
    given = URL.replace("://", "://user:pass@word@")
    assert next_page(given, link) == "https://user:pass@word@directory.example/api/v4/packages/?page=2"
    assert next_page(given, "https://evil.example/") is None
    assert next_page(given, "https://other@directory.example/") is None
