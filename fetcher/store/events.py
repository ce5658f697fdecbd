"""The timeline: a row for each change of a source's outcome or values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select

from fetcher.domain.model import Observed, OutcomeKind, Source, SourceState
from fetcher.domain.views import Event, EventCount
from fetcher.store.dialects import upsert
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import events
from fetcher.store.states import NOT_REQUESTED
from fetcher.store.statistics.id_ranges import next_range
from fetcher.store.types import plain

_E = events.c

PRUNED = "pruned:events"
"""Name of the checkpoint with the position of the pruning pass."""

_ANSWERS = frozenset({OutcomeKind.FETCHED, OutcomeKind.NOT_MODIFIED})
"""Outcomes of a success. A change from one to the other is no event."""

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
"""Labels of columns in messages, where they differ from the column's name."""

_SILENT = frozenset(
    {"handle", "repository_id", "head_committed_at", "pushed_at", "days_start", "commit_count", "pypi_serial"}
)
"""Columns left out of messages: they change with others or mean nothing to users."""

_SHOWN = frozenset({"stars", "forks", "watchers", "pypi_latest", "full_name", "pypi_status"})
"""Columns for which messages contain the old and the new value."""


def describe(before: Mapping[str, Any], after: Mapping[str, Any], changed: Sequence[str]) -> str | None:
    """Describe changes in a line, as ``stars 10 → 12, description``; ``None`` if no displayed column changed."""
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
    """Add an event per record with a new outcome or new values. ``taken``: accepted records with the state before."""
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


class Events(Aggregate):
    """Timelines of all packages."""

    @read_transaction
    def of_package(self, connection: Connection, package_id: int, limit: int) -> list[Event]:
        """Return a package's latest events, newest first."""
        rows = (
            select(_E.source, _E.at, _E.outcome, _E.message)
            .where(_E.package_id == package_id)
            .order_by(_E.at.desc(), _E.source)
            .limit(limit)
        )
        return [Event(Source(row.source), row.at, row.outcome, row.message) for row in connection.execute(rows)]

    @read_transaction
    def counts(self, connection: Connection, start: datetime, step: timedelta, steps: int) -> list[EventCount]:
        """Count the events in each of ``steps`` periods of length ``step`` from ``start``, in one index scan."""
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

    @write_transaction
    def prune(self, connection: Connection, before: datetime, keep: int) -> int:
        """Delete events before ``before``, and all but each package's newest ``keep``, in the next id range.

        Returns the number of deleted events.
        """
        id_range = next_range(connection, PRUNED).holds(_E.package_id)
        gone = connection.execute(delete(events).where(id_range, _E.at < before)).rowcount
        contended = select(_E.package_id).where(id_range).group_by(_E.package_id).having(func.count() > keep)
        for package_id in connection.execute(contended).scalars().all():
            newest = select(_E.at).where(_E.package_id == package_id).order_by(_E.at.desc())
            last = newest.offset(keep - 1).limit(1).scalar_subquery()
            gone += connection.execute(delete(events).where(_E.package_id == package_id, _E.at < last)).rowcount
        return gone


def _turned(state: SourceState, record: Observed) -> bool:
    """Return whether the outcome differs from the last one that concerned the source itself."""
    if record.outcome in NOT_REQUESTED:
        return False
    if state.outcome in NOT_REQUESTED:
        return (state.failures > 0) == record.answered
    return state.outcome != record.outcome and not {state.outcome, record.outcome} <= _ANSWERS
