"""Claims: leases on rows of ``source_states``, and the records of claimed work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    CursorResult,
    Select,
    and_,
    case,
    distinct,
    func,
    not_,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from fetcher.domain.model import NAMED, Claim, DueReason, FollowedProject, Record, Source, Target
from fetcher.domain.moments import SKEW
from fetcher.domain.scheduling import Cadence
from fetcher.store import recording, targets
from fetcher.store.dialects import chunks, lock_packages
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import packages, source_states

_S = source_states.c
_LEASED = _S.lease.is_not(None)
_KEYS = select(_S.package_id, _S.source)

AT_ONCE = 10_000
"""Most projects made due by one call while the index's root is unavailable."""

AT_A_TIME = 100
"""Most leases, and most due times of a source, that one call brings back. A call a minute corrects 144,000 a day."""


class Claims(Aggregate):
    """Claims of due packages, from the lease to the record."""

    @write_transaction
    def claim(
        self,
        connection: Connection,
        upstream: str,
        sources: Sequence[Source],
        limit: int,
        now: datetime,
        lease_for: timedelta,
        ahead: timedelta = timedelta(0),
    ) -> Claim | None:
        """Lease up to ``limit`` packages with one of ``sources`` due at ``upstream``, longest due first.

        If at least one is due, packages due within ``ahead`` are added, except those cooling down after a failure.
        Returns ``None`` if none is due or free.

        The candidates are the first ``limit`` due rows of each source, by an index scan. The cost does not depend on
        the number of due rows. Rows locked by another claim or writer are skipped.
        """
        if not sources or limit < 1 or not _any_due(connection, upstream, sources, now):
            return None
        lease, until = uuid4().hex, now + lease_for
        horizon = now + ahead
        chosen = _longest_due(upstream, sources, limit, now, horizon)
        # coalesce() keeps SQLite from scanning the index of all due rows for the few that were chosen.
        due = (
            _KEYS.where(_S.package_id.in_(select(chosen.c.package_id)), _S.upstream == upstream)
            .where(_S.source.in_(_names(sources)))
            .where(func.coalesce(_S.due_at, _S.due_at) <= horizon, _ripe(now), _unleased(now))
            .order_by(_S.package_id, _S.source)
            .with_for_update(skip_locked=True)
            .cte("due_rows")
        )
        rows = connection.execute(_leasing(due, lease, until)).all()
        if not rows:
            return None
        first: dict[int, datetime] = {}
        for row in rows:
            first[row.package_id] = min(row.due_at, first.get(row.package_id, row.due_at))
        ids = sorted(first, key=lambda package_id: (first[package_id], package_id))
        return Claim(lease, tuple(sources), tuple(ids), until)

    @write_transaction
    def claim_packages(
        self,
        connection: Connection,
        package_ids: Sequence[int],
        sources: Sequence[Source],
        now: datetime,
        lease_for: timedelta,
        upstream: str | None = None,
    ) -> Claim | None:
        """Lease these packages' sources, due or not, of one upstream or of all; ``None`` if no id is known.

        Existing leases are taken over.
        """
        lease, until = uuid4().hex, now + lease_for
        lock_packages(connection, package_ids)
        found: set[int] = set()
        for ids in chunks(package_ids):
            wanted = (
                _KEYS.where(_S.package_id.in_(ids), _S.source.in_(_names(sources)), _at(upstream))
                .order_by(_S.package_id, _S.source)
                .with_for_update()
                .cte("wanted_rows")
            )
            found.update(row.package_id for row in connection.execute(_leasing(wanted, lease, until)))
        if not found:
            return None
        ids_in_order = tuple(dict.fromkeys(i for i in package_ids if i in found))
        return Claim(lease, tuple(sources), ids_in_order, until)

    @read_transaction
    def load(self, connection: Connection, claim: Claim, *, details: bool = False) -> list[Target]:
        """Return the claim's packages that are still leased, in its order; ``details`` adds the stored lists."""
        return targets.load(connection, claim, details=details)

    @read_transaction
    def target(self, connection: Connection, package_id: int) -> Target | None:
        """Return one package as a claim of all its sources would load it, regardless of leases."""
        return targets.one(connection, package_id)

    def record(self, records: Sequence[Record], now: datetime | None = None) -> None:
        """Write a batch in one transaction. A record older than the stored one changes no value.

        A stored time that is ahead of ``now`` was written by a wrong clock, and does not count as newer.
        """
        if records:
            self._transactions.write(lambda connection: recording.record(connection, records, now))

    @write_transaction
    def expire(self, connection: Connection, now: datetime) -> int:
        """End expired leases; returns the number of rows. Rows locked by a writer are left for the next call."""
        return _unlease(connection, _KEYS.where(_LEASED, _S.lease_until <= now).with_for_update(skip_locked=True))

    @read_transaction
    def leased(self, connection: Connection, upstream: str, sources: Sequence[Source], now: datetime) -> int:
        """Return the number of leased packages (index-only scan)."""
        counted = select(func.count(distinct(_S.package_id))).where(
            _LEASED, _S.upstream == upstream, _S.source.in_(_names(sources)), _S.lease_until > now
        )
        return connection.execute(counted).scalar_one()

    @read_transaction
    def is_due(self, connection: Connection, upstream: str, sources: Sequence[Source], now: datetime) -> bool:
        """Return whether one of ``sources`` is due at ``upstream`` and not leased (index scan)."""
        return _any_due(connection, upstream, sources, now)

    @read_transaction
    def in_progress(self, connection: Connection, now: datetime) -> int:
        """Return the number of leased packages of all upstreams."""
        counted = select(func.count(distinct(_S.package_id))).where(_LEASED, _S.lease_until > now)
        return connection.execute(counted).scalar_one()

    @read_transaction
    def due_ids(
        self,
        connection: Connection,
        sources: Sequence[Source] | None,
        now: datetime | None,
        upstream: str | None = None,
    ) -> list[int]:
        """Return ids of packages with one of ``sources`` (any, if ``None``) due at ``now`` (ever, if ``None``).

        ``upstream`` limits them to the sources that it serves.

        Retired packages have no sources and are never included.
        """
        if sources is None and now is None and upstream is None:
            every = select(packages.c.id).where(packages.c.retired_at.is_(None)).order_by(packages.c.id)
            return list(connection.execute(every).scalars())
        wanted = select(_S.package_id).distinct().where(_at(upstream)).order_by(_S.package_id)
        if sources is not None:
            wanted = wanted.where(_S.source.in_(_names(sources)))
        if now is not None:
            wanted = wanted.where(_S.due_at.is_not(None), _S.due_at <= now)
        return list(connection.execute(wanted).scalars())

    @read_transaction
    def with_sources(self, connection: Connection, package_ids: Sequence[int]) -> set[int]:
        """Return the ids of the packages among ``package_ids`` with a source. Only those can be refreshed."""
        found: set[int] = set()
        for ids in chunks(package_ids):
            found.update(connection.execute(select(_S.package_id).distinct().where(_S.package_id.in_(ids))).scalars())
        return found

    @read_transaction
    def upstreams(self, connection: Connection, package_ids: Sequence[int]) -> set[str]:
        """Return the names of the upstreams that serve a source of these packages."""
        found: set[str] = set()
        for ids in chunks(package_ids):
            found.update(connection.execute(select(_S.upstream).distinct().where(_S.package_id.in_(ids))).scalars())
        return found

    @write_transaction
    def make_due(
        self, connection: Connection, upstream: str, source: Source, *, answered_before: datetime, now: datetime
    ) -> int:
        """Make due ``source`` of ``upstream`` where last fetched before ``answered_before``; return their number.

        One that a clock far ahead fetched counts as fetched before.

        Failing and leased rows keep their due time. At most ``AT_ONCE`` rows are taken, earliest due first (index
        scan).
        """
        late = (
            select(_S.package_id)
            .where(_S.upstream == upstream, _S.source == source.value, _S.failures == 0, _S.lease.is_(None))
            .where(or_(_S.answered_at < answered_before, _S.answered_at > now + SKEW), _S.due_at > now)
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

    @write_transaction
    def bring_back(
        self, connection: Connection, upstreams: Sequence[str], now: datetime, cadence: Cadence, lease_for: timedelta
    ) -> int:
        """Correct times that a clock far ahead has stored; return the number of rows changed.

        A due time beyond every interval and pause becomes ``now``, and a lease longer than ``lease_for`` ends (index
        scans). The slot of statistics has a limit of its own, because their responses make the other sources due. A
        call takes few rows, because a clock that is behind for minutes finds such times in every row.
        """
        late = now + lease_for + SKEW
        leased = _KEYS.where(_LEASED, _S.lease_until > late).order_by(_S.lease_until).limit(AT_A_TIME)
        changed = _unlease(connection, leased.with_for_update(skip_locked=True))
        limits = [(source, None) for source in Source] + [(Source.REPOSITORY, DueReason.SLOT)]
        for upstream, (source, reason) in product(upstreams, limits):
            far = (
                select(_S.package_id)
                .where(_S.upstream == upstream, _S.source == source.value, _S.lease.is_(None))
                .where(_S.due_at.is_not(None), _S.due_at > now + cadence.furthest(source, reason) + SKEW)
                .where(true() if reason is None else _S.due_reason == reason.value)
                .order_by(_S.due_at)
                .limit(AT_A_TIME)
                .with_for_update(skip_locked=True)
            )
            made: CursorResult[Any] = connection.execute(
                update(source_states).where(_S.package_id.in_(far), _S.source == source.value).values(due_at=now)
            )
            changed += made.rowcount
        return changed

    @write_transaction
    def make_packages_due(
        self,
        connection: Connection,
        package_ids: Sequence[int],
        sources: Sequence[Source],
        reason: DueReason,
        now: datetime,
        spacing: timedelta = timedelta(0),
    ) -> int:
        """Make these packages' sources due now, also failing ones; return the number of rows changed.

        A source requested within ``spacing`` becomes due that time after ``now``. One that is due already keeps its
        place, but has ``reason`` from now on, unless it was named before or never requested. A leased one is due again
        after its response, because that request may have been sent before ``now``.
        """
        lock_packages(connection, package_ids)
        return _make_due(connection, package_ids, _Demand(sources, reason, now, now, spacing))

    @write_transaction
    def make_released_due(
        self, connection: Connection, wanted: Sequence[FollowedProject], released_at: datetime, now: datetime
    ) -> int:
        """Make projects with a release that is not stored due now, as ``make_packages_due``; return their number.

        A leased one is due again after its response only if that request was sent before ``released_at``. One with a
        response to a later request, recorded since ``wanted`` was read, is left as it is.
        """
        released = min(released_at, now)
        lock_packages(connection, [one.package_id for one in wanted])
        requested = _requested_at(connection, [one.package_id for one in wanted])
        ids = [
            one.package_id
            for one in wanted
            if (at := requested[one.package_id]) is None or at == one.observed_at or at < released
        ]
        return _make_due(connection, ids, _Demand([Source.INDEX], DueReason.FEED, now, released))


@dataclass(frozen=True, slots=True)
class _Demand:
    """Sources that become due now, and why. A request sent since ``happened_at`` fulfils it."""

    sources: Sequence[Source]
    reason: DueReason
    now: datetime
    happened_at: datetime
    spacing: timedelta = timedelta(0)


def _make_due(connection: Connection, package_ids: Sequence[int], demand: _Demand) -> int:
    now = demand.now
    recent = and_(_S.observed_at.is_not(None), _S.observed_at > now - demand.spacing)
    leased = _S.lease.is_not(None)
    kept = _S.due_reason.in_([one.value for one in (DueReason.FIRST, *NAMED)])
    changed = 0
    for ids in chunks(package_ids):
        own = update(source_states).where(_S.package_id.in_(ids), _S.source.in_(_names(demand.sources)))
        for condition, due_at in ((not_(recent), now), (recent, now + demand.spacing)):
            later = or_(_S.due_at.is_(None), _S.due_at > due_at)
            wanted = own.where(condition, or_(later, leased, _S.due_reason.is_(None), not_(kept)))
            made: CursorResult[Any] = connection.execute(
                wanted.values(
                    due_at=case((leased, due_at - now + demand.happened_at), (later, due_at), else_=_S.due_at),
                    due_reason=demand.reason.value,
                )
            )
            changed += made.rowcount
    return changed


def _requested_at(connection: Connection, package_ids: Sequence[int]) -> dict[int, datetime | None]:
    """Return the time of the last request for each package's project, ``None`` without one."""
    found: dict[int, datetime | None] = dict.fromkeys(package_ids)
    for ids in chunks(package_ids):
        rows = select(_S.package_id, _S.observed_at).where(_S.package_id.in_(ids), _S.source == Source.INDEX.value)
        found.update((row.package_id, row.observed_at) for row in connection.execute(rows))
    return found


def _names(sources: Sequence[Source]) -> list[str]:
    return [source.value for source in sources]


def _at(upstream: str | None) -> ColumnElement[bool]:
    return true() if upstream is None else _S.upstream == upstream


def _unleased(now: datetime) -> ColumnElement[bool]:
    return or_(_S.lease_until.is_(None), _S.lease_until <= now)


def _any_due(connection: Connection, upstream: str, sources: Sequence[Source], now: datetime) -> bool:
    """Return whether any source is due. Most calls find nothing, and this query is cheaper than a claim."""
    due = (
        select(_S.package_id)
        .where(_S.upstream == upstream, _S.source.in_(_names(sources)), _S.due_at <= now, _unleased(now))
        .limit(1)
    )
    return connection.execute(due).first() is not None


def _ripe(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a row is due, or not cooling down after a failure."""
    return or_(_S.due_at <= now, _S.failures == 0)


def _longest_due(upstream: str, sources: Sequence[Source], limit: int, now: datetime, horizon: datetime) -> CTE:
    """Select the ``limit`` packages due longest, which are among the first ``limit`` rows of each source."""
    first = [
        select(_S.package_id, _S.due_at)
        .where(_S.upstream == upstream, _S.source == source.value, _S.due_at.is_not(None), _S.due_at <= horizon)
        .where(_ripe(now), _unleased(now))
        .order_by(_S.due_at, _S.package_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte(f"due_{source.value}")
        for source in sources
    ]
    every = union_all(*(select(rows.c.package_id, rows.c.due_at) for rows in first)).subquery()
    return (
        select(every.c.package_id)
        .group_by(every.c.package_id)
        .order_by(func.min(every.c.due_at), every.c.package_id)
        .limit(limit)
        .cte("chosen")
    )


def _leasing(rows: CTE, lease: str, until: datetime) -> ReturningUpdate[tuple[int, datetime]]:
    return (
        update(source_states)
        .where(_S.package_id == rows.c.package_id, _S.source == rows.c.source)
        .values(lease=lease, lease_until=until)
        .returning(_S.package_id, _S.due_at)
    )


def _unlease(connection: Connection, rows: Select[tuple[int, str]]) -> int:
    found = rows.cte("leased_rows")
    ended = (
        update(source_states)
        .where(_S.package_id == found.c.package_id, _S.source == found.c.source)
        .values(lease=None, lease_until=None)
        .returning(_S.package_id)
    )
    return len(connection.execute(ended).all())
