"""The port of a directory's own database. An adapter knows one kind of site; the pass knows none.

The site's rows are the only state: each pass compares them with the stored values, so nothing has to be remembered
between two passes, and an interrupted one is simply repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fetcher.domain.sites import JournalEntry, RowChange, SiteRow, SiteValues

MOST_ROWS = 100
"""Most rows of one transaction in the site's database, and so the most that an interruption repeats."""


@dataclass(frozen=True, slots=True)
class SiteFinding:
    """One finding about the site's tables or the role's grants. ``remedy`` is the action to take unless ``ok``."""

    ok: bool
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """The result of writing some rows: ids by result."""

    written: tuple[int, ...] = ()
    unchanged: tuple[int, ...] = ()
    """Equal to the stored values once they were locked, or no longer at the fetched address."""
    locked: tuple[int, ...] = ()
    """Held by another transaction, or deleted."""
    refused: Mapping[int, str] | None = None
    """Rows that the database refused, with its reason."""


Journal = Callable[[Sequence[JournalEntry]], None]
"""Stores overwritten values. It is called before the site's transaction commits, so that no value is lost."""


class Site(Protocol):
    """A directory's own database. Its methods raise ``SiteError`` if the database cannot be used."""

    @property
    def form(self) -> str:
        """Name of the form of the site's tables. Reads them at first use."""
        ...

    def inspect(self) -> None:
        """Read the columns and rights again. Each pass begins with it; ``SiteError`` for tables not supported."""
        ...

    def check(self) -> list[SiteFinding]:
        """Return findings about columns, types and grants."""
        ...

    def grants(self) -> str:
        """Return the SQL that creates a role with the least rights."""
        ...

    def fingerprints(self) -> dict[int, int]:
        """Return a fingerprint of each row by its id. Equal rows have equal fingerprints."""
        ...

    def rows(self, ids: Sequence[int] | None = None) -> list[SiteRow]:
        """Return the rows, or those with these ids, ordered by id."""
        ...

    def compare(self, values: SiteValues, row: SiteRow, now: datetime) -> RowChange:
        """Return the columns in which ``row`` differs from the stored values. Pure."""
        ...

    def left_out(self, values: SiteValues, row: SiteRow) -> str | None:
        """Return the reason for which the row is not Fetcher's to write, or ``None``. Pure."""
        ...

    def equal_until(self, values: SiteValues, now: datetime) -> datetime:
        """Return the time until which an unchanged row stays equal to unchanged values. Pure."""
        ...

    def write(
        self, changes: Sequence[RowChange], values: Mapping[int, SiteValues], now: datetime, journal: Journal
    ) -> Written:
        """Lock at most ``MOST_ROWS`` rows, compare those that changed again, and write the columns that differ.

        ``values`` has the stored values of the rows by their id. All of it is one transaction. Two threads may call it
        at once, with different rows.
        """
        ...

    def touch(self, changes: Sequence[RowChange]) -> int:
        """Advance the time of the last refresh of rows in which nothing else differs; returns their number."""
        ...

    def revert(self, entries: Sequence[JournalEntry]) -> int:
        """Restore first overwritten values where the written ones still stand; returns the number of values."""
        ...

    def close(self) -> None:
        """Close the connections. The next call opens one again."""
        ...
