"""The catalogue: its packages by slug, id and page, imports and retirements, failures and shared repositories."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, distinct, func, select, tuple_

from fetcher.domain.forges import ForgeKind
from fetcher.domain.hints import Hint
from fetcher.domain.model import (
    DETAIL_SOURCES,
    CatalogueEntry,
    FailureRow,
    OutcomeKind,
    SharedRepository,
    Source,
    SourceState,
    StoredPackage,
)
from fetcher.domain.views import Listed, Listing, Removed
from fetcher.ports import Imported
from fetcher.store import hinted, listing, releases, removal, retirement
from fetcher.store.checkpoints import CATALOGUE
from fetcher.store.dialects import chunks
from fetcher.store.engine import Aggregate, Transactions, read_transaction, write_transaction
from fetcher.store.forges import ForgeRules, Forges
from fetcher.store.importing.entries import ReadProject, ReadRepo, Serving, entry_of, project_of, repo_of
from fetcher.store.importing.importer import Importer
from fetcher.store.schema import activities, checkpoints, freshness, observations, packages, source_states
from fetcher.store.similar import similar
from fetcher.store.states import STATE_COLUMNS, state_of
from fetcher.store.targets import commit_days_of
from fetcher.store.values import observed_of, stats_of, versions_of

_P, _S = packages.c, source_states.c

_STORED: Select[Any] = (
    select(
        packages,
        *(column for column in observations.c if column.name != "package_id"),
        freshness.c.last_fetched,
        activities.c.active_at,
    )
    .join(observations, observations.c.package_id == _P.id)
    .join(freshness, freshness.c.package_id == _P.id)
    .outerjoin(activities, activities.c.package_id == _P.id)
)
"""All columns of stored packages, except releases and states."""


class Packages(Aggregate):
    """The catalogue of packages.

    ``read_repo`` and ``read_project`` parse editors' addresses; ``serving`` names a source's upstream; ``rules`` are
    decisions about hosts.
    """

    def __init__(
        self,
        transactions: Transactions,
        read_repo: ReadRepo,
        read_project: ReadProject,
        serving: Serving,
        forges: Forges,
        rules: ForgeRules,
    ) -> None:
        super().__init__(transactions)
        self._importer = Importer(transactions, read_repo, read_project, serving, forges, rules)
        self._serving = serving

    def import_entries(
        self, entries: Sequence[CatalogueEntry], now: datetime, kinds: Mapping[str, ForgeKind | None] | None = None
    ) -> Imported:
        """Store editors' entries, at most a thousand a transaction. ``kinds`` are a user's words about hosts.

        A kind of ``None`` withdraws the word for a host.
        """
        return self._importer.run(entries, now, kinds)

    def renew_addresses(self, hosts: Collection[str], now: datetime) -> int:
        """Parse unsupported addresses and those on ``hosts`` again, at most a thousand a transaction.

        Returns the number of packages whose address has another meaning or upstream now. Their editors' fields stay.
        """
        return self._importer.renew(hosts, now)

    @read_transaction
    def moved_hosts(self, connection: Connection) -> list[str]:
        """Return the hosts with a repository whose stored upstream is not the one that serves the host now.

        The query reads every package.
        """
        stored = (
            select(_P.repo_host, _S.upstream)
            .join(source_states, _S.package_id == _P.id)
            .where(_S.source == Source.REPOSITORY.value)
            .distinct()
        )
        rows = connection.execute(stored).all()
        return sorted(
            {row.repo_host for row in rows if row.upstream != self._serving(Source.REPOSITORY, row.repo_host)}
        )

    @read_transaction
    def ids(self, connection: Connection, slugs: Sequence[str]) -> Mapping[str, int]:
        """Return ids by slug; unknown slugs are left out."""
        found: dict[str, int] = {}
        for some in chunks(slugs):
            rows = connection.execute(select(_P.slug, _P.id).where(_P.slug.in_(some)))
            found.update((row.slug, row.id) for row in rows)
        return found

    @read_transaction
    def slugs(self, connection: Connection, package_ids: Sequence[int]) -> Mapping[int, str]:
        """Return slugs by id; unknown ids are left out."""
        found: dict[int, str] = {}
        for some in chunks(package_ids):
            rows = connection.execute(select(_P.id, _P.slug).where(_P.id.in_(some)))
            found.update((row.id, row.slug) for row in rows)
        return found

    @read_transaction
    def of_repositories(self, connection: Connection, hints: Sequence[Hint]) -> dict[Hint, list[int]]:
        """Return the packages of each hint's repository, by its paths, otherwise by its id on that host.

        Hints without a package are left out. Ids are found by a scan, because only renamed repositories need them.
        """
        return hinted.of_repositories(connection, hints)

    @read_transaction
    def recently_committed(self, connection: Connection, before: datetime, limit: int) -> list[int]:
        """Return ids of followed packages whose newest commit is older than ``before``, newest first."""
        committed = observations.c.head_committed_at
        rows = (
            select(_P.id)
            .join(observations, observations.c.package_id == _P.id)
            .where(committed < before, _P.retired_at.is_(None), _P.repo_key.is_not(None))
            .order_by(committed.desc(), _P.id)
            .limit(limit)
        )
        return list(connection.execute(rows).scalars())

    @read_transaction
    def get(self, connection: Connection, slug: str) -> StoredPackage | None:
        """Return all stored data of one package, or ``None`` for an unknown slug."""
        row = connection.execute(_STORED.where(_P.slug == slug)).one_or_none()
        if row is None:
            return None
        return replace(
            _package(row),
            versions=versions_of(row, releases.load(connection, row.id)),
            states=_states(connection, row),
        )

    @read_transaction
    def documents(self, connection: Connection, package_ids: Sequence[int]) -> list[StoredPackage]:
        """Return packages for documents, in the order of the ids, without releases and states."""
        return _by_ids(connection, package_ids)

    @read_transaction
    def documents_after(self, connection: Connection, package_id: int, limit: int) -> list[StoredPackage]:
        """Return the first ``limit`` packages with ids above ``package_id``, as ``documents`` does.

        Keyset pagination instead of an offset: every page costs the same.
        """
        following = select(_P.id).where(_P.id > package_id).order_by(_P.id).limit(limit)
        return _by_ids(connection, list(connection.execute(following).scalars()))

    @read_transaction
    def size(self, connection: Connection) -> int:
        """Return the number of packages."""
        return connection.execute(select(func.count()).select_from(packages)).scalar_one()

    @read_transaction
    def listing(self, connection: Connection, wanted: Listing, stale_before: datetime) -> Listed:
        """Return a page of the catalogue. Packages last fetched before ``stale_before`` are stale."""
        return listing.page(connection, wanted, stale_before)

    @read_transaction
    def touched_at(self, connection: Connection, package_ids: Sequence[int]) -> datetime | None:
        """Return the time of the last request for one of these packages or of the last edit of the catalogue.

        Their documents cannot change otherwise. ``None`` if neither ever happened.
        """
        requested = select(func.max(_S.observed_at)).where(_S.package_id.in_(package_ids))
        edited = select(checkpoints.c.observed_at).where(checkpoints.c.name == CATALOGUE)
        moments = (connection.execute(requested).scalar(), connection.execute(edited).scalar())
        return max((moment for moment in moments if moment is not None), default=None)

    @write_transaction
    def retire(self, connection: Connection, package_ids: Sequence[int], now: datetime) -> int:
        """Retire packages for an editor: they are no longer fetched, and their values stay.

        Returns the number of packages that were not retired before.
        """
        return retirement.retire(connection, package_ids, now)

    @write_transaction
    def revive(self, connection: Connection, package_ids: Sequence[int], now: datetime) -> int:
        """Fetch retired packages again from now on; returns the number that were retired."""
        return retirement.revive(connection, package_ids, self._serving, now)

    @write_transaction
    def remove(self, connection: Connection, package_ids: Sequence[int], now: datetime) -> Removed:
        """Delete packages with their values, releases, history, timeline and refresh requests."""
        return removal.remove(connection, package_ids, now)

    @read_transaction
    def similar(self, connection: Connection, slug: str) -> list[str]:
        """Return at most three slugs similar to ``slug``, ignoring case, the most similar first."""
        return similar(connection, slug)

    @read_transaction
    def retired(self, connection: Connection, package_ids: Sequence[int]) -> Collection[int]:
        """Return the ids of the retired packages among ``package_ids``."""
        return retirement.retired(connection, package_ids)

    @read_transaction
    def failures(self, connection: Connection) -> list[FailureRow]:
        """Return every source that fails or whose last response was a refusal, ordered by slug.

        A missing repository is one failure: its contributors and commits are missing with it.
        """
        rows = (
            select(_P.slug, *STATE_COLUMNS)
            .join(packages, _P.id == _S.package_id)
            .where(listing.FAILS)
            .order_by(_P.slug, _S.source)
        )
        found = [FailureRow(row.slug, state_of(row)) for row in connection.execute(rows)]
        missing = {row.slug for row in found if row.state.source is Source.REPOSITORY and _is_missing(row.state)}
        return [
            row
            for row in found
            if row.state.source not in DETAIL_SOURCES or row.slug not in missing or not _is_missing(row.state)
        ]

    @read_transaction
    def shared_repositories(self, connection: Connection) -> list[SharedRepository]:
        """Return repositories that packages reach by different addresses; projects sharing one address do not count."""
        host, number = _P.repo_host, observations.c.repository_id
        followed = _P.retired_at.is_(None)
        joined = packages.join(observations, observations.c.package_id == _P.id)
        shared = (
            select(host, number)
            .select_from(joined)
            .where(number.is_not(None), followed)
            .group_by(host, number)
            .having(func.count(distinct(_P.repo_key)) > 1)
        )
        rows = (
            select(host, number, observations.c.full_name, _P.slug)
            .select_from(joined)
            .where(tuple_(host, number).in_(shared), followed)
            .order_by(host, number, _P.slug)
        )
        found: dict[tuple[str, str], SharedRepository] = {}
        for row in connection.execute(rows):
            key = (row.repo_host, row.repository_id)
            known = found.get(key, SharedRepository(row.full_name, ()))
            found[key] = SharedRepository(known.full_name, (*known.slugs, row.slug))
        return list(found.values())


def _states(connection: Connection, row: Row[Any]) -> dict[Source, SourceState]:
    """Return the states of a package's sources; those of a retired one as they were kept, without a due time."""
    if row.retired_at is not None:
        kept = retirement.kept_states(connection, [row.id])
        return {source: replace(state, due_at=None, due_reason=None) for (_, source), state in sorted(kept.items())}
    rows = connection.execute(select(*STATE_COLUMNS).where(_S.package_id == row.id).order_by(_S.source))
    return {state.source: state for state in map(state_of, rows)}


def _by_ids(connection: Connection, package_ids: Sequence[int]) -> list[StoredPackage]:
    found = {row.id: _package(row) for row in connection.execute(_STORED.where(_P.id.in_(package_ids)))}
    return [found[package_id] for package_id in package_ids if package_id in found]


def _package(row: Row[Any]) -> StoredPackage:
    return StoredPackage(
        entry=entry_of(row),
        observed=observed_of(row),
        commit_days=commit_days_of(row),
        repo=repo_of(row),
        project=project_of(row),
        stats=stats_of(row),
        versions=versions_of(row, ()),
        states={},
        retired_at=row.retired_at,
        active_at=row.active_at,
    )


def _is_missing(state: SourceState) -> bool:
    return state.outcome is OutcomeKind.GONE
