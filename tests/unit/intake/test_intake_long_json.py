"""JSON values too large for memory: the same records and errors as of small ones."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.catalogue.intake import Entry, Item, PassedOver, Rejected, read_stream
from fetcher.catalogue.intake import long_json as module
from fetcher.catalogue.intake.documents_json import page_of
from fetcher.catalogue.intake.long_json import long_json


class Drop(io.BytesIO):
    """A stream that returns a few bytes at a time, as a pipe may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 7, 7))


def read(raw: bytes) -> list[Item]:
    return list(long_json(Drop(raw), "x"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
DOCUMENTS = VALUES | st.fixed_dictionaries({"slug": st.from_regex(r"[a-z]{1,9}", fullmatch=True), "extra": VALUES})


PRINTED = st.tuples(st.sampled_from([None, 1]), st.booleans(), st.sampled_from(["utf-8", "utf-8-sig"]))


@given(values=st.lists(DOCUMENTS, max_size=5), printed=PRINTED)
def test_a_list_is_read_as_a_short_one(values: list[Any], printed: tuple[int | None, bool, str]) -> None:
    """Yield the same items and positions for any values, any formatting and any cut of the stream."""
    indent, ascii_, encoding = printed
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_)
    assert read(text.encode(encoding)) == list(page_of(json.loads(text), "x").items)


@pytest.mark.parametrize("key", ["objects", "results"])
def test_a_page_is_read_wherever_its_list_stands(key: str) -> None:
    """Yield the records of a small page, and report that its link is not followed."""
    page = {"meta": {"next": "/two", "total": 2}, key: [{"slug": "a"}, {"slug": 7}], "count": 2}
    *items, last = read(json.dumps(page).encode())
    assert items == list(page_of(page, "x").items)
    assert last == PassedOver("x", "its link to the next page: links are followed only from an address")


@pytest.mark.parametrize(
    ("raw", "good", "complaint"),
    [
        (b'[{"slug":"a"},\n{"slug": oops}]', 1, "x: line 2: expected JSON (Expecting value), got 'oops}]'"),
        (b'[{"slug":"a"},\n{"sl', 1, "x: line 2: expected JSON (Unterminated string starting at), got '\"sl'"),
        (b'[{"slug":"a"}', 1, "x: line 1: expected a comma or the list's end, got the end"),
        (b'[{"slug":"a"}] more', 1, "x: line 1: expected the end, got 'more'"),
        (b'[{"slug":"a"}, NaN]', 1, "x: line 1: expected JSON, got NaN, which is not JSON"),
        (b'{"rows": [{"slug":"a"}]}', 0, "x: document: expected a list of documents, or a page of them"),
        (b"[" * 100_000, 0, "x: line 1: expected JSON, got values nested too deep"),
    ],
)
def test_where_it_ceases_to_be_json(raw: bytes, good: int, complaint: str) -> None:
    """Yield the items before the error, and one rejected record with its line and text."""
    *items, last = long_json(io.BytesIO(raw), "x")
    assert [type(item) for item in items] == [Entry] * good
    assert isinstance(last, Rejected)
    assert str(last).startswith(complaint)


def test_a_number_beyond_64_bits_costs_its_record() -> None:
    """Reject its record only, not the rest of the file."""
    kinds = [type(item) for item in read(b'[{"slug":"a"},{"slug":"b","id":%d},{"slug":"c"}]' % 10**30)]
    assert kinds == [Entry, Rejected, Entry]


def test_a_byte_that_is_no_utf8_costs_its_record() -> None:
    """Reject its record only; the neighbouring records are read."""
    good, bad, last = read(b'[{"slug":"a"},{"slug":"b","title":"\xe9"},{"slug":"c"}]')
    assert str(bad).startswith("x, [1]: title: expected a text of storable characters")
    assert [type(good), type(last)] == [Entry, Entry]


def test_memory_is_an_elements_not_the_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep little more than one piece in the window, and reject an endless element."""
    widest = 0
    more: Callable[[Any], bool] = module._Text._more

    def measured(text: Any) -> bool:
        nonlocal widest
        read_on = more(text)
        widest = max(widest, len(text._text))
        return read_on

    monkeypatch.setattr(module._Text, "_more", measured)
    monkeypatch.setattr(module, "_PIECE", 1000)
    monkeypatch.setattr(module, "LONGEST_ELEMENT", 50_000)
    record = b'{"slug":"a-package"},'
    assert len(list(long_json(io.BytesIO(b"[" + record * 20_000 + b'{"slug":"z"}]'), "x"))) == 20_001
    assert widest < 2_500
    (endless,) = long_json(io.BytesIO(b'["' + b"a" * 10_000_000), "x")
    assert str(endless).startswith("x: line 1: expected JSON (Unterminated string")
    assert widest < 250_000


@pytest.mark.parametrize(
    "raw",
    [
        b'{"slug": "a"}\n{"slug": "b"}\n',
        b'[{"slug": "a"},\n {"slug": "b"}]',
        b"# two\nhttps://github.com/o/a\nhttps://github.com/o/b\n",
        b"repo_url\nhttps://github.com/o/a\nhttps://github.com/o/b\n",
    ],
)
def test_a_stream_that_cannot_be_read_twice(raw: bytes) -> None:
    """Detect the format without losing the beginning, and report every byte to the callback."""
    listed: list[int] = []
    items = list(read_stream(Drop(raw), listed.append))
    assert [item.entry.slug for item in items if isinstance(item, Entry)] == ["a", "b"]
    assert sum(listed) == len(raw)
