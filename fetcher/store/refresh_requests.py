"""Refresh requests of users: one open request per package, ensured by a partial unique index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from fetcher.domain.model import Source
from fetcher.domain.views import (
    OPEN,
    REQUEST_TIMEOUTS,
    Change,
    Ending,
    RefreshRequest,
    RequestState,
    RequestTimeouts,
    SourceFailure,
    SubmittedRefresh,
)
from fetcher.store.dialects import chunks
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import OPEN_REQUEST, packages, refresh_requests
from fetcher.store.types import plain

_R = refresh_requests.c
_OPEN = _R.state.in_([state.value for state in OPEN])
_ATTEMPTS = 3
"""Attempts to insert or join a request. A further attempt is needed if the open request failed in between."""

NOBODY = "no worker took it: `fetcher queues` says who takes from the queue `manual`"
LOST = "the worker that had it ended without a word; ask again"


class RefreshRequests(Aggregate):
    """Refresh requests of users."""

    @write_transaction
    def submit(
        self,
        connection: Connection,
        package_ids: Sequence[int],
        now: datetime,
        timeouts: RequestTimeouts = REQUEST_TIMEOUTS,
    ) -> list[SubmittedRefresh]:
        """Return a request per package: an open one, a done one made within ``timeouts.join``, or a new one."""
        wanted = list(dict.fromkeys(package_ids))
        new: set[str] = set()
        found: dict[int, RefreshRequest] = {}
        for _ in range(_ATTEMPTS):
            found |= _joinable(connection, [i for i in wanted if i not in found], now, timeouts)
            missing = [i for i in wanted if i not in found]
            if not missing:
                break
            rows = [_row(package_id, now) for package_id in missing]
            new.update(row["id"] for row in rows)
            _insert_unless_open(connection, rows)
        return [SubmittedRefresh(found[i], found[i].id not in new) for i in wanted if i in found]

    @write_transaction
    def start(self, connection: Connection, request_ids: Sequence[str], now: datetime) -> list[RefreshRequest]:
        """Mark the queued requests among ``request_ids`` as running, and return them in the order given.

        A message delivered twice starts a request once.
        """
        started: list[str] = []
        for ids in chunks(request_ids):
            taken = (
                update(refresh_requests)
                .where(_R.id.in_(ids), _R.state == RequestState.QUEUED.value)
                .values(state=RequestState.RUNNING.value, started_at=now)
                .returning(_R.id)
            )
            started += connection.execute(taken).scalars()
        found = {request.id: request for ids in chunks(started) for request in _read(connection, _R.id.in_(ids))}
        return [found[request_id] for request_id in request_ids if request_id in found]

    @write_transaction
    def finish(self, connection: Connection, endings: Sequence[Ending], now: datetime) -> None:
        """Write the results of requests. The worker's result replaces a timeout that was recorded too early."""
        for ending in endings:
            values = {
                "state": ending.state.value,
                "finished_at": now,
                "changes": [[one.field, one.before, one.after] for one in ending.changes],
                "failures": [[one.source.value, one.outcome, plain(one.message)] for one in ending.failures],
                "reason": plain(ending.reason),
            }
            connection.execute(update(refresh_requests).where(_R.id == ending.request_id).values(values))

    @read_transaction
    def get(self, connection: Connection, request_id: str) -> RefreshRequest | None:
        """Return the request with that id, or ``None``."""
        return next(iter(_read(connection, _R.id == request_id)), None)

    @read_transaction
    def latest(self, connection: Connection, package_id: int) -> RefreshRequest | None:
        """Return the latest request of a package, or ``None``."""
        return next(iter(_rows(connection, _select(_R.package_id == package_id).limit(1))), None)

    @read_transaction
    def open(self, connection: Connection, limit: int) -> list[RefreshRequest]:
        """Return at most ``limit`` unfinished requests, newest first."""
        return _rows(connection, _select(_OPEN).limit(limit))

    @write_transaction
    def lost(self, connection: Connection, now: datetime, timeouts: RequestTimeouts = REQUEST_TIMEOUTS) -> list[str]:
        """Fail requests that no worker took or that were lost with their worker; returns the ids to send again."""
        late = and_(_R.state == RequestState.QUEUED.value, _R.requested_at <= now - timeouts.wait)
        ended = and_(_R.state == RequestState.RUNNING.value, _R.started_at <= now - timeouts.run)
        for which, reason in ((late, NOBODY), (ended, LOST)):
            failed = {"state": RequestState.FAILED.value, "finished_at": now, "reason": reason}
            connection.execute(update(refresh_requests).where(which).values(failed))
        again = (
            update(refresh_requests)
            .where(_R.state == RequestState.QUEUED.value, _R.sent_at <= now - timeouts.resend)
            .values(sent_at=now)
            .returning(_R.id)
        )
        return sorted(connection.execute(again).scalars())

    @write_transaction
    def prune(self, connection: Connection, before: datetime) -> int:
        """Delete requests finished before ``before``; returns their number."""
        return connection.execute(delete(refresh_requests).where(_R.finished_at < before)).rowcount


def _row(package_id: int, now: datetime) -> dict[str, Any]:
    state = RequestState.QUEUED.value
    return {"id": uuid4().hex, "package_id": package_id, "state": state, "requested_at": now, "sent_at": now}


def _insert_unless_open(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert ``rows`` except for packages with an open request.

    The unique index admits the first of several writers. On PostgreSQL the others wait here until it has committed.
    """
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(refresh_requests).on_conflict_do_nothing(
        index_elements=["package_id"], index_where=text(OPEN_REQUEST)
    )
    connection.execute(statement, sorted(rows, key=lambda row: row["package_id"]))


def _joinable(
    connection: Connection, package_ids: Sequence[int], now: datetime, timeouts: RequestTimeouts
) -> dict[int, RefreshRequest]:
    """Return the request to join, by package id: an open one, or a done one made within ``timeouts.join``."""
    done = and_(_R.state == RequestState.DONE.value, _R.requested_at > now - timeouts.join)
    found: dict[int, RefreshRequest] = {}
    for ids in chunks(package_ids):
        for request in reversed(_read(connection, and_(_R.package_id.in_(ids), or_(_OPEN, done)))):
            found[request.package_id] = request
    return found


def _read(connection: Connection, which: ColumnElement[bool]) -> list[RefreshRequest]:
    return _rows(connection, _select(which))


def _select(which: ColumnElement[bool]) -> Select[Any]:
    """Select requests, newest first; of the same time, the open one first."""
    return (
        select(refresh_requests, packages.c.slug)
        .join(packages, packages.c.id == _R.package_id)
        .where(which)
        .order_by(_R.requested_at.desc(), _R.finished_at.is_(None).desc(), _R.id)
    )


def _rows(connection: Connection, statement: Select[Any]) -> list[RefreshRequest]:
    return [_request(row) for row in connection.execute(statement)]


def _request(row: Row[Any]) -> RefreshRequest:
    return RefreshRequest(
        id=row.id,
        package_id=row.package_id,
        slug=row.slug,
        state=RequestState(row.state),
        requested_at=row.requested_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        changes=tuple(Change(*change) for change in row.changes or ()),
        failures=tuple(SourceFailure(Source(name), *rest) for name, *rest in row.failures or ()),
        reason=row.reason,
    )
