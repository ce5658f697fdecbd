"""Computed intervals of sweeps, the activity that they depend on, and due times brought forward to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, case, func, select, update

from fetcher.domain.model import DueReason, Source
from fetcher.domain.scheduling import slot
from fetcher.domain.sweeping import CLASSES, IDLE, Sweep, SweepLimit, SweepPlan
from fetcher.store.dialects import chunks, upsert
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import activities, packages, source_states, sweeps

_S, _A, _W = source_states.c, activities.c, sweeps.c
_OF_REPOSITORIES = _S.source == Source.REPOSITORY.value

_WITH_INTERVAL = (Source.REPOSITORY, Source.INDEX)
"""Sources with an interval. Contributors and commits follow a moved head."""

IntervalOf: TypeAlias = Callable[[Source, str, timedelta | None], timedelta]
"""The interval of a source at an upstream for a package without activity for a time: ``Cadence.interval_of``."""

AT_ONCE = 10_000
"""Most packages whose due times are brought forward in one transaction."""


class Sweeps(Aggregate):
    """The intervals of all upstreams."""

    @read_transaction
    def plans(self, connection: Connection) -> list[SweepPlan]:
        """Return the computed intervals, by upstream."""
        return [_plan(row) for row in connection.execute(select(sweeps).order_by(_W.upstream))]

    @write_transaction
    def save(self, connection: Connection, plan: SweepPlan) -> None:
        """Replace the intervals of one upstream."""
        row = {
            "upstream": plan.upstream,
            "unit_ms": plan.sweep.unit // timedelta(milliseconds=1),
            "since": plan.since,
            "computed_at": plan.computed_at,
            "placed_after": plan.placed_after,
            "facts": {
                "scale": plan.sweep.scale,
                "packages": list(plan.packages),
                "limited_by": plan.limited_by.value,
                "resource": plan.resource,
                "quota": plan.quota,
                "used": plan.used,
            },
        }
        upsert(connection, sweeps, [row])

    @read_transaction
    def classes(self, connection: Connection, now: datetime, scale: float = 1.0) -> Mapping[str, tuple[int, ...]]:
        """Count each upstream's repositories in each class of activity; ``scale`` compresses the classes' bounds."""
        number = case(
            *((_A.active_at >= now - idle * scale, place) for place, idle in enumerate(IDLE)), else_=CLASSES - 1
        )
        counted = (
            select(_S.upstream, number.label("number"), func.count().label("packages"))
            .select_from(source_states.outerjoin(activities, _A.package_id == _S.package_id))
            .where(_OF_REPOSITORIES, _S.due_at.is_not(None))
            .group_by(_S.upstream, number)
        )
        found: dict[str, list[int]] = defaultdict(lambda: [0] * CLASSES)
        for row in connection.execute(counted):
            found[row.upstream][row.number] += row.packages
        return {upstream: tuple(packages) for upstream, packages in found.items()}

    @write_transaction
    def place(self, connection: Connection, plan: SweepPlan, now: datetime, most: int = AT_ONCE) -> int | None:
        """Bring the due times of the next ``most`` packages forward to their slots in the intervals of ``plan``.

        Failing, leased and earlier rows keep their due time. Returns the id of the last package, from which the next
        call continues, or ``None`` after the last one.
        """
        after = plan.placed_after
        if after is None:
            return None
        following = select(_S.package_id).where(_OF_REPOSITORIES, _S.upstream == plan.upstream, _S.package_id > after)
        ids = connection.execute(following.order_by(_S.package_id).limit(most)).scalars().all()
        if ids:
            rows = _OF_REPOSITORIES & (_S.upstream == plan.upstream)
            _bring_forward(connection, rows, (after, ids[-1]), lambda *of: plan.sweep.interval(of[-1]), now)
        last = ids[-1] if len(ids) == most else None
        connection.execute(update(sweeps).where(_W.upstream == plan.upstream).values(placed_after=last))
        return last

    @write_transaction
    def follow(
        self, connection: Connection, interval: IntervalOf, after: int, now: datetime, most: int = AT_ONCE
    ) -> int | None:
        """Bring the due times of the next ``most`` packages with ids above ``after`` forward, as ``place`` does.

        It concerns repositories and projects of all upstreams, by their ``interval``. Returns the same as ``place``.
        """
        following = select(packages.c.id).where(packages.c.id > after).order_by(packages.c.id).limit(most)
        ids = connection.execute(following).scalars().all()
        if ids:
            rows = _S.source.in_([source.value for source in _WITH_INTERVAL])
            _bring_forward(connection, rows, (after, ids[-1]), interval, now)
        return ids[-1] if len(ids) == most else None


def _bring_forward(
    connection: Connection, rows: ColumnElement[bool], between: tuple[int, int], interval: IntervalOf, now: datetime
) -> None:
    """Bring due times of ``rows`` forward in a range of ids. Rows that a claim or another writer holds are skipped."""
    waiting = connection.execute(
        select(_S.package_id, _S.source, _S.upstream, _S.due_at, _A.active_at)
        .select_from(source_states.outerjoin(activities, _A.package_id == _S.package_id))
        .where(rows)
        .where(_S.package_id > between[0], _S.package_id <= between[1])
        .where(_S.due_reason == DueReason.SLOT.value, _S.failures == 0, _S.lease.is_(None), _S.due_at > now)
        .order_by(_S.package_id)
        .with_for_update(of=source_states, skip_locked=True)
    )
    earlier: dict[tuple[str, datetime], list[int]] = defaultdict(list)
    for row in waiting:
        due_at = slot(row.package_id, now, interval(Source(row.source), row.upstream, _idle(row.active_at, now)))
        if due_at < row.due_at:
            earlier[row.source, due_at].append(row.package_id)
    for (source, due_at), found in earlier.items():
        for ids in chunks(found):
            moved = _S.source == source, _S.package_id.in_(ids)
            connection.execute(update(source_states).where(*moved).values(due_at=due_at))


def _idle(active_at: datetime | None, now: datetime) -> timedelta | None:
    return None if active_at is None else now - active_at


def _plan(row: Row[tuple[object, ...]]) -> SweepPlan:
    facts = row.facts
    return SweepPlan(
        upstream=row.upstream,
        sweep=Sweep(timedelta(milliseconds=row.unit_ms), facts["scale"]),
        since=row.since,
        computed_at=row.computed_at,
        packages=tuple(facts["packages"]),
        limited_by=SweepLimit(facts["limited_by"]),
        resource=facts["resource"],
        quota=facts["quota"],
        used=facts["used"],
        placed_after=row.placed_after,
    )
