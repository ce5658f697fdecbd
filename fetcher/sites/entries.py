"""Rows of a site as entries of the catalogue: which to import, and in which order they become due. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from fetcher.domain.model import CatalogueEntry
from fetcher.domain.sites import SiteRow

FIRST_DUE_TOGETHER = 100
"""New packages that become due at the same moment. Those that the site fetched longest ago become due first."""


def first_entry(row: SiteRow, stored: CatalogueEntry | None) -> CatalogueEntry:
    """Return a row as it is first imported: the site's values are the baseline. A document's categories stay."""
    if stored is None:
        return row.entry
    category = row.entry.category if isinstance(stored.category, int | None) else stored.category
    return replace(row.entry, category=category, grids=stored.grids, extra=stored.extra)


def edited_entry(row: SiteRow, stored: CatalogueEntry | None) -> CatalogueEntry | None:
    """Return the row as an entry if an editor's field differs from the stored one, otherwise ``None``."""
    if stored is None:
        return row.entry
    entry = replace(first_entry(row, stored), observed=None)
    return None if entry == replace(stored, observed=None) else entry


def last_fetched(entry: CatalogueEntry, now: datetime) -> datetime:
    """Return the time of the site's last fetch; the beginning of time if there was none."""
    last = entry.observed.last_fetched if entry.observed is not None else None
    return last or datetime.min.replace(tzinfo=now.tzinfo)


def slices(entries: Sequence[CatalogueEntry], now: datetime) -> Iterator[tuple[Sequence[CatalogueEntry], datetime]]:
    """Yield new entries with the moment at which they become due, a millisecond apart."""
    for number, start in enumerate(range(0, len(entries), FIRST_DUE_TOGETHER)):
        yield entries[start : start + FIRST_DUE_TOGETHER], now + timedelta(milliseconds=number)
