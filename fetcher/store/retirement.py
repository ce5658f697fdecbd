"""Retirement of packages by editors, and its reversal. No error ever retires or revives a package.

A retired package has no sources, so none can become due. Its values, releases and history stay, and the states of its
sources are kept aside.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, delete, insert, null, select, update

from fetcher.domain.changes import EventType
from fetcher.domain.model import REPOSITORY_SOURCES, DueReason, Source, SourceState
from fetcher.store.changes.noting import note
from fetcher.store.checkpoints import note_edit
from fetcher.store.dialects import chunks, lock_packages
from fetcher.store.importing.entries import Serving
from fetcher.store.schema import packages, retired_sources, source_states, synced_packages
from fetcher.store.states import FIRST_REQUESTED, first_state, row_of, state_of

_P, _R, _Y = packages.c, retired_sources.c, synced_packages.c
_LEASE = ("lease", "lease_until")


def retire(connection: Connection, package_ids: Sequence[int], now: datetime) -> int:
    """Remove the packages from every schedule; returns the number that were not retired before."""
    retired = 0
    for ids in chunks(sorted(package_ids)):
        lock_packages(connection, ids)
        fresh = update(packages).where(_P.id.in_(ids), _P.retired_at.is_(None)).values(retired_at=now)
        new = sorted(connection.execute(fresh.returning(_P.id)).scalars())
        note(connection, new, EventType.RETIRED, now)
        retired += len(new)
        _set_aside(connection, ids)
    note_edit(connection, now)
    return retired


def revive(connection: Connection, package_ids: Sequence[int], serving: Serving, now: datetime) -> int:
    """Restore the packages' sources with their kept states, due now; returns the number that were retired.

    Synchronizations that retired them forget them until their source lists them again.
    """
    revived = 0
    for ids in chunks(sorted(package_ids)):
        lock_packages(connection, ids)
        rows = connection.execute(
            select(_P.id, _P.repo_host, _P.project).where(_P.id.in_(ids), _P.retired_at.is_not(None))
        ).all()
        connection.execute(update(packages).where(_P.id.in_([row.id for row in rows])).values(retired_at=None))
        kept = kept_states(connection, [row.id for row in rows])
        states = [
            row_of(row.id, _revived(kept.get((row.id, source)), source, upstream, now))
            for row in rows
            for source, upstream in sources_of(row.repo_host, row.project, serving)
        ]
        if states:
            connection.execute(insert(source_states), states)
        connection.execute(delete(retired_sources).where(_R.package_id.in_([row.id for row in rows])))
        connection.execute(delete(synced_packages).where(_Y.package_id.in_(ids), _Y.retired))
        note(connection, sorted(row.id for row in rows), EventType.REVIVED, now)
        revived += len(rows)
    note_edit(connection, now)
    return revived


def kept_states(connection: Connection, package_ids: Sequence[int]) -> dict[tuple[int, Source], SourceState]:
    """Return the kept states of retired packages, by package and source."""
    found: dict[tuple[int, Source], SourceState] = {}
    for ids in chunks(package_ids):
        for row in connection.execute(select(retired_sources).where(_R.package_id.in_(ids))):
            found[row.package_id, Source(row.source)] = state_of(row)
    return found


def forget(connection: Connection, package_id: int, sources: Iterable[Source]) -> None:
    """Delete the kept states of ``sources``, because their address has changed."""
    names = [source.value for source in sources]
    connection.execute(delete(retired_sources).where(_R.package_id == package_id, _R.source.in_(names)))


def _set_aside(connection: Connection, ids: Sequence[int]) -> None:
    """Move the states of the packages' sources to ``retired_sources``, without their leases."""
    moved = source_states.c.package_id.in_(ids)
    columns = [null().label(one.name) if one.name in _LEASE else one for one in source_states.c]
    copy = insert(retired_sources).from_select([one.name for one in source_states.c], select(*columns).where(moved))
    connection.execute(copy)
    connection.execute(delete(source_states).where(moved))


def _revived(kept: SourceState | None, source: Source, upstream: str, now: datetime) -> SourceState:
    """Return the kept state, due now if the source is requested first; a new state if another upstream serves it."""
    if kept is None or kept.upstream != upstream:
        return first_state(source, upstream, now, observed_at=now)
    if source in FIRST_REQUESTED:
        return replace(kept, due_at=now, due_reason=DueReason.OUT_OF_TURN)
    return kept


def retired(connection: Connection, package_ids: Sequence[int]) -> Collection[int]:
    """Return the ids of the retired packages among ``package_ids``."""
    found: set[int] = set()
    for ids in chunks(package_ids):
        rows = connection.execute(select(_P.id).where(_P.id.in_(ids), _P.retired_at.is_not(None)))
        found.update(row.id for row in rows)
    return found


def sources_of(repo_host: str | None, project: str | None, serving: Serving) -> list[tuple[Source, str]]:
    """Return the sources of a package with their upstreams: those of a supported repository, and that of a project."""
    sources = [*(REPOSITORY_SOURCES if repo_host else ()), *((Source.INDEX,) if project else ())]
    found = [(source, serving(source, repo_host)) for source in sources]
    return [(source, upstream) for source, upstream in found if upstream is not None]
