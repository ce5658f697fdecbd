"""Comparison of the index's serials with the stored ones, without a request per project and in bounded memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby, islice

from packaging.utils import canonicalize_name
from sqlalchemy import Connection, func, select, text

from fetcher.domain.bloom import BloomFilter
from fetcher.domain.changes import EventType, fails
from fetcher.domain.model import NAMED, DueReason, FollowedProject, OutcomeKind, Source, SourceState
from fetcher.domain.moments import is_ahead
from fetcher.domain.scheduling import recheck_at
from fetcher.store.changes.noting import note
from fetcher.store.dialects import CHUNK, chunks, how_many, lock_packages
from fetcher.store.engine import Aggregate, read_transaction
from fetcher.store.recording import Key, locked_states, renew_freshness, save_states, turns
from fetcher.store.schema import QUARANTINED_STATE, packages, releases, source_states

_S = source_states.c


@dataclass(frozen=True, slots=True)
class ListedSerials:
    """Serials by project name, as the index's root listed them at the time ``at``."""

    by_name: Mapping[str, str]
    at: datetime
    recheck_after: timedelta


class IndexSerials(Aggregate):
    """The index's serials as the root lists them, compared with those that stored values were fetched at."""

    def confirm(
        self, serials: Iterable[tuple[str, int]], observed_at: datetime, recheck_after: timedelta
    ) -> tuple[int, int]:
        """Confirm the projects in ``serials`` or make them due, a thousand names a transaction.

        The root does not list quarantined projects, so a quarantined project absent from it is confirmed.
        Returns the numbers of confirmed and of due packages.
        """
        confirmed = due = 0
        absent = self._transactions.read(_quarantined)
        remaining = iter(serials)
        while some := list(islice(remaining, CHUNK)):
            by_name = {str(canonicalize_name(name)): str(serial) for name, serial in some}
            for name in by_name:
                absent.pop(name, None)
            same, other = self._transactions.write(
                partial(_hold, listed=ListedSerials(by_name, observed_at, recheck_after))
            )
            confirmed, due = confirmed + same, due + other
        for ids in chunks(sorted(chain.from_iterable(absent.values()))):
            confirmed += self._transactions.write(
                partial(_confirm, ids=ids, listed=ListedSerials({}, observed_at, recheck_after))
            )
        return confirmed, due

    def confirm_all(
        self, observed_at: datetime, recheck_after: timedelta, answered_since: datetime | None = None
    ) -> int:
        """Confirm every fetched project that does not fail, a thousand packages a transaction.

        The index has not changed since ``answered_since``, or since each project's last fetch. Projects that its feed
        names keep their due time. Returns the number of confirmed packages.
        """
        confirmed, after = 0, 0
        listed = ListedSerials({}, observed_at, recheck_after)
        while ids := self._transactions.read(partial(_answered_ids, after=after, since=answered_since)):
            confirmed += self._transactions.write(partial(_confirm, ids=ids, listed=listed, since=answered_since))
            after = ids[-1]
        return confirmed

    @read_transaction
    def projects(self, connection: Connection) -> BloomFilter:
        """Return the canonical names of all followed projects, streamed from their index."""
        followed = select(packages.c.project).where(packages.c.project.is_not(None)).order_by(packages.c.project)
        expected = how_many(connection, packages)
        streamed = connection.execution_options(yield_per=CHUNK).execute(followed)
        return BloomFilter(expected, (name for name, _ in groupby(streamed.scalars())))

    @read_transaction
    def followed(self, connection: Connection, limit: int) -> int:
        """Return the number of followed projects, counted up to ``limit``."""
        some = select(_S.package_id).where(_S.source == Source.INDEX.value).limit(limit).subquery()
        return connection.execute(select(func.count()).select_from(some)).scalar_one()

    @read_transaction
    def known(self, connection: Connection, names: Collection[str]) -> list[FollowedProject]:
        """Return the followed projects among canonical ``names``, with their stored versions."""
        rows = connection.execute(
            select(packages.c.id, packages.c.project, _S.observed_at)
            .join(source_states, _S.package_id == packages.c.id)
            .where(_S.source == Source.INDEX.value, packages.c.project.in_(list(names)))
        ).all()
        versions = _versions(connection, [row.id for row in rows])
        return [FollowedProject(row.id, row.project, row.observed_at, frozenset(versions[row.id])) for row in rows]


def _versions(connection: Connection, package_ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    stored = select(releases.c.package_id, releases.c.number).where(releases.c.package_id.in_(package_ids))
    for row in connection.execute(stored):
        found[row.package_id].append(row.number)
    return found


def _hold(connection: Connection, listed: ListedSerials) -> tuple[int, int]:
    """Compare some serials with the stored ones; leases are kept. Returns the numbers confirmed and made due.

    A project with an equal serial is left alone if the feed names it, because the list may be older than that release.
    So is one in progress: its response may have been requested before the list, and would be rejected.
    """
    names = _packages_of(connection, listed.by_name)
    if not names:
        return 0, 0
    lock_packages(connection, list(names))
    stored = {
        key: state
        for key, state in locked_states(connection, sorted(names), Source.INDEX).items()
        if not _is_newer(state, listed)
    }
    changed: dict[Key, SourceState] = {}
    confirmed: set[int] = set()
    for key, state in stored.items():
        package_id = key[0]
        serial = listed.by_name[names[package_id]]
        if state.revision != serial:
            changed[key] = _moved(state, serial, listed.at)
        elif state.due_reason not in NAMED and state.lease is None:
            confirmed.add(package_id)
            changed[key] = _confirmed(package_id, state, listed)
    _save(connection, changed, stored, listed.at)
    renew_freshness(connection, confirmed, listed.at)
    return len(confirmed), len(changed) - len(confirmed)


def _is_newer(state: SourceState, listed: ListedSerials) -> bool:
    """Return whether the project was requested after the list. A time by a clock that was ahead counts as unknown."""
    at = state.observed_at
    return at is not None and at > listed.at and not is_ahead(at, listed.at)


def _moved(state: SourceState, serial: str, at: datetime) -> SourceState:
    """Return ``state`` with a newer serial, due since the list was requested at the latest.

    One in progress is due again after that time, because its request may have been sent before the list's.
    """
    if state.due_reason in NAMED:
        return replace(state, expected=serial)
    due_at = at if state.due_at is None or state.lease is not None else min(state.due_at, at)
    return replace(state, expected=serial, due_at=due_at, due_reason=DueReason.MOVED)


def _save(
    connection: Connection, changed: Mapping[Key, SourceState], stored: Mapping[Key, SourceState], at: datetime
) -> None:
    """Write the changed states, and note the packages that no longer fail."""
    save_states(connection, changed, stored)
    recovered = sorted({key[0] for key, state in changed.items() if fails(stored[key]) and not fails(state)})
    if recovered:
        before = {**locked_states(connection, recovered), **{key: stored[key] for key in stored if key[0] in recovered}}
        events = turns({**before, **changed}, before)
        note(connection, sorted(events), EventType.RECOVERED, at)


def _confirmed(package_id: int, state: SourceState, listed: ListedSerials) -> SourceState:
    """Return ``state`` after "not modified", due at its slow re-check, because archiving does not change the serial."""
    return replace(
        state,
        answered_at=listed.at,
        observed_at=listed.at,
        expected=None,
        failures=0,
        first_failed_at=None,
        outcome=OutcomeKind.NOT_MODIFIED,
        message=None,
        due_at=recheck_at(package_id, state.full_fetch_at, listed.at, listed.recheck_after),
        due_reason=DueReason.RECHECK,
    )


def _answered_ids(connection: Connection, after: int, since: datetime | None) -> list[int]:
    """Return the next thousand packages whose project was fetched, does not fail and has no newer known serial."""
    ids = (
        select(_S.package_id)
        .where(_S.package_id > after, _S.source == Source.INDEX.value)
        .where(_S.answered_at.is_not(None) if since is None else _S.answered_at >= since)
        .where(_S.failures == 0, _S.expected.is_(None))
        .order_by(_S.package_id)
        .limit(CHUNK)
    )
    return list(connection.execute(ids).scalars())


def _confirm(connection: Connection, ids: Sequence[int], listed: ListedSerials, since: datetime | None = None) -> int:
    """Confirm these packages' projects unless failing, in progress, requested since, or known to have changed.

    With ``since``, one that was requested by a clock far ahead becomes due, because the time of its values is unknown.
    """
    lock_packages(connection, ids)
    stored = locked_states(connection, ids, Source.INDEX)
    unknown = {
        key: replace(state, due_at=min(state.due_at or listed.at, listed.at))
        for key, state in stored.items()
        if since is not None and is_ahead(state.observed_at, listed.at)
    }
    confirmed = {
        key: _confirmed(key[0], state, listed)
        for key, state in stored.items()
        if state.observed_at is not None and not _is_newer(state, listed) and key not in unknown
        if state.answered_at is not None and not state.failures and state.expected is None
        if state.due_reason not in NAMED and state.lease is None
    }
    _save(connection, {**confirmed, **unknown}, stored, listed.at)
    renew_freshness(connection, [package_id for package_id, _ in confirmed], listed.at)
    return len(confirmed)


def _quarantined(connection: Connection) -> dict[str, list[int]]:
    """Return the package ids of each project that was quarantined at its last fetch."""
    rows = select(packages.c.project, packages.c.id).join(source_states, _S.package_id == packages.c.id)
    found: dict[str, list[int]] = defaultdict(list)
    for row in connection.execute(rows.where(_S.source == Source.INDEX.value, text(QUARANTINED_STATE))):
        found[row.project].append(row.id)
    return found


def _packages_of(connection: Connection, names: Iterable[str]) -> dict[int, str]:
    """Return project names by package id."""
    rows = select(packages.c.id, packages.c.project).where(packages.c.project.in_(list(names)))
    return {row.id: row.project for row in connection.execute(rows)}
