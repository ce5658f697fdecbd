"""Holding the index's serials against the stored ones, without a request a project and in bounded memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby, islice
from typing import Any

from packaging.utils import canonicalize_name
from sqlalchemy import Connection, CursorResult, select, text, update

from fetcher.domain.bloom import Names
from fetcher.domain.model import DueReason, OutcomeKind, Source, SourceState
from fetcher.store.dialects import CHUNK, chunks, how_many, lock_packages
from fetcher.store.recording import Key, locked_states, renew_freshness, save_states
from fetcher.store.schema import QUARANTINED_STATE, packages, source_states
from fetcher.store.transactions import Transactions

_S = source_states.c

AT_ONCE = 10_000
"""How many projects become due at a time while the index's root is silent."""

_SPREAD = 0.25
"""Re-checks are spread over this part of their interval, by package, so that they do not come on one day."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The serials of some projects, as the index's root told them at one moment."""

    by_name: Mapping[str, str]
    at: datetime
    recheck_after: timedelta


def confirm(
    transactions: Transactions, serials: Iterable[tuple[str, int]], observed_at: datetime, recheck_after: timedelta
) -> tuple[int, int]:
    """Confirm or make due what ``serials`` names, a thousand names a transaction.

    What is quarantined is taken from the root: while that lasts, its absence confirms it.
    """
    confirmed = due = 0
    absent = transactions.read(_quarantined)
    remaining = iter(serials)
    while some := list(islice(remaining, CHUNK)):
        by_name = {str(canonicalize_name(name)): str(serial) for name, serial in some}
        for name in by_name:
            absent.pop(name, None)
        same, other = transactions.write(partial(_hold, heard=Heard(by_name, observed_at, recheck_after)))
        confirmed, due = confirmed + same, due + other
    for ids in chunks(sorted(chain.from_iterable(absent.values()))):
        confirmed += transactions.write(partial(_answer_anew, ids=ids, heard=Heard({}, observed_at, recheck_after)))
    return confirmed, due


def confirm_all(transactions: Transactions, observed_at: datetime, recheck_after: timedelta) -> int:
    """The root has not changed: whatever was answered and does not fail is right, a thousand packages a transaction."""
    confirmed, after = 0, 0
    heard = Heard({}, observed_at, recheck_after)
    while ids := transactions.read(partial(_answered_ids, after=after)):
        confirmed += transactions.write(partial(_answer_anew, ids=ids, heard=heard))
        after = ids[-1]
    return confirmed


def make_due(connection: Connection, source: Source, answered_before: datetime, now: datetime) -> int:
    """Make due what was last answered before ``answered_before``; what fails or is leased has its own time.

    Those that would be due first, off the index, and no more at once than can be asked before the next call.
    """
    late = (
        select(_S.package_id)
        .where(_S.source == source.value, _S.failures == 0, _S.lease.is_(None))
        .where(_S.answered_at < answered_before, _S.due_at > now)
        .order_by(_S.due_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    made: CursorResult[Any] = connection.execute(
        update(source_states)
        .where(_S.package_id.in_(late), _S.source == source.value)
        .values(due_at=now, due_reason=DueReason.OUT_OF_TURN.value)
    )
    return made.rowcount


def projects(connection: Connection) -> Names:
    """The canonical names of all projects that are followed, read off their index piece by piece."""
    followed = select(packages.c.project).where(packages.c.project.is_not(None)).order_by(packages.c.project)
    expected = how_many(connection, packages)
    streamed = connection.execution_options(yield_per=CHUNK).execute(followed)
    return Names(expected, (name for name, _ in groupby(streamed.scalars())))


def _hold(connection: Connection, heard: Heard) -> tuple[int, int]:
    """Hold some serials against the stored ones; who holds a row's lease keeps it."""
    names = _packages_of(connection, heard.by_name)
    if not names:
        return 0, 0
    lock_packages(connection, list(names))
    stored = {
        key: state
        for key, state in locked_states(connection, sorted(names), Source.PYPI).items()
        if state.observed_at is None or state.observed_at <= heard.at
    }
    changed: dict[Key, SourceState] = {}
    confirmed: set[int] = set()
    for key, state in stored.items():
        package_id = key[0]
        serial = heard.by_name[names[package_id]]
        if state.revision == serial:
            confirmed.add(package_id)
            changed[key] = _confirmed(package_id, state, heard)
        else:
            due_at = heard.at if state.due_at is None else min(state.due_at, heard.at)
            changed[key] = replace(state, expected=serial, due_at=due_at, due_reason=DueReason.MOVED)
    save_states(connection, changed, stored)
    renew_freshness(connection, confirmed)
    return len(confirmed), len(changed) - len(confirmed)


def _confirmed(package_id: int, state: SourceState, heard: Heard) -> SourceState:
    """What "not modified" makes of a state. It is asked again when its last whole answer is old.

    Archiving moves no serial, so the re-check counts from ``whole_at``: counted from each confirmation it would never
    come.
    """
    since = state.whole_at or heard.at
    return replace(
        state,
        answered_at=heard.at,
        observed_at=heard.at,
        expected=None,
        failures=0,
        first_failed_at=None,
        outcome=OutcomeKind.NOT_MODIFIED,
        message=None,
        due_at=max(since + heard.recheck_after * (1 + _SPREAD * _phase(package_id)), heard.at),
        due_reason=DueReason.RECHECK,
    )


def _answered_ids(connection: Connection, after: int) -> list[int]:
    """The next thousand packages whose project was answered, does not fail, and is not known to have moved."""
    ids = (
        select(_S.package_id)
        .where(_S.package_id > after, _S.source == Source.PYPI.value)
        .where(_S.answered_at.is_not(None), _S.failures == 0, _S.expected.is_(None))
        .order_by(_S.package_id)
        .limit(CHUNK)
    )
    return list(connection.execute(ids).scalars())


def _answer_anew(connection: Connection, ids: Sequence[int], heard: Heard) -> int:
    """Confirm these packages' projects, but for what was asked since, fails, or is known to have moved."""
    lock_packages(connection, ids)
    stored = locked_states(connection, ids, Source.PYPI)
    confirmed = {
        key: _confirmed(key[0], state, heard)
        for key, state in stored.items()
        if state.observed_at is not None and state.observed_at <= heard.at
        if state.answered_at is not None and not state.failures and state.expected is None
    }
    save_states(connection, confirmed, stored)
    renew_freshness(connection, [package_id for package_id, _ in confirmed])
    return len(confirmed)


def _quarantined(connection: Connection) -> dict[str, list[int]]:
    """The packages of each project that was quarantined when it was asked last."""
    rows = select(packages.c.project, packages.c.id).join(source_states, _S.package_id == packages.c.id)
    found: dict[str, list[int]] = defaultdict(list)
    for row in connection.execute(rows.where(_S.source == Source.PYPI.value, text(QUARANTINED_STATE))):
        found[row.project].append(row.id)
    return found


def _packages_of(connection: Connection, names: Iterable[str]) -> dict[int, str]:
    """Project names by the ids of the packages that have them."""
    rows = select(packages.c.id, packages.c.project).where(packages.c.project.in_(list(names)))
    return {row.id: row.project for row in connection.execute(rows)}


def _phase(package_id: int) -> float:
    """A fraction that is a package's own for ever, evenly spread (Knuth's multiplicative hash)."""
    return (package_id * 2_654_435_761 % 2**32) / 2**32
