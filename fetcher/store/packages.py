"""Queries of the CLI and the web page: one package, failures, shared repositories and markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, distinct, func, select, text

from fetcher.domain.model import FailureRow, SharedRepository, StoredPackage, Validators
from fetcher.ports import Checkpoint
from fetcher.store import releases
from fetcher.store.dialects import chunks, upsert
from fetcher.store.importing.entries import entry_of, project_of, repo_of
from fetcher.store.schema import FAILING, checkpoints, freshness, observations, packages, source_states
from fetcher.store.states import STATE_COLUMNS, state_of
from fetcher.store.targets import commit_days_of
from fetcher.store.values import observed_of, stats_of, versions_of

_P, _S = packages.c, source_states.c

CATALOGUE = "catalogue"
"""Name of the marker with the time of the last edit of the catalogue."""


def package_ids(connection: Connection, slugs: Sequence[str]) -> Mapping[str, int]:
    """Return ids by slug; unknown slugs are left out."""
    found: dict[str, int] = {}
    for some in chunks(slugs):
        rows = connection.execute(select(_P.slug, _P.id).where(_P.slug.in_(some)))
        found.update((row.slug, row.id) for row in rows)
    return found


def slugs(connection: Connection, package_ids: Sequence[int]) -> Mapping[int, str]:
    """Return slugs by id; unknown ids are left out."""
    found: dict[int, str] = {}
    for some in chunks(package_ids):
        rows = connection.execute(select(_P.id, _P.slug).where(_P.id.in_(some)))
        found.update((row.id, row.slug) for row in rows)
    return found


def recently_committed(connection: Connection, before: datetime, limit: int) -> list[int]:
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


def package(connection: Connection, slug: str) -> StoredPackage | None:
    """Return all stored data of one package, or ``None`` for an unknown slug."""
    wide = [column for column in observations.c if column.name != "package_id"]
    row = connection.execute(
        select(packages, *wide, freshness.c.last_fetched)
        .join(observations, observations.c.package_id == _P.id)
        .join(freshness, freshness.c.package_id == _P.id)
        .where(_P.slug == slug)
    ).one_or_none()
    if row is None:
        return None
    states = connection.execute(select(*STATE_COLUMNS).where(_S.package_id == row.id).order_by(_S.source))
    return StoredPackage(
        entry=entry_of(row),
        observed=observed_of(row),
        commit_days=commit_days_of(row),
        repo=repo_of(row),
        project=project_of(row),
        stats=stats_of(row),
        versions=versions_of(row, releases.load(connection, row.id)),
        states={state.source: state for state in map(state_of, states)},
        retired_at=row.retired_at,
    )


def failures(connection: Connection) -> list[FailureRow]:
    """Return every source that fails or whose last response was a refusal, ordered by slug."""
    rows = (
        select(_P.slug, *STATE_COLUMNS)
        .join(packages, _P.id == _S.package_id)
        .where(text(FAILING))
        .order_by(_P.slug, _S.source)
    )
    return [FailureRow(row.slug, state_of(row)) for row in connection.execute(rows)]


def shared_repositories(connection: Connection) -> list[SharedRepository]:
    """Return repositories that packages reach by different addresses; projects sharing one address do not count."""
    number = observations.c.database_id
    followed = _P.retired_at.is_(None)
    joined = packages.join(observations, observations.c.package_id == _P.id)
    shared = (
        select(number)
        .select_from(joined)
        .where(number.is_not(None), followed)
        .group_by(number)
        .having(func.count(distinct(_P.repo_key)) > 1)
    )
    rows = (
        select(number, observations.c.full_name, _P.slug)
        .select_from(joined)
        .where(number.in_(shared), followed)
        .order_by(number, _P.slug)
    )
    found: dict[int, SharedRepository] = {}
    for row in connection.execute(rows):
        known = found.get(row.database_id, SharedRepository(row.full_name, ()))
        found[row.database_id] = SharedRepository(known.full_name, (*known.slugs, row.slug))
    return list(found.values())


def checkpoint(connection: Connection, name: str) -> Checkpoint:
    """Return the marker of that name; an empty one if none was saved."""
    row = connection.execute(select(checkpoints).where(checkpoints.c.name == name)).one_or_none()
    if row is None:
        return Checkpoint(name)
    validators = Validators(row.etag, row.last_modified, row.credential)
    return Checkpoint(row.name, row.observed_at, row.due_at, validators, row.outcome, row.message)


def save_checkpoint(connection: Connection, checkpoint: Checkpoint) -> None:
    row = {
        "name": checkpoint.name,
        "observed_at": checkpoint.observed_at,
        "due_at": checkpoint.due_at,
        "etag": checkpoint.validators.etag,
        "last_modified": checkpoint.validators.last_modified,
        "credential": checkpoint.validators.credential,
        "outcome": checkpoint.outcome,
        "message": checkpoint.message,
    }
    upsert(connection, checkpoints, [row])


def note_edit(connection: Connection, now: datetime) -> None:
    """Record the time of an edit, which makes cached documents out of date."""
    save_checkpoint(connection, Checkpoint(CATALOGUE, observed_at=now))
