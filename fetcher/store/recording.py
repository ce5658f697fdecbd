"""Recording a batch: source states always; observations, releases and history only if a value differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, Update, and_, bindparam, case, false, func, or_, select, update

from fetcher.domain.changes import EventType, fails, is_release, turn
from fetcher.domain.model import (
    DETAIL_SOURCES,
    CommitDays,
    Observed,
    ProjectVersions,
    Record,
    Source,
    SourceState,
    Values,
)
from fetcher.domain.moments import SKEW
from fetcher.store import events, history, releases
from fetcher.store.activity import note_activity
from fetcher.store.changes.fields import observed_fields
from fetcher.store.changes.noting import Noted
from fetcher.store.dialects import chunks, lock_packages
from fetcher.store.schema import freshness, observations, packages, source_states
from fetcher.store.states import STATE_COLUMNS, Changes, changes_of, fold, state_of, takes
from fetcher.store.values import FIGURES, columns_named, columns_of

Key: TypeAlias = tuple[int, Source]


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """Accepted values of one source. ``first``: they are its first response."""

    package_id: int
    source: Source
    observed_at: datetime
    values: Values
    first: bool

    @property
    def day(self) -> date:
        return self.observed_at.date()


def record(connection: Connection, records: Sequence[Record], now: datetime | None) -> None:
    """Write the batch. Records older than the stored state, or of sources since removed, change no value.

    A stored time that is ahead of ``now`` counts as unknown: see ``states.takes``.
    """
    by_package: dict[int, list[Record]] = defaultdict(list)
    for one in records:
        by_package[one.package_id].append(one)
    for ids in chunks(sorted(by_package)):
        _record_packages(connection, ids, [one for i in ids for one in by_package[i]], now)


def _record_packages(
    connection: Connection, ids: Sequence[int], records: Sequence[Record], now: datetime | None
) -> None:
    lock_packages(connection, ids)
    stored = locked_states(connection, ids)
    folded = dict(stored)
    brought: list[PendingWrite] = []
    taken: list[tuple[SourceState, Observed]] = []
    answered: set[int] = set()
    for one in records:
        key = (one.package_id, one.source)
        if key not in folded:
            continue
        state, folded[key] = folded[key], fold(folded[key], one, now)
        if isinstance(one, Observed) and takes(state, one, now):
            taken.append((state, one))
            if one.answered:
                answered.add(one.package_id)
            if one.values is not None:
                first = state.answered_at is None
                brought.append(PendingWrite(one.package_id, one.source, one.observed_at, one.values, first))
    save_states(connection, folded, stored)
    noted = Noted()
    changes = _save_values(connection, brought, noted) if brought else {}
    for package_id, event in turns(folded, stored).items():
        noted.add(package_id, [event], max(one.observed_at for _, one in taken if one.package_id == package_id))
    noted.write(connection)
    events.note(connection, taken, changes)
    note_activity(connection, [one for _, one in taken])
    renew_freshness(connection, answered, now)


def locked_states(connection: Connection, ids: Sequence[int], only: Source | None = None) -> dict[Key, SourceState]:
    """Return the states of the packages' sources, locked against claims until the transaction ends."""
    rows = (
        select(*STATE_COLUMNS)
        .where(source_states.c.package_id.in_(ids))
        .order_by(source_states.c.package_id, source_states.c.source)
        .with_for_update()
    )
    if only is not None:
        rows = rows.where(source_states.c.source == only.value)
    states = ((row.package_id, state_of(row)) for row in connection.execute(rows))
    return {(package_id, state.source): state for package_id, state in states}


def save_states(connection: Connection, states: Mapping[Key, SourceState], stored: Mapping[Key, SourceState]) -> None:
    """Write the states that differ from ``stored``, with one statement for all rows with the same changes.

    A batch without new values confirms two sources of each package at the same time and postpones the third. It takes
    two statements.
    """
    alike: dict[Changes, dict[Source, list[int]]] = defaultdict(lambda: defaultdict(list))
    for (package_id, source), state in sorted(states.items()):
        if changes := changes_of(stored[package_id, source], state):
            alike[changes][source].append(package_id)
    apart: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for changes, by_source in alike.items():
        sources_of: dict[tuple[int, ...], list[Source]] = defaultdict(list)
        for source, of_source in by_source.items():
            sources_of[tuple(of_source)].append(source)
        for ids, sources in sources_of.items():
            if len(ids) > 1:
                named = [source.value for source in sources]
                rows = and_(source_states.c.source.in_(named), source_states.c.package_id.in_(ids))
                connection.execute(update(source_states).where(rows).values(dict(changes)))
                continue
            for source in sources:
                row = {"of_package": ids[0], "of_source": source.value, **dict(changes)}
                apart[tuple(name for name, _ in changes)].append(row)
    for names, rows_apart in apart.items():
        connection.execute(_update_of(names), rows_apart)


@lru_cache(maxsize=256)
def _update_of(names: tuple[str, ...]) -> Update:
    keys = source_states.c.package_id == bindparam("of_package"), source_states.c.source == bindparam("of_source")
    return update(source_states).where(*keys).values({name: bindparam(name) for name in names})


def renew_freshness(connection: Connection, package_ids: Iterable[int], now: datetime | None) -> None:
    """Advance ``last_fetched`` of the packages with a successful response of every source since its last change.

    Contributors and commits of an unmoved head are confirmed by each response for their repository. A time that is far
    ahead of ``now`` was written by a wrong clock, and is replaced.
    """
    states = source_states.c
    repository = source_states.alias("repository").c
    confirmed = and_(
        states.source.in_([source.value for source in DETAIL_SOURCES]),
        states.failures == 0,
        states.revision == repository.revision,
        states.answered_at < repository.answered_at,
    )
    answered_at = case((confirmed, repository.answered_at), else_=states.answered_at)
    latest = None if now is None else now + SKEW
    of_repository = and_(repository.package_id == states.package_id, repository.source == Source.REPOSITORY.value)
    for ids in chunks(sorted(package_ids)):
        full = (
            select(
                states.package_id,
                func.min(answered_at).label("oldest"),
                func.max(answered_at).label("newest"),
            )
            .select_from(source_states.outerjoin(repository.package_id.table, of_repository))
            .where(states.package_id.in_(ids))
            .group_by(states.package_id)
            .having(func.count() == func.count(states.answered_at))
            .subquery()
        )
        known, newest = freshness.c.last_fetched, full.c.newest
        connection.execute(
            update(freshness)
            .where(freshness.c.package_id == full.c.package_id)
            .where(or_(known.is_(None), known < full.c.oldest, false() if latest is None else known > latest))
            .values(last_fetched=newest if latest is None else case((newest > latest, full.c.oldest), else_=newest))
        )


def turns(states: Mapping[Key, SourceState], stored: Mapping[Key, SourceState]) -> dict[int, EventType]:
    """Return the event of each package that begins to fail or no longer fails, given all of its sources."""
    turned = {key[0] for key, state in stored.items() if fails(state) != fails(states[key])}
    sources = {key for key in stored if key[0] in turned} if turned else set()
    found = {
        package_id: turn(
            [stored[key] for key in sources if key[0] == package_id],
            [states[key] for key in sources if key[0] == package_id],
        )
        for package_id in turned
    }
    return {package_id: event for package_id, event in found.items() if event is not None}


def _save_values(connection: Connection, brought: Sequence[PendingWrite], noted: Noted) -> dict[Key, str]:
    """Write values that differ to observations, releases and history, and add the changed fields to ``noted``.

    Returns descriptions of the changes, by package and source.
    """
    changes: dict[Key, str] = {}
    rows = _observations(connection, brought)
    changed: dict[tuple[str, ...], dict[int, dict[str, Any]]] = defaultdict(dict)
    daily: list[history.DailyValues] = []
    for one in brought:
        row, columns = rows[one.package_id], columns_of(one.values)
        new = [name for name, value in columns.items() if row[name] != value]
        if new and (change := events.describe(row, columns, new)):
            changes[one.package_id, one.source] = change
        if new:
            _note_fields(noted, one, row, columns, new)
        row.update(columns)
        if new:
            changed[tuple(columns)][one.package_id] = columns
        if one.first or any(name in FIGURES for name in new):
            daily.append(history.DailyValues(one.package_id, one.day, row))
    for names, of_packages in changed.items():
        _update_observations(connection, names, of_packages)
    releases.save(
        connection, {one.package_id: one.values for one in brought if isinstance(one.values, ProjectVersions)}
    )
    history.note(connection, daily)
    return changes


def _note_fields(
    noted: Noted, one: PendingWrite, before: Mapping[str, Any], columns: Mapping[str, Any], new: Sequence[str]
) -> None:
    """Note the fields of the document that the new columns of one source change, and a new release."""
    marks = observed_fields(before, {**before, **columns}, new, one.day)
    if "pypi_latest" in new and is_release(before["pypi_latest"], columns["pypi_latest"]):
        marks.add(EventType.RELEASE.value)
    noted.add(one.package_id, marks, one.observed_at)


def _observations(connection: Connection, brought: Sequence[PendingWrite]) -> dict[int, dict[str, Any]]:
    """Return the stored columns that the values can state, and those of the history, by package id.

    The editors' documentation address is read as well, because the project's is printed only without it.
    """
    names = {name for one in brought for name in columns_named(one.values)} | set(FIGURES)
    if any(isinstance(one.values, CommitDays) for one in brought):
        names.add("commits_over_52")
    columns = [observations.c[name] for name in sorted(names)]
    statement: Select[Any] = (
        select(observations.c.package_id, packages.c.documentation_url.label("documented_by_editors"), *columns)
        .join(packages, packages.c.id == observations.c.package_id)
        .where(observations.c.package_id.in_(sorted({one.package_id for one in brought})))
    )
    return {row["package_id"]: dict(row) for row in connection.execute(statement).mappings()}


def _update_observations(
    connection: Connection, names: Sequence[str], of_packages: Mapping[int, Mapping[str, Any]]
) -> None:
    statement = (
        update(observations)
        .where(observations.c.package_id == bindparam("of_package"))
        .values({name: bindparam(name) for name in names})
    )
    connection.execute(
        statement, [{"of_package": package_id, **of_packages[package_id]} for package_id in sorted(of_packages)]
    )
