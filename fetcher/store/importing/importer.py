"""Import of editors' entries: in batches, idempotent, with bad entries rejected one by one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from fetcher.catalogue.credentials import without_credentials_in
from fetcher.domain.errors import StoreError
from fetcher.domain.forges import ForgeKind
from fetcher.domain.model import CatalogueEntry, Source
from fetcher.ports import Imported
from fetcher.store.checkpoints import note_edit
from fetcher.store.dialects import CHUNK, IMPORTING, chunks, one_at_a_time
from fetcher.store.engine import Transactions
from fetcher.store.forges import ForgeRules, Forges, add_hosts
from fetcher.store.importing.entries import (
    Addresses,
    ReadProject,
    ReadRepo,
    Rejected,
    Serving,
    check,
    complete_columns,
    entry_of,
    filled_columns,
    same,
    says_anything,
)
from fetcher.store.importing.matching import Catalogue, ImportedPackage, to_renew
from fetcher.store.importing.placing import place
from fetcher.store.values import imported_columns

Numbered: TypeAlias = tuple[int, CatalogueEntry, Addresses]
"""An entry with its index in the import and its parsed addresses."""


@dataclass(frozen=True, slots=True)
class _Renewed:
    """The last package of a batch whose addresses were parsed again, and the number of changed packages."""

    last_id: int
    changed: int


@dataclass(slots=True)
class _Counts:
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[tuple[int, str]] = field(default_factory=list)
    unsupported: list[tuple[str, str]] = field(default_factory=list)
    slugs: list[str] = field(default_factory=list)

    def plus(self, other: _Counts) -> None:
        self.added += other.added
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.rejected += other.rejected
        self.unsupported += other.unsupported
        self.slugs += other.slugs


@dataclass(frozen=True, slots=True)
class Importer:
    """Importer of entries: parses their addresses, and stores them in transactions of at most a thousand."""

    transactions: Transactions
    read_repo: ReadRepo
    read_project: ReadProject
    serving: Serving
    forges: Forges
    rules: ForgeRules

    def run(
        self, entries: Sequence[CatalogueEntry], now: datetime, kinds: Mapping[str, ForgeKind | None] | None = None
    ) -> Imported:
        """Store ``entries``, and the kinds of hosts that they or the user state.

        Addresses that are stored already on a host of another kind now are parsed again.
        """
        counts, cleaned = _Counts(), 0
        sound: list[Numbered] = []
        marks = self._state({**self.rules.stated(entries), **(kinds or {})}, now)
        for index, given in enumerate(entries):
            entry = without_credentials_in(given)
            cleaned += entry is not given
            try:
                check(entry)
            except Rejected as error:
                counts.rejected.append((index, error.reason))
            else:
                sound.append((index, entry, self._addresses(entry)))
        for batch in chunks(sound, CHUNK):
            counts.plus(self._store(batch, now))
        if marks:
            self._renew_all(marks.keys(), marks, now)
        return Imported(
            counts.added,
            counts.updated,
            counts.unchanged,
            tuple(sorted(counts.rejected)),
            tuple(counts.unsupported),
            tuple(counts.slugs),
            cleaned,
        )

    def renew(self, hosts: Collection[str], now: datetime) -> int:
        """Parse stored addresses again: unsupported ones, and those on ``hosts``. Returns the number that differ.

        A repository that another upstream serves now is reset also if its address means the same.
        At most a thousand packages are parsed in one transaction, under the import lock.
        """
        marks = self.forges.unparsed(hosts)
        if marks:
            self.rules.changed()
        return self._renew_all(hosts, marks, now)

    def _renew_all(self, hosts: Collection[str], marks: Mapping[str, str], now: datetime) -> int:
        """Parse addresses again, then remove ``marks``. They were read before the kinds that this process uses."""
        changed, after = 0, 0
        while (renewed := self._renew(after, hosts, now)) is not None:
            changed, after = changed + renewed.changed, renewed.last_id
        if marks:
            self.forges.parsed(marks)
        return changed

    def _renew(self, after: int, hosts: Collection[str], now: datetime) -> _Renewed | None:
        """Renew the first packages with ids above ``after``; ``None`` if there are none."""

        def work(connection: Connection) -> _Renewed | None:
            one_at_a_time(connection, IMPORTING)
            rows = to_renew(connection, after, hosts)
            if not rows:
                return None
            batch = [(n, entry, self._addresses(entry)) for n, entry in enumerate(map(entry_of, rows))]
            moved = {row.id for row in rows if _is_moved(row, self.serving)}
            counts = _store_batch(connection, batch, self.serving, self.rules, now, moved)
            return _Renewed(rows[-1].id, counts.updated)

        return self.transactions.write(work)

    def _state(self, kinds: Mapping[str, ForgeKind | None], now: datetime) -> Mapping[str, str]:
        """Store the kinds of hosts, by which addresses are then parsed.

        Returns the marks of the hosts whose stored addresses are not parsed by that kind yet. They may be of a former
        import of the same words, which was interrupted.
        """
        listed = {host: kind for host, kind in kinds.items() if self.rules.lists(host)}
        if not listed:
            return {}
        changed = self.forges.state(listed, now)
        marks = self.forges.unparsed(listed)
        if changed or marks:
            self.rules.changed()
        return marks

    def _addresses(self, entry: CatalogueEntry) -> Addresses:
        return Addresses(self.read_repo(entry.repo_url), self.read_project(entry.pypi_url))

    def _store(self, batch: Sequence[Numbered], now: datetime) -> _Counts:
        """Store a batch; if the database refuses a value, halve it until the bad entry is alone.

        A batch that changes nothing is only read, without a lock. Importing again, also after an interruption, is
        therefore cheap and blocks no other writer.
        """
        try:
            return self.transactions.read(lambda connection: _as_stored(connection, batch)) or self.transactions.write(
                lambda connection: _store_batch(connection, batch, self.serving, self.rules, now)
            )
        except StoreError as error:
            if not _refused(error):
                raise
            if len(batch) == 1:
                return _Counts(rejected=[(batch[0][0], f"cannot be stored: {error.message}")])
        half = len(batch) // 2
        counts = self._store(batch[:half], now)
        counts.plus(self._store(batch[half:], now))
        return counts


def _is_moved(row: Row[Any], serving: Serving) -> bool:
    """Return whether another upstream serves the package's repository than the stored one."""
    return row.upstream is not None and row.upstream != serving(Source.REPOSITORY, row.repo_host)


def _refused(error: StoreError) -> bool:
    """Return whether the database refused a value, rather than failed."""
    cause = error.__cause__
    return isinstance(cause, DataError | IntegrityError | OverflowError | UnicodeError) or type(cause) is StatementError


def _as_stored(connection: Connection, batch: Sequence[Numbered]) -> _Counts | None:
    """Return the result of the batch if every entry is already stored as stated, otherwise ``None``."""
    catalogue = Catalogue(connection, [(entry, addresses) for _, entry, addresses in batch], lock=False)
    counts = _Counts(unchanged=len(batch))
    for _, entry, addresses in batch:
        try:
            package = catalogue.find(entry, addresses)
        except Rejected:
            return None
        if (
            package is None
            or _has_another_id(package, entry)
            or _edit(catalogue, package, entry, addresses)
            or _observe(package, entry)
        ):
            return None
        counts.unsupported += [(package.columns["slug"], reason) for reason in addresses.unsupported()]
        counts.slugs.append(package.columns["slug"])
    return counts


def _store_batch(
    connection: Connection,
    batch: Sequence[Numbered],
    serving: Serving,
    rules: ForgeRules,
    now: datetime,
    moved: Collection[int] = (),
) -> _Counts:
    """Store a batch under the import lock: two imports adding the same slug would otherwise conflict.

    ``moved``: ids of packages whose repository another upstream serves now.
    """
    one_at_a_time(connection, IMPORTING)
    catalogue = Catalogue(connection, [(entry, addresses) for _, entry, addresses in batch], lock=True)
    counts = _Counts()
    touched: dict[int, ImportedPackage] = {}
    for index, entry, addresses in batch:
        try:
            package = catalogue.find(entry, addresses)
        except Rejected as error:
            counts.rejected.append((index, error.reason))
            continue
        if package is None:
            package = catalogue.add(entry, complete_columns(entry, addresses), addresses)
            _observe(package, entry)
            counts.added += 1
            touched[package.id] = package
        elif (
            _move(package, moved)
            | _name(catalogue, package, entry, now)
            | _edit(catalogue, package, entry, addresses)
            | _observe(package, entry)
        ):
            counts.updated += 1
            touched[package.id] = package
        else:
            counts.unchanged += 1
        counts.unsupported += [(package.columns["slug"], reason) for reason in addresses.unsupported()]
        counts.slugs.append(package.columns["slug"])
    hosts = {one.columns["repo_host"] for one in touched.values()} - {None}
    add_hosts(connection, [host for host in hosts if rules.lists(host)])
    place(connection, sorted(touched.values(), key=lambda one: one.id), serving, now)
    if touched:
        note_edit(connection, now)
    return counts


def _has_another_id(package: ImportedPackage, entry: CatalogueEntry) -> bool:
    return entry.id is not None and package.id != entry.id


def _move(package: ImportedPackage, moved: Collection[int]) -> bool:
    """Note that another upstream serves the repository of a package in ``moved``; returns whether one does."""
    package.is_moved = package.id in moved
    return package.is_moved


def _name(catalogue: Catalogue, package: ImportedPackage, entry: CatalogueEntry, now: datetime) -> bool:
    """Give the package the entry's id; returns whether it had another."""
    if entry.id is None or package.id == entry.id:
        return False
    catalogue.give_id(package, entry.id, now)
    return True


def _edit(catalogue: Catalogue, package: ImportedPackage, entry: CatalogueEntry, addresses: Addresses) -> bool:
    """Give the package the entry's fields; returns whether one differed."""
    stated = complete_columns(entry, addresses)
    columns = stated if entry.complete else filled_columns(package.columns, stated)
    if same(package.columns, columns):
        return False
    catalogue.edit(package, columns)
    return True


def _observe(package: ImportedPackage, entry: CatalogueEntry) -> bool:
    """Take a document's observations unless the stored ones are newer; returns whether one differed."""
    observed = entry.observed
    if observed is None or not says_anything(observed) or not _is_newer(package, observed.last_fetched):
        return False
    stated = imported_columns(observed, package.value("contributors"))
    new = {name: value for name, value in stated.items() if package.value(name) != value}
    package.observed |= new
    moved = observed.last_fetched is not None and observed.last_fetched != package.last_fetched
    if moved:
        package.last_fetched = observed.last_fetched
    return bool(new) or moved


def _is_newer(package: ImportedPackage, last_fetched: datetime | None) -> bool:
    """Return whether a document may replace stored values.

    An older document never replaces a newer one, nor does one of unknown age replace a response.
    """
    if package.last_fetched is None:
        return not package.answered
    return (
        last_fetched is not None
        and last_fetched >= package.last_fetched
        and (last_fetched > package.last_fetched or not package.answered)
    )
