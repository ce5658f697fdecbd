"""Pages of a list by the numbers in a query."""

from collections.abc import Mapping


def number(query: Mapping[str, str], name: str, usual: int) -> int:
    """Return a positive number of a query, or the usual one if it is absent or no number."""
    text = query.get(name, "")
    return max(1, int(text)) if text.isascii() and text.isdigit() else usual


def page_of(total: int, size: int, page: int) -> range:
    """Return the slice of a list of ``total`` that a page holds; pages are counted from 1."""
    start = (page - 1) * size
    return range(min(start, total), min(start + size, total))
