"""The port's implementation: transactions around the statements, and the layout that they use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fetcher.domain.sites import GonePolicy, JournalEntry, RowChange, SiteRow, SiteValues
from fetcher.sites.base import Journal, SiteFinding, Written
from fetcher.sites.django_packages import grants, layout, rows, scoring, writer
from fetcher.sites.django_packages.connection import SCHEMA_CHANGED, explain, open_site_engine, state_of
from fetcher.sites.django_packages.inspection import inspect
from fetcher.sites.django_packages.layout import Layout, layout_of, readable
from fetcher.sites.django_packages.projection import Projection

T = TypeVar("T")


class DjangoPackages:
    """A Django Packages site: ``fetcher.sites.base.Site``.

    The layout is read when the site is opened, and again after the database has reported that it changed.
    """

    def __init__(self, url: str, *, gone: GonePolicy = GonePolicy.TELL, read_only: bool = False) -> None:
        self._engine = open_site_engine(url, read_only=read_only)
        self._gone = gone
        self._layout: Layout | None = None

    @property
    def form(self) -> str:
        """Name of the form of the site's tables."""
        return self._current().form

    @property
    def projection(self) -> Projection:
        """The projection on the current layout."""
        return Projection(self._current(), self._gone)

    def inspect(self) -> None:
        """Read the columns and rights again."""
        self._read_layout()

    def check(self) -> list[SiteFinding]:
        """Return findings about columns and grants."""
        self.inspect()
        return layout.findings(self._current(), deprecates=self._gone is GonePolicy.DEPRECATE)

    def grants(self) -> str:
        """Return the SQL that creates a role with the least rights. It needs no right but to connect."""
        return grants.grants(layout_of(self._transaction(inspect)), deprecates=self._gone is GonePolicy.DEPRECATE)

    def fingerprints(self) -> dict[int, int]:
        """Return a fingerprint of each row by its id."""
        return self._run(lambda c, used: {row[0]: row[1] for row in c.execute(rows.fingerprints(used))})

    def rows(self, ids: Sequence[int] | None = None) -> list[SiteRow]:
        """Return the rows, or those with these ids, ordered by id."""
        return self._run(lambda c, used: [rows.row_of(row, used) for row in c.execute(rows.packages(used, ids))])

    def compare(self, values: SiteValues, row: SiteRow, now: datetime) -> RowChange:
        """Return the columns in which ``row`` differs from the stored values."""
        return self.projection.compare(values, row, now)

    def left_out(self, values: SiteValues, row: SiteRow) -> str | None:
        """Return the reason for which the row is not Fetcher's to write, or ``None``."""
        return self.projection.left_out(values, row)

    def equal_until(self, values: SiteValues, now: datetime) -> datetime:
        """Return the time until which an unchanged row stays equal to unchanged values."""
        return scoring.equal_until(values.last_committed, now)

    def write(
        self, changes: Sequence[RowChange], values: Mapping[int, SiteValues], now: datetime, journal: Journal
    ) -> Written:
        """Write the columns that differ in one transaction."""
        return self._run(lambda c, used: writer.write(c, Projection(used, self._gone), changes, values, now, journal))

    def touch(self, changes: Sequence[RowChange]) -> int:
        """Advance ``last_fetched`` of rows in which nothing else differs; returns their number."""
        return self._run(lambda c, _: writer.touch(c, changes))

    def revert(self, entries: Sequence[JournalEntry]) -> int:
        """Restore first overwritten values where the written ones still stand; returns the number of values."""
        return self._run(lambda c, used: writer.revert(c, used, entries))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _current(self) -> Layout:
        return self._layout if self._layout is not None else self._read_layout()

    def _read_layout(self) -> Layout:
        self._layout = readable(layout_of(self._transaction(inspect)))
        return self._layout

    def _run(self, work: Callable[[Connection, Layout], T]) -> T:
        """Run ``work`` in a transaction. If a column, table or right is missing, read the layout and run it again."""
        used = self._current()
        try:
            with self._engine.begin() as connection:
                return work(connection, used)
        except SQLAlchemyError as error:
            if state_of(error) not in SCHEMA_CHANGED:
                raise explain(error, self._engine.url) from error
        again = self._read_layout()
        return self._transaction(lambda connection: work(connection, again))

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise explain(error, self._engine.url) from error
