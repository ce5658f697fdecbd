"""The timeline: a row where a source's outcome or values turn, nothing where all is as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select

from fetcher.domain.model import Observed, OutcomeKind, Source, SourceState
from fetcher.domain.views import Event, EventCount
from fetcher.store.columns import plain
from fetcher.store.dialects import upsert
from fetcher.store.rounds import next_stretch
from fetcher.store.schema import events
from fetcher.store.states import NOT_REQUESTED

_E = events.c

PRUNED = "pruned:events"
"""The marker of the round of pruning."""

_ANSWERS = frozenset({OutcomeKind.FETCHED, OutcomeKind.NOT_MODIFIED})
"""Outcomes between which nothing turns; how a source was asked is no news."""

_WORDS = {
    "pypi_latest": "version",
    "full_name": "name",
    "head_oid": "commits",
    "day_counts": "commits",
    "default_branch": "branch",
    "pypi_name": "project",
    "pypi_summary": "summary",
    "pypi_classifiers": "classifiers",
    "pypi_licence": "licence",
    "pypi_documentation_url": "documentation",
    "pypi_status": "status",
}
"""Columns as people call them, where that is another word."""

_SILENT = frozenset(
    {"node_id", "database_id", "head_committed_at", "pushed_at", "days_start", "commit_count", "pypi_serial"}
)
"""Columns that move with others or mean nothing to people."""

_SHOWN = frozenset({"stars", "forks", "watchers", "pypi_latest", "full_name", "pypi_status"})
"""Columns of which the old and the new value are told, not only that they differ."""


def describe(before: Mapping[str, Any], after: Mapping[str, Any], changed: Sequence[str]) -> str | None:
    """What changed, in a line: ``stars 10 → 12, description``; ``None`` where nothing that people see did."""
    said = []
    for name in changed:
        word = _WORDS.get(name, name)
        if name in _SHOWN and before[name] is not None:
            said.append(f"{word} {before[name]} → {after[name]}")
        elif name not in _SILENT:
            said.append(word)
    return ", ".join(dict.fromkeys(said)) or None


def note(
    connection: Connection,
    taken: Sequence[tuple[SourceState, Observed]],
    changes: Mapping[tuple[int, Source], str],
) -> None:
    """Add the turns among the records that counted, each with the state that it met."""
    rows = {}
    for state, record in taken:
        change = changes.get((record.package_id, record.source))
        if change and state.answered_at is None:
            change = "first answer"
        if record.outcome is not None and (change or _turned(state, record)):
            rows[record.package_id, record.source, record.observed_at] = {
                "package_id": record.package_id,
                "at": record.observed_at,
                "source": record.source.value,
                "outcome": record.outcome,
                "message": plain(record.message) or change,
            }
    upsert(connection, events, [rows[key] for key in sorted(rows)])


def of_package(connection: Connection, package_id: int, limit: int) -> list[Event]:
    """A package's latest turns, newest first."""
    rows = (
        select(_E.source, _E.at, _E.outcome, _E.message)
        .where(_E.package_id == package_id)
        .order_by(_E.at.desc(), _E.source)
        .limit(limit)
    )
    return [Event(Source(row.source), row.at, row.outcome, row.message) for row in connection.execute(rows)]


def counts(connection: Connection, start: datetime, step: timedelta, steps: int) -> list[EventCount]:
    """How many turns each of ``steps`` stretches from ``start`` saw, in one walk over the index."""
    starts = [start + number * step for number in range(steps)]
    columns = []
    for moment in starts:
        within = and_(_E.at >= moment, _E.at < moment + step)
        columns += [
            func.count().filter(within, _E.outcome.in_(_ANSWERS)),
            func.count().filter(within, _E.outcome.not_in(_ANSWERS)),
        ]
    found = connection.execute(select(*columns).where(_E.at >= start, _E.at < start + steps * step)).one()
    return [EventCount(moment, found[2 * n], found[2 * n + 1]) for n, moment in enumerate(starts)]


def prune(connection: Connection, before: datetime, keep: int) -> int:
    """Drop turns older than ``before``, and all but each one's newest ``keep``, of the next stretch of packages."""
    stretch = next_stretch(connection, PRUNED).holds(_E.package_id)
    gone = connection.execute(delete(events).where(stretch, _E.at < before)).rowcount
    crowded = select(_E.package_id).where(stretch).group_by(_E.package_id).having(func.count() > keep)
    for package_id in connection.execute(crowded).scalars().all():
        newest = select(_E.at).where(_E.package_id == package_id).order_by(_E.at.desc())
        last = newest.offset(keep - 1).limit(1).scalar_subquery()
        gone += connection.execute(delete(events).where(_E.package_id == package_id, _E.at < last)).rowcount
    return gone


def _turned(state: SourceState, record: Observed) -> bool:
    """Whether the outcome is another than the last one that said something of the source itself."""
    if record.outcome in NOT_REQUESTED:
        return False
    if state.outcome in NOT_REQUESTED:
        return (state.failures > 0) == record.answered
    return state.outcome != record.outcome and not {state.outcome, record.outcome} <= _ANSWERS
