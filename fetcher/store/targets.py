"""Targets of a claim: two queries per thousand packages, with only the columns that a refresh decides by."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from fetcher.domain.model import Claim, CommitDays, Contribution, Contributors, RepoRef, Source, SourceState, Target
from fetcher.store.dialects import chunks
from fetcher.store.schema import activities, observations, packages, source_states
from fetcher.store.states import STATE_COLUMNS, state_of

_P, _O, _A = packages.c, observations.c, activities.c
_IDENTITY = (
    _P.id,
    _P.slug,
    _P.repo_host,
    _P.repo_path,
    _P.project,
    _O.full_name,
    _O.handle,
    _O.repository_id,
    _O.head_oid,
    _O.head_committed_at,
    _O.default_branch,
    _O.stars,
    _A.active_at,
    _O.forks,
    _O.watchers,
    _O.pushed_at,
)
_JOINED = packages.join(observations, _O.package_id == _P.id).outerjoin(activities, _A.package_id == _P.id)
DETAILS = (_O.contributors, _O.days_start, _O.day_counts, _O.commit_count)


def load(connection: Connection, claim: Claim, *, details: bool) -> list[Target]:
    """Return the claim's packages with a lease still held, in the claim's order."""
    targets: dict[int, Target] = {}
    columns = (*_IDENTITY, *DETAILS) if details else _IDENTITY
    for ids in chunks(claim.package_ids):
        states = _states(connection, ids)
        held = [i for i in ids if any(state.lease == claim.lease for state in states[i].values())]
        rows = select(*columns).select_from(_JOINED).where(_P.id.in_(held))
        for row in connection.execute(rows) if held else ():
            targets[row.id] = _target(row, states[row.id], claim.lease, details=details)
    return [targets[i] for i in claim.package_ids if i in targets]


def one(connection: Connection, package_id: int) -> Target | None:
    """Return one package as a claim of all its sources would load it, regardless of leases."""
    states = _states(connection, [package_id])[package_id]
    rows: Select[Any] = select(*_IDENTITY, *DETAILS).select_from(_JOINED).where(_P.id == package_id)
    row = connection.execute(rows).one_or_none()
    return None if row is None else replace(_target(row, states, "", details=True), claimed=frozenset(states))


def last_seen(row: Row[Any]) -> RepoRef | None:
    """Return the name that a package's repository last responded under, or the one in the editor's address."""
    if row.repo_host is None:
        return None
    return RepoRef(row.repo_host, row.full_name or row.repo_path)


def contributors_of(row: Row[Any]) -> Contributors | None:
    """Return the stored contributors; those of an imported list have no commit counts, and count zero."""
    if row.contributors is None:
        return None
    return Contributors(tuple(Contribution(login, commits or 0) for login, commits in row.contributors))


def commit_days_of(row: Row[Any]) -> CommitDays | None:
    return None if row.days_start is None else CommitDays(row.days_start, row.day_counts, row.commit_count)


def _states(connection: Connection, ids: Any) -> dict[int, dict[Source, SourceState]]:
    states: dict[int, dict[Source, SourceState]] = defaultdict(dict)
    for row in connection.execute(select(*STATE_COLUMNS).where(source_states.c.package_id.in_(ids))):
        state = state_of(row)
        states[row.package_id][state.source] = state
    return states


def _target(row: Row[Any], states: dict[Source, SourceState], lease: str, *, details: bool) -> Target:
    return Target(
        package_id=row.id,
        slug=row.slug,
        lease=lease,
        claimed=frozenset(source for source, state in states.items() if state.lease == lease),
        repo=last_seen(row),
        handle=row.handle,
        repository_id=row.repository_id,
        project=row.project,
        states=states,
        contributors=contributors_of(row) if details else None,
        commit_days=commit_days_of(row) if details else None,
        head_oid=row.head_oid,
        head_committed_at=row.head_committed_at,
        default_branch=row.default_branch,
        stars=row.stars,
        active_at=row.active_at,
        forks=row.forks,
        watchers=row.watchers,
        pushed_at=row.pushed_at,
    )
