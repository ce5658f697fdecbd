"""External text, prepared for a database and for a line of a report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.text import one_line, storable, unstorable

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("Grüße 🎉\n", "Grüße 🎉\n"),
        ("a\x00b", "ab"),
        ("a\ud800b", "a\ufffdb"),
        ("\udc00", "\ufffd"),
        ("\ud83c\udf89", "🎉"),
    ],
)
def test_text_that_no_database_holds_loses_a_character(text: str, stored: str) -> None:
    """NUL is dropped, an unpaired surrogate is replaced, and a pair becomes the character that it encodes."""
    assert storable(text) == stored


@given(ANY_TEXT)
def test_any_text_becomes_storable(text: str) -> None:
    """The result holds nothing that PostgreSQL refuses, and storable text stays as it is."""
    stored = storable(text)
    assert unstorable(stored) is None
    stored.encode("utf-8")
    if unstorable(text) is None:
        assert stored == text


@pytest.mark.parametrize(("text", "at"), [("ab\x00", 2), ("\ud800", 0), ("a\udfffb", 1)])
def test_the_place_of_a_character_that_is_rejected(text: str, at: int) -> None:
    """The first such character is returned with its place."""
    found = unstorable(text)
    assert found is not None
    assert found.start() == at


@given(ANY_TEXT, st.integers(2, 50))
def test_one_line(text: str, length: int) -> None:
    """A line is printable and never longer than requested."""
    line = one_line(text, length)
    assert line.isprintable()
    assert len(line) <= length
