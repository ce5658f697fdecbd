"""Matching of imported entries with stored packages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import Connection, Row, exists, func, or_, select, update

from fetcher.catalogue.intake import slugified
from fetcher.domain.model import CatalogueEntry, RepoRef, Source
from fetcher.store.changes.noting import note_removed
from fetcher.store.dialects import CHUNK, chunks, lock_packages
from fetcher.store.importing.entries import Addresses, Columns, Rejected
from fetcher.store.schema import freshness, observations, packages, source_states

FIRST_OWN_ID = 1_000_000_000
"""First id assigned by the store. Directories' ids are lower, so a document's id never means another package."""

_P, _O = packages.c, observations.c
IMPORTED = (
    "stars",
    "forks",
    "description",
    "head_committed_at",
    "pypi_latest",
    "commits_over_52",
    "contributors",
)
"""Columns of ``observations`` that a document can carry."""

_NOT_EDITED = ("id", "retired_at")
"""Columns of a stored package that no import changes."""


@dataclass(slots=True)
class ImportedPackage:
    """One package during an import: its stored row (``None`` if new) and its new columns."""

    id: int
    stored: Row[Any] | None
    columns: Columns
    observed: Columns = field(default_factory=dict)
    last_fetched: Any = None
    is_moved: bool = False
    """True if another upstream than the stored one serves its repository now."""

    @property
    def answered(self) -> bool:
        return self.stored is not None and bool(self.stored.answered)

    def value(self, name: str) -> Any:
        """Return a column of ``observations``, including the changes of this batch."""
        stored = None if self.stored is None else getattr(self.stored, name)
        return self.observed.get(name, stored)


class Catalogue:
    """The stored packages that a batch of entries may match, and those that it has added so far.

    ``lock``: block other writers of these packages until the transaction ends, because the writes depend on the reads.
    """

    def __init__(
        self, connection: Connection, entries: Sequence[tuple[CatalogueEntry, Addresses]], *, lock: bool
    ) -> None:
        self._connection = connection
        self._next_id: int | None = None
        self.packages: dict[int, ImportedPackage] = {}
        self._by_slug: dict[str, ImportedPackage] = {}
        self._by_repo: dict[str | None, list[ImportedPackage]] = defaultdict(list)
        self._by_project: dict[str | None, list[ImportedPackage]] = defaultdict(list)
        for row in _stored(connection, entries, lock=lock):
            columns = {
                column.name: getattr(row, column.name) for column in packages.c if column.name not in _NOT_EDITED
            }
            self._take_up(ImportedPackage(row.id, row, columns, last_fetched=row.last_fetched))

    def find(self, entry: CatalogueEntry, addresses: Addresses) -> ImportedPackage | None:
        """Return the package of ``entry``, or ``None`` for a new one. Raises ``Rejected`` for a slug in use."""
        holder = self._by_slug.get(entry.slug)
        if entry.id is not None:
            if holder is not None and holder.id != entry.id:
                if entry.id not in self.packages and holder.id >= FIRST_OWN_ID and _compatible(holder, addresses):
                    return holder  # added by its address, and now listed by the directory with an id: see `give_id`
                raise Rejected(
                    f"slug: {entry.slug!r} belongs to the package with the id {holder.id}. "
                    "Give this one another slug, or that one's id"
                )
            return self.packages.get(entry.id)
        if entry.complete or (holder is not None and not entry.slug_derived):
            return holder
        alike = [one for one in self._alike(addresses) if _compatible(one, addresses)]
        if alike:
            return min(alike, key=lambda one: _distance(one, entry, addresses))
        return holder if holder is not None and _compatible(holder, addresses) else None

    def add(self, entry: CatalogueEntry, columns: Columns, addresses: Addresses) -> ImportedPackage:
        """Add a new package; a derived slug that is taken is replaced by a free one."""
        if entry.slug_derived:
            columns["slug"] = self._free_slug(columns["slug"], addresses)
        one = ImportedPackage(entry.id or self._own_id(), None, columns)
        self._take_up(one)
        return one

    def give_id(self, one: ImportedPackage, package_id: int, now: datetime) -> None:
        """Replace an id assigned by the store with the directory's; all data of the package follows.

        Consumers of the change feed receive a tombstone of the former id before the package with its new one.
        """
        if one.stored is not None:
            note_removed(self._connection, {one.id: one.columns["slug"]}, now)
            self._connection.execute(update(packages).where(_P.id == one.id).values(id=package_id))
        del self.packages[one.id]
        one.id = package_id
        self._take_up(one)

    def edit(self, one: ImportedPackage, columns: Columns) -> None:
        """Replace a package's columns; its old slug becomes free."""
        self._by_slug.pop(one.columns["slug"], None)
        one.columns = columns
        self._take_up(one)

    def _alike(self, addresses: Addresses) -> list[ImportedPackage]:
        """Return packages of the same repository; without a repository, those of the same project."""
        if addresses.repo_key is not None:
            return [one for one in self._by_repo[addresses.repo_key] if one.columns["repo_key"] == addresses.repo_key]
        name = addresses.project_name
        return [] if name is None else [one for one in self._by_project[name] if one.columns["project"] == name]

    def _take_up(self, one: ImportedPackage) -> None:
        self.packages[one.id] = self._by_slug[one.columns["slug"]] = one
        self._by_repo[one.columns["repo_key"]].append(one)
        self._by_project[one.columns["project"]].append(one)

    def _free_slug(self, slug: str, addresses: Addresses) -> str:
        if not self._is_taken(slug):
            return slug
        base = slug
        if isinstance(addresses.repo, RepoRef):
            base = slugified(f"{addresses.repo.owner}-{addresses.repo.name}".removesuffix(".git"))
            if not self._is_taken(base):
                return base
        return next(f"{base}-{n}" for n in count(2) if not self._is_taken(f"{base}-{n}"))

    def _is_taken(self, slug: str) -> bool:
        if slug in self._by_slug:
            return True
        return bool(self._connection.execute(select(exists().where(_P.slug == slug))).scalar())

    def _own_id(self) -> int:
        if self._next_id is None:
            newest = select(func.max(_P.id)).where(_P.id >= FIRST_OWN_ID)
            self._next_id = (self._connection.execute(newest).scalar() or FIRST_OWN_ID - 1) + 1
        while self._next_id in self.packages:
            self._next_id += 1
        return self._next_id


def _compatible(one: ImportedPackage, addresses: Addresses) -> bool:
    """Return whether repository and project do not conflict: several projects may come from one repository."""
    pairs = (
        (one.columns["repo_key"], addresses.repo_key),
        (one.columns["project"], addresses.project_name),
    )
    return all(stored == stated for stored, stated in pairs if stored is not None and stated is not None)


def _distance(one: ImportedPackage, entry: CatalogueEntry, addresses: Addresses) -> tuple[bool, bool, int]:
    columns = one.columns
    return columns["project"] != addresses.project_name, columns["slug"] != entry.slug, one.id


def _stored(
    connection: Connection, entries: Sequence[tuple[CatalogueEntry, Addresses]], *, lock: bool
) -> list[Row[Any]]:
    """Return every stored package that an entry may match; with ``lock``, locked before it is read."""
    loose = [addresses for entry, addresses in entries if entry.id is None and not entry.complete]
    wanted = or_(
        _P.id.in_([entry.id for entry, _ in entries if entry.id is not None]),
        _P.slug.in_([entry.slug for entry, _ in entries]),
        _P.repo_key.in_({one.repo_key for one in loose if one.repo_key}),
        _P.project.in_({one.project_name for one in loose if one.project_name}),
    )
    ids = list(connection.execute(select(_P.id).where(wanted)).scalars())
    if lock:
        lock_packages(connection, ids)
    answered = exists().where(source_states.c.package_id == _P.id, source_states.c.answered_at.is_not(None))
    columns = [_O[name] for name in (*IMPORTED, "full_name", "days_start", "pypi_name", "pypi_documentation_url")]
    rows = (
        select(packages, *columns, freshness.c.last_fetched, answered.label("answered"))
        .join(observations, _O.package_id == _P.id)
        .join(freshness, freshness.c.package_id == _P.id)
    )
    return [row for some in chunks(ids, CHUNK) for row in connection.execute(rows.where(_P.id.in_(some)))]


def to_renew(connection: Connection, after: int, hosts: Collection[str]) -> Sequence[Row[Any]]:
    """Return at most ``CHUNK`` packages with ids above ``after``, locked, whose address is to be parsed again.

    ``upstream`` is the stored one of the repository; ``None`` without a repository that is fetched.
    """
    wanted = or_(_P.repo_unsupported.is_not(None), _P.repo_host.in_(list(hosts)))
    page = select(_P.id).where(_P.id > after, wanted).order_by(_P.id).limit(CHUNK)
    ids = list(connection.execute(page).scalars())
    lock_packages(connection, ids)
    of_repository = source_states.c.package_id == _P.id, source_states.c.source == Source.REPOSITORY.value
    upstream = select(source_states.c.upstream).where(*of_repository).scalar_subquery().label("upstream")
    return connection.execute(select(packages, upstream).where(_P.id.in_(ids)).order_by(_P.id)).all()
