"""Writes of an import: packages, their imported values, and source states that are added, reset or removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, update

from fetcher.domain.changes import EventType, turn
from fetcher.domain.model import REPOSITORY_SOURCES, RepoRef, Source
from fetcher.store.changes.fields import edited_fields, observed_fields
from fetcher.store.changes.noting import Noted
from fetcher.store.dialects import upsert
from fetcher.store.importing.entries import Serving, repo_of
from fetcher.store.importing.matching import IMPORTED, ImportedPackage
from fetcher.store.recording import locked_states
from fetcher.store.retirement import forget, sources_of
from fetcher.store.schema import freshness, observations, packages, source_states
from fetcher.store.states import first_state, row_of
from fetcher.store.values import FORGOTTEN_PROJECT, FORGOTTEN_REPOSITORY

_IMPORTED_WEEKS = "commits_over_52"
"""Column of a document's weeks, which are printed until daily counts are stored."""


def place(connection: Connection, imported: Sequence[ImportedPackage], serving: Serving, now: datetime) -> None:
    """Write new and changed packages; ``imported`` is ordered by id."""
    new = [one for one in imported if one.stored is None]
    kept = [(one, one.stored) for one in imported if one.stored is not None]
    if new:
        _insert(connection, new, serving, now)
    noted = Noted()
    if kept:
        _update(connection, kept)
        for one, stored in kept:
            _note_recovery(connection, one, stored, noted, now)
            _follow_addresses(connection, one, stored, serving, now)
    _note(noted, new, kept, now)
    noted.write(connection)


def _note(
    noted: Noted,
    new: Sequence[ImportedPackage],
    kept: Sequence[tuple[ImportedPackage, Row[Any]]],
    now: datetime,
) -> None:
    """Note the added packages, and the changed fields of the others. One with another id counts as added."""
    for one in new:
        noted.add(one.id, [EventType.ADDED], now)
    for one, stored in kept:
        fields = edited_fields(stored._asdict(), one.columns)
        shown = {
            name: value for name, value in one.observed.items() if name != _IMPORTED_WEEKS or not stored.days_start
        }
        fields |= observed_fields(stored._asdict(), shown, shown, now.date())
        if _loses_documentation(one, stored):
            fields.add("documentation_url")
        noted.add(one.id, [EventType.ADDED] if one.id != stored.id else fields, now)


def _loses_documentation(one: ImportedPackage, stored: Row[Any]) -> bool:
    """Return whether the document prints the address of a project's documentation, and the project changes."""
    printed = stored.pypi_name is not None and stored.pypi_documentation_url and not one.columns["documentation_url"]
    return bool(printed) and Source.INDEX in _reset_by(one, stored)


def _note_recovery(connection: Connection, one: ImportedPackage, stored: Row[Any], noted: Noted, now: datetime) -> None:
    """Note that a package no longer fails if the sources that fail are reset."""
    reset = _reset_by(one, stored)
    if not reset or one.id != stored.id:
        return
    before = [state for _, state in sorted(locked_states(connection, [one.id]).items())]
    if turn(before, [state for state in before if state.source not in reset]) is EventType.RECOVERED:
        noted.add(one.id, [EventType.RECOVERED], now)


def _insert(connection: Connection, new: Sequence[ImportedPackage], serving: Serving, now: datetime) -> None:
    nothing = dict.fromkeys(IMPORTED)
    connection.execute(insert(packages), [{"id": one.id, **one.columns} for one in new])
    connection.execute(insert(observations), [{"package_id": one.id, **nothing, **one.observed} for one in new])
    connection.execute(insert(freshness), [{"package_id": one.id, "last_fetched": one.last_fetched} for one in new])
    states = [
        row_of(
            one.id,
            first_state(source, upstream, now),
        )
        for one in new
        for source, upstream in _sources(one, serving)
    ]
    if states:
        connection.execute(insert(source_states), states)


def _update(connection: Connection, kept: Sequence[tuple[ImportedPackage, Row[Any]]]) -> None:
    names = tuple(kept[0][0].columns)
    connection.execute(
        update(packages).where(packages.c.id == bindparam("of_package")).values({n: bindparam(n) for n in names}),
        [{"of_package": one.id, **one.columns} for one, _ in kept],
    )
    observed = [
        {"package_id": one.id, **{name: one.value(name) for name in IMPORTED}} for one, _ in kept if one.observed
    ]
    upsert(connection, observations, observed)
    moved = [
        {"package_id": one.id, "last_fetched": one.last_fetched}
        for one, stored in kept
        if one.last_fetched != stored.last_fetched
    ]
    upsert(connection, freshness, moved)


def _follow_addresses(
    connection: Connection, one: ImportedPackage, stored: Row[Any], serving: Serving, now: datetime
) -> None:
    """Reset the sources of a changed repository or project; displayed values stay until the next response."""
    reset = _reset_by(one, stored)
    if Source.REPOSITORY in reset:
        _start_afresh(connection, one, REPOSITORY_SOURCES, FORGOTTEN_REPOSITORY, serving, now)
    if Source.INDEX in reset:
        _start_afresh(connection, one, (Source.INDEX,), FORGOTTEN_PROJECT, serving, now)


def _reset_by(one: ImportedPackage, stored: Row[Any]) -> frozenset[Source]:
    """Return the sources whose address changes to another repository or project, or whose upstream changes."""
    reset: set[Source] = set(REPOSITORY_SOURCES if one.is_moved else ())
    if one.columns["repo_key"] != stored.repo_key and not _is_where_it_went(one, stored):
        reset.update(REPOSITORY_SOURCES)
    if one.columns["project"] != stored.project:
        reset.add(Source.INDEX)
    return frozenset(reset)


def _is_where_it_went(one: ImportedPackage, stored: Row[Any]) -> bool:
    """Return whether the new address is only the name that the renamed repository last responded under."""
    before, host = repo_of(stored), one.columns["repo_host"]
    if not isinstance(before, RepoRef) or host != before.host or not stored.full_name:
        return False
    return bool(one.columns["repo_key"] == f"{host}/{stored.full_name}".lower())


def _start_afresh(
    connection: Connection,
    one: ImportedPackage,
    sources: Sequence[Source],
    forgotten: Iterable[str],
    serving: Serving,
    now: datetime,
) -> None:
    """Reset the states of ``sources`` and clear the columns ``forgotten``.

    ``observed_at`` becomes the time of the change, so responses about the former address are rejected.
    """
    names = [source.value for source in sources]
    connection.execute(
        delete(source_states).where(source_states.c.package_id == one.id, source_states.c.source.in_(names))
    )
    forget(connection, one.id, sources)
    connection.execute(update(observations).where(observations.c.package_id == one.id).values(dict.fromkeys(forgotten)))
    states = [
        row_of(
            one.id,
            first_state(source, upstream, now, observed_at=now),
        )
        for source, upstream in _sources(one, serving)
        if source.value in names
    ]
    if states:
        connection.execute(insert(source_states), states)


def _sources(one: ImportedPackage, serving: Serving) -> list[tuple[Source, str]]:
    """Return the sources that an import gives a package, with their upstreams: none while it is retired."""
    if one.stored is not None and one.stored.retired_at is not None:
        return []
    return sources_of(one.columns["repo_host"], one.columns["project"], serving)
