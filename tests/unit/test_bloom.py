"""Bloom filter: a large number of names in little memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.bloom import BloomFilter


@given(st.sets(st.text(max_size=20), max_size=50))
def test_an_added_name_is_present(names: set[str]) -> None:
    """A name that was added is always reported as present."""
    found = BloomFilter(len(names), names)
    assert len(found) == len(names)
    assert all(name in found for name in names)


def test_most_others_are_not() -> None:
    """Fewer than three in a hundred other names are reported as present."""
    found = BloomFilter(10_000, (f"given-{n}" for n in range(10_000)))
    assert sum(f"other-{n}" in found for n in range(10_000)) < 300
    assert 5 not in found


def test_none_at_all() -> None:
    """An empty filter reports no name as present."""
    assert "a" not in BloomFilter(0, [])
