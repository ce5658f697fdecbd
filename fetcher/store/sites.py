"""A site's packages in the store: values to project, links, overwritten values and the last pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, Select, and_, bindparam, case, func, select, update

from fetcher.domain.model import CatalogueEntry, DueReason, Source
from fetcher.domain.sites import JournalEntry, LinkedPackage, SitePass, SiteValues
from fetcher.store import site_values
from fetcher.store.dialects import chunks, lock_packages, upsert
from fetcher.store.engine import Aggregate, Transactions, read_transaction, write_transaction
from fetcher.store.importing.entries import Serving, entry_of
from fetcher.store.schema import freshness, packages, site_packages, site_passes, source_states

_P, _F, _L, _S = packages.c, freshness.c, site_packages.c, source_states.c

Stamp: TypeAlias = tuple[Any, ...]
"""Values of a package that differ after each change of its stored values."""


class Sites(Aggregate):
    """The packages that a site's own database lists. ``serving`` names a source's upstream."""

    def __init__(self, transactions: Transactions, serving: Serving) -> None:
        super().__init__(transactions)
        self._serving = serving

    @read_transaction
    def stamps(self, connection: Connection) -> dict[int, Stamp]:
        """Return a stamp of every package: it is equal as long as nothing that a site's row shows has changed.

        The stamp has the request times of all sources, because the response to an earlier request may be stored later.
        """
        times = [func.max(case((_S.source == one.value, _S.observed_at))).label(one.value) for one in Source]
        observed = (
            select(_S.package_id, func.sum(_S.failures).label("failures"), *times).group_by(_S.package_id).subquery()
        )
        requested = [column for column in observed.c if column.name != "package_id"]
        columns = (_P.retired_at, _P.repo_key, _P.project, _F.last_fetched, *requested)
        rows = (
            select(_P.id, *columns)
            .join(freshness, _F.package_id == _P.id)
            .join(observed, observed.c.package_id == _P.id, isouter=True)
        )
        return {row[0]: tuple(row[1:]) for row in connection.execute(rows)}

    @read_transaction
    def linked(self, connection: Connection) -> dict[int, LinkedPackage]:
        """Return every package that the site has listed, by id."""
        rows = select(_L.package_id, _L.missing_since, _L.retired, _L.skipped)
        return {row.package_id: LinkedPackage(*row) for row in connection.execute(rows)}

    @read_transaction
    def entries(self, connection: Connection, package_ids: Sequence[int]) -> dict[int, CatalogueEntry]:
        """Return the stored editors' fields by id; unknown ids are left out."""
        found: dict[int, CatalogueEntry] = {}
        for ids in chunks(package_ids):
            rows = connection.execute(select(packages).where(_P.id.in_(ids)))
            found.update((row.id, entry_of(row)) for row in rows)
        return found

    @write_transaction
    def link(self, connection: Connection, linked: Iterable[LinkedPackage]) -> None:
        """Store the state of these packages; overwritten values stay. Unknown packages are left out."""
        rows = {one.package_id: asdict(one) for one in linked}
        known: set[int] = set()
        for ids in chunks(sorted(rows)):
            known.update(connection.execute(select(_P.id).where(_P.id.in_(ids))).scalars())
        for some in chunks([rows[package_id] for package_id in sorted(known)]):
            upsert(connection, site_packages, some)

    @read_transaction
    def values(self, connection: Connection, package_ids: Sequence[int]) -> list[SiteValues]:
        """Return the values that a site's rows show of these packages, ordered by id."""
        return [one for ids in chunks(sorted(package_ids)) for one in site_values.load(connection, ids, self._serving)]

    @write_transaction
    def journal(self, connection: Connection, entries: Sequence[JournalEntry]) -> None:
        """Keep each column's first overwritten value, and the value last written in its place."""
        given = {one.package_id: one for one in entries}
        rows = (
            select(_L.package_id, _L.before, _L.written)
            .where(_L.package_id.in_(sorted(given)))
            .order_by(_L.package_id)
            .with_for_update()
        )
        changed = []
        for row in connection.execute(rows).all():
            one = given[row.package_id]
            before = {**one.before, **(row.before or {})}
            written = {**(row.written or {}), **one.written}
            if (before, written) != (row.before, row.written):
                changed.append({"of_package": row.package_id, "before": before, "written": written})
        if changed:
            of = update(site_packages).where(_L.package_id == bindparam("of_package"))
            connection.execute(of.values(before=bindparam("before"), written=bindparam("written")), changed)

    @read_transaction
    def journalled(self, connection: Connection) -> list[JournalEntry]:
        """Return the overwritten values of every package, ordered by id."""
        rows: Select[Any] = (
            select(_L.package_id, _L.before, _L.written, _F.last_fetched)
            .join(freshness, _F.package_id == _L.package_id)
            .where(_L.before.is_not(None))
            .order_by(_L.package_id)
        )
        return [_journal_entry(row) for row in connection.execute(rows)]

    @write_transaction
    def forget_journal(self, connection: Connection) -> None:
        """Delete the overwritten values, after they were restored."""
        connection.execute(update(site_packages).where(_L.before.is_not(None)).values(before=None, written=None))

    @write_transaction
    def postpone(self, connection: Connection, package_ids: Collection[int], recheck: timedelta) -> int:
        """Request deprecated packages at the slow re-check only; returns the number of sources postponed.

        A source that is due for another reason than its slot keeps its due time.
        """
        postponed = 0
        for ids in chunks(sorted(package_ids)):
            lock_packages(connection, ids)
            rows = connection.execute(
                select(_S.package_id, _S.source, _S.answered_at, _S.due_at).where(
                    _S.package_id.in_(ids),
                    _S.due_reason == DueReason.SLOT.value,
                    _S.answered_at.is_not(None),
                    _S.lease.is_(None),
                )
            )
            early = [
                {"of_package": row.package_id, "of_source": row.source, "due": row.answered_at + recheck}
                for row in rows
                if row.due_at is not None and row.due_at < row.answered_at + recheck
            ]
            if early:
                of = and_(_S.package_id == bindparam("of_package"), _S.source == bindparam("of_source"))
                later = {"due_at": bindparam("due"), "due_reason": DueReason.RECHECK.value}
                connection.execute(update(source_states).where(of).values(later), early)
            postponed += len(early)
        return postponed

    @write_transaction
    def save_pass(self, connection: Connection, site: str, result: SitePass) -> None:
        """Replace the counters of the site's last pass."""
        stored = {name: _as_json(value) for name, value in asdict(result).items()}
        row = {"site": site, "finished_at": result.finished_at, "result": stored}
        upsert(connection, site_passes, [row])

    @read_transaction
    def last_pass(self, connection: Connection, site: str) -> SitePass | None:
        """Return the counters of the site's last pass; ``None`` before the first."""
        stored = connection.execute(select(site_passes.c.result).where(site_passes.c.site == site)).scalar()
        if stored is None:
            return None
        known = {field.name for field in fields(SitePass)}
        times = {name: _moment(stored.get(name)) for name in ("started_at", "finished_at", "failing_since")}
        return SitePass(**{**{name: value for name, value in stored.items() if name in known}, **times})

    @read_transaction
    def skipped(self, connection: Connection) -> list[tuple[str, str]]:
        """Return the slug of each package whose row, or a value of it, is not written, with the reason."""
        rows = (
            select(_P.slug, _L.skipped)
            .join(site_packages, _L.package_id == _P.id)
            .where(_L.skipped.is_not(None))
            .order_by(_P.slug)
        )
        return [(row.slug, row.skipped) for row in connection.execute(rows)]


def _journal_entry(row: Row[Any]) -> JournalEntry:
    """Return the overwritten values. The last refresh's time moves on at every pass, so it is the stored one."""
    written = dict(row.written or {})
    if "last_fetched" in row.before and row.last_fetched is not None:
        written["last_fetched"] = row.last_fetched.isoformat()
    return JournalEntry(row.package_id, row.before, written)


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
