"""One pass over a site: read its catalogue, import what editors changed, write the columns that differ.

The site's rows are compared with the stored values at each pass, so a pass may end anywhere. A package whose stored
values and row are as they were when both were last equal is not compared again until its weeks or its score change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from fetcher.domain.errors import SiteError
from fetcher.domain.sites import (
    SITE,
    VANISHED_AFTER,
    JournalEntry,
    LinkedPackage,
    RowChange,
    SitePass,
    SiteRow,
    SiteValues,
)
from fetcher.sites.base import MOST_ROWS, Site, Written
from fetcher.sites.entries import edited_entry, first_entry, last_fetched, slices
from fetcher.sites.ports import Stamp, Store

NOT_READ = "it is not in Fetcher's store"

WRITERS = 2
"""Batches written at once: one is prepared while the site's database writes the other."""

_LEFT_TO_SITE = "left to the site's own updater: "


@dataclass(frozen=True, slots=True)
class Equal:
    """A package whose row equalled its stored values."""

    stamp: Stamp
    fingerprint: int
    until: datetime


@dataclass(slots=True)
class Reading:
    """The result of reading the site's catalogue: rows to compare, and the changes made to Fetcher's catalogue."""

    packages: int
    fingerprints: Mapping[int, int]
    rows: Sequence[SiteRow]
    linked: dict[int, LinkedPackage]
    """Every package that the site has listed, including this reading's changes."""
    added: int = 0
    edited: int = 0
    retired: int = 0
    rejected: dict[int, str] = field(default_factory=dict)
    """Reasons for which rows were not imported, by id."""


@dataclass(slots=True)
class Comparison:
    """Rows that differ, rows in which ``last_fetched`` alone does, and the reasons for which others are skipped."""

    dirty: list[RowChange] = field(default_factory=list)
    stale: list[RowChange] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    equal: int = 0
    """Rows in which nothing differs."""
    waiting: int = 0
    """Rows of packages of which no source has responded yet, so that nothing is known to write."""
    values: dict[int, SiteValues] = field(default_factory=dict)
    slugs: dict[int, str] = field(default_factory=dict)
    linked: dict[int, LinkedPackage] = field(default_factory=dict)


class Synchronizer:
    """Passes over one site. Each process has its own, because it remembers which packages are equal."""

    def __init__(self, site: Site, store: Store, recheck: timedelta) -> None:
        self._site = site
        self._store = store
        self._recheck = recheck
        self._equal: dict[int, Equal] = {}

    def run(self, now: datetime) -> SitePass:
        """Read, import and write; store and return the counters. A fault of the site is one of them, not raised."""
        before = self._store.sites.last_pass(SITE)
        try:
            result = self._run(now)
        except SiteError as error:
            since = before.failing_since if before is not None and before.failing_since is not None else now
            last = before or SitePass(now, now)
            result = replace(last, started_at=now, finished_at=now, fault=str(error), failing_since=since)
        finally:
            self._site.close()  # one connection a worker process would soon exceed the role's limit
        self._store.sites.save_pass(SITE, result)
        return result

    def _run(self, now: datetime) -> SitePass:
        self._site.inspect()
        reading = self.read(now)
        compared = self.compare(reading, now)
        result = SitePass(
            started_at=now,
            finished_at=now,
            form=self._site.form,
            packages=reading.packages,
            added=reading.added,
            edited=reading.edited,
            retired=reading.retired,
            dirty=len(compared.dirty),
        )
        return self.write(compared, result, now)

    # --- in -----------------------------------------------------------------------------------------------------

    def read(self, now: datetime) -> Reading:
        """Import rows that are new or edited, and retire the packages of rows that vanished."""
        fingerprints = self._site.fingerprints()
        linked = dict(self._store.sites.linked())
        if linked and not fingerprints:
            raise SiteError("the site's database lists no package, and listed some before", "Check FETCHER_SITE_URL")
        stamps = self._store.sites.stamps()
        pending = [one for one in sorted(fingerprints) if not self._is_equal(one, fingerprints, stamps, now)]
        rows = self._site.rows(pending if len(pending) < len(fingerprints) else None) if pending else []
        reading = Reading(len(fingerprints), fingerprints, rows, linked)
        self._import(reading, now)
        reading.retired = self._follow_vanished(reading, now)
        deprecated = [row.id for row in rows if row.deprecated]
        if deprecated:
            self._store.sites.postpone(deprecated, self._recheck)
        return reading

    def _is_equal(
        self, package_id: int, fingerprints: Mapping[int, int], stamps: Mapping[int, Stamp], now: datetime
    ) -> bool:
        known = self._equal.get(package_id)
        return (
            known is not None
            and known.fingerprint == fingerprints[package_id]
            and known.stamp == stamps.get(package_id)
            and now < known.until
        )

    def _import(self, reading: Reading, now: datetime) -> None:
        linked = reading.linked
        stored = self._store.sites.entries([row.id for row in reading.rows])
        new = [first_entry(row, stored.get(row.id)) for row in reading.rows if row.id not in linked]
        edited = [
            entry for row in reading.rows if row.id in linked and (entry := edited_entry(row, stored.get(row.id)))
        ]
        new.sort(key=lambda entry: last_fetched(entry, now))
        for entries, moment in (*slices(new, now), (edited, now)):
            if not entries:
                continue
            done = self._store.packages.import_entries(entries, moment)
            reading.added += done.added
            reading.edited += done.updated
            for index, reason in done.rejected:
                reading.rejected[entries[index].id or 0] = reason
        added = [LinkedPackage(entry.id) for entry in new if entry.id and entry.id not in reading.rejected]
        if added:
            self._store.sites.link(added)
            linked.update((one.package_id, one) for one in added)

    def _follow_vanished(self, reading: Reading, now: datetime) -> int:
        """Retire packages missing from two readings, and revive those that are listed again.

        A package that an operator had retired before stays retired.
        """
        changed: list[LinkedPackage] = []
        vanished: list[LinkedPackage] = []
        back: list[int] = []
        for one in reading.linked.values():
            if one.package_id in reading.fingerprints:
                if one.missing_since is not None:
                    changed.append(replace(one, missing_since=None, retired=False))
                    back += [one.package_id] if one.retired else []
            elif one.missing_since is None:
                changed.append(replace(one, missing_since=now))
            elif not one.retired and now - one.missing_since >= VANISHED_AFTER:
                vanished.append(one)
        if vanished:
            before = self._store.packages.retired([one.package_id for one in vanished])
            vanished = [one for one in vanished if one.package_id not in before]
            changed += [replace(one, retired=True) for one in vanished]
            self._store.packages.retire([one.package_id for one in vanished], now)
        if back:
            self._store.packages.revive(back, now)
        if changed:
            self._store.sites.link(changed)
            reading.linked.update((one.package_id, one) for one in changed)
        return len(vanished)

    # --- out ----------------------------------------------------------------------------------------------------

    def compare(self, reading: Reading, now: datetime) -> Comparison:
        """Compare the rows that were read with the stored values, without writing to the site."""
        ids = [row.id for row in reading.rows]
        stamps = self._store.sites.stamps() if ids else {}
        compared = Comparison(
            linked=reading.linked,
            values={one.package_id: one for one in self._store.sites.values(ids)},
            slugs={row.id: row.entry.slug for row in reading.rows},
        )
        for row in reading.rows:
            if not self._compare_row(row, compared, reading, now) and row.id in stamps:
                values = compared.values.get(row.id)
                until = self._site.equal_until(values, now) if values else now
                self._equal[row.id] = Equal(stamps[row.id], reading.fingerprints[row.id], until)
        for package_id in self._equal.keys() - reading.fingerprints.keys():
            del self._equal[package_id]
        return compared

    def _compare_row(self, row: SiteRow, compared: Comparison, reading: Reading, now: datetime) -> bool:
        """Sort one row by its difference; returns whether there is something to write."""
        values = compared.values.get(row.id)
        if values is None:
            compared.skipped[row.id] = f"not imported: {reading.rejected.get(row.id, NOT_READ)}"
            return False
        reason = self._site.left_out(values, row)
        if reason is not None:
            compared.skipped[row.id] = _LEFT_TO_SITE + reason
            return False
        change = self._site.compare(values, row, now)
        if change.omitted:
            compared.skipped[row.id] = "; ".join(change.omitted)
        if change.only_fetched:
            compared.stale.append(change)
        elif change.changes:
            compared.dirty.append(change)
        elif values.answered:
            compared.equal += 1
        else:
            compared.waiting += 1
        return bool(change.changes)

    def write(self, compared: Comparison, result: SitePass, now: datetime) -> SitePass:
        """Write the rows that differ, and return ``result`` with the counters of the writes."""
        written = locked = 0
        refused: dict[int, str] = {}
        links = self._store.sites

        def batch(changes: Sequence[RowChange]) -> Written:
            return self._site.write(changes, compared.values, now, links.journal)

        with ThreadPoolExecutor(WRITERS, thread_name_prefix="site") as pool:
            for done in pool.map(batch, _batches(compared.dirty)):  # after an error the rest is not begun
                written += len(done.written)
                locked += len(done.locked)
                refused |= done.refused or {}
        if compared.stale:
            links.journal([_first_fetched(one) for one in compared.stale])
        touched = self._site.touch(compared.stale) if compared.stale else 0
        skipped = compared.skipped | refused
        reasons = self._save_skipped(skipped, compared)
        return replace(
            result,
            written=written,
            touched=touched,
            locked=locked,
            refused=len(refused),
            skipped=sum(reasons.values()),
            reasons=reasons,
        )

    def _save_skipped(self, skipped: Mapping[int, str], compared: Comparison) -> dict[str, int]:
        """Store the reasons that are new or no longer hold; returns the numbers of rows by reason."""
        linked = compared.linked
        changed = [
            replace(linked[package_id], skipped=skipped.get(package_id))
            for package_id in sorted({*compared.values, *skipped})
            if package_id in linked and linked[package_id].skipped != skipped.get(package_id)
        ]
        if changed:
            self._store.sites.link(changed)
        now_linked = {**linked, **{one.package_id: one for one in changed}}
        counted = Counter(one.skipped for one in now_linked.values() if one.skipped and one.missing_since is None)
        counted.update(reason for package_id, reason in skipped.items() if package_id not in linked)
        return {str(reason): number for reason, number in counted.most_common()}

    def revert(self) -> int:
        """Restore the first overwritten values where Fetcher's still stand; returns the number of values."""
        self._site.inspect()
        entries = self._store.sites.journalled()
        restored = sum(self._site.revert(entries[i : i + MOST_ROWS]) for i in range(0, len(entries), MOST_ROWS))
        self._store.sites.forget_journal()
        self._equal.clear()
        return restored


def _batches(changes: Sequence[RowChange]) -> Iterator[Sequence[RowChange]]:
    for start in range(0, len(changes), MOST_ROWS):
        yield changes[start : start + MOST_ROWS]


def _first_fetched(change: RowChange) -> JournalEntry:
    """Return the overwritten time of the last fetch. The store knows the time written in its place."""
    before = change.changes[0].before
    return JournalEntry(change.row.id, {"last_fetched": before and before.isoformat()}, {})
