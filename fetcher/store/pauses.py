"""Operators' pauses, one row for each scope."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, or_, select

from fetcher.domain.pauses import OperatorPause, PauseScope
from fetcher.store.dialects import upsert
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import pauses
from fetcher.store.types import plain

_P = pauses.c


class Pauses(Aggregate):
    """Pauses by operators. One with an end is over by itself, without a write."""

    @read_transaction
    def active(self, connection: Connection, now: datetime) -> list[OperatorPause]:
        """Return the pauses in force at ``now``, the widest first."""
        return _active(connection, now)

    @write_transaction
    def pause(self, connection: Connection, pause: OperatorPause) -> None:
        """Begin a pause, or replace the one of the same scope."""
        row = {
            "scope": pause.scope.value,
            "since": pause.since,
            "until": pause.until,
            "reason": plain(pause.reason),
            "actor": plain(pause.actor),
        }
        upsert(connection, pauses, [row])

    @write_transaction
    def resume(self, connection: Connection, now: datetime) -> list[OperatorPause]:
        """End every pause; returns those that were in force."""
        ended = _active(connection, now)
        connection.execute(delete(pauses))
        return ended


def _active(connection: Connection, now: datetime) -> list[OperatorPause]:
    rows = connection.execute(select(pauses).where(or_(_P.until.is_(None), _P.until > now)).order_by(_P.scope))
    return [OperatorPause(PauseScope(row.scope), row.since, row.until, row.reason, row.actor) for row in rows]
