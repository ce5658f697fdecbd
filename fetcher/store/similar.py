"""Slugs similar to a misspelt one, at a bounded cost for a catalogue of any size."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from sqlalchemy import Connection, select

from fetcher.store.schema import packages
from fetcher.store.types import plain

MOST_COMPARED = 5_000
"""Largest catalogue that is compared in full. Of a larger one, the slugs next to the misspelt one are compared."""

_NEIGHBOURS = 1_000
"""Slugs read from the index for each beginning, in a larger catalogue."""

_SHOWN = 3
_PREFIXES = (5, 4, 3, 2)
_CUTOFF = 0.6
_LONGEST = 100
"""Longest slug that is compared, in characters: the cost grows with the square of the length."""

_SLUG = packages.c.slug


def similar(connection: Connection, slug: str) -> list[str]:
    """Return at most three slugs similar to ``slug``, ignoring case, the most similar first."""
    slug = (plain(slug) or "").strip()
    if not slug or len(slug) > _LONGEST:
        return []
    every = select(_SLUG).order_by(_SLUG).limit(MOST_COMPARED + 1)
    slugs = list(connection.execute(every).scalars())
    if len(slugs) > MOST_COMPARED:
        slugs = _neighbours(connection, slug)
    return _closest(slug, slugs)


def _neighbours(connection: Connection, slug: str) -> list[str]:
    """Return the slugs around ``slug`` and after each of its first characters, in its case and in lower case."""
    before = select(_SLUG).where(slug.lower() > _SLUG).order_by(_SLUG.desc()).limit(_NEIGHBOURS)
    found = dict.fromkeys(connection.execute(before).scalars())
    for start in (slug, slug.lower(), *(slug.lower()[:length] for length in _PREFIXES)):
        after = select(_SLUG).where(start <= _SLUG).order_by(_SLUG).limit(_NEIGHBOURS)
        found.update(dict.fromkeys(connection.execute(after).scalars()))
    return list(found)


def _closest(slug: str, slugs: Iterable[str]) -> list[str]:
    by_folded: dict[str, list[str]] = {}
    for one in slugs:
        if len(one) <= _LONGEST:
            by_folded.setdefault(one.lower(), []).append(one)
    close = get_close_matches(slug.lower(), by_folded, _SHOWN, _CUTOFF)
    return [one for folded in close for one in by_folded[folded]][:_SHOWN]
