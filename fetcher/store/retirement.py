"""Retirement of packages by editors, and its reversal. No error ever retires or revives a package.

A retired package has no sources, so none can become due; its values, releases and history stay.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from fetcher.domain.model import REPOSITORY_SOURCES, Source
from fetcher.store.checkpoints import note_edit
from fetcher.store.dialects import chunks, lock_packages
from fetcher.store.importing.entries import Serving
from fetcher.store.schema import packages, source_states
from fetcher.store.states import first_state, row_of

_P = packages.c


def retire(connection: Connection, package_ids: Sequence[int], now: datetime) -> int:
    """Remove the packages from every schedule; returns the number that were not retired before."""
    retired = 0
    for ids in chunks(sorted(package_ids)):
        lock_packages(connection, ids)
        fresh = update(packages).where(_P.id.in_(ids), _P.retired_at.is_(None)).values(retired_at=now)
        retired += connection.execute(fresh).rowcount
        connection.execute(delete(source_states).where(source_states.c.package_id.in_(ids)))
    note_edit(connection, now)
    return retired


def revive(connection: Connection, package_ids: Sequence[int], serving: Serving, now: datetime) -> int:
    """Restore the packages' sources, due now; returns the number that were retired."""
    revived = 0
    for ids in chunks(sorted(package_ids)):
        lock_packages(connection, ids)
        rows = connection.execute(
            select(_P.id, _P.repo_host, _P.project).where(_P.id.in_(ids), _P.retired_at.is_not(None))
        ).all()
        connection.execute(update(packages).where(_P.id.in_([row.id for row in rows])).values(retired_at=None))
        states = [
            row_of(
                row.id,
                first_state(source, upstream, now, observed_at=now),
            )
            for row in rows
            for source, upstream in sources_of(row.repo_host, row.project, serving)
        ]
        if states:
            connection.execute(insert(source_states), states)
        revived += len(rows)
    note_edit(connection, now)
    return revived


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
