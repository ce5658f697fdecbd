"""Refreshes that people asked for: one a package while it is open, kept by a partial unique index."""

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
    Asked,
    Change,
    Ending,
    Patience,
    RefreshRequest,
    RequestState,
    SourceFailure,
)
from fetcher.store.columns import plain
from fetcher.store.dialects import chunks
from fetcher.store.schema import OPEN_REQUEST, packages, refresh_requests

_R = refresh_requests.c
_OPEN = _R.state.in_([state.value for state in OPEN])
_ATTEMPTS = 3
"""How often asking is tried again when the request that was in the way ended meanwhile, having failed."""

NOBODY = "no worker took it: `fetcher queues` says who takes from the queue `now`"
LOST = "the worker that had it ended without a word; ask again"


def ask(connection: Connection, package_ids: Sequence[int], now: datetime, patience: Patience) -> list[Asked]:
    """A request for each package: a new one, unless one is open or was done within ``patience.join``."""
    wanted = list(dict.fromkeys(package_ids))
    new: set[str] = set()
    found: dict[int, RefreshRequest] = {}
    for _ in range(_ATTEMPTS):
        found |= _joinable(connection, [i for i in wanted if i not in found], now, patience)
        missing = [i for i in wanted if i not in found]
        if not missing:
            break
        rows = [_row(package_id, now) for package_id in missing]
        new.update(row["id"] for row in rows)
        _insert_unless_open(connection, rows)
    return [Asked(found[i], found[i].id not in new) for i in wanted if i in found]


def start(connection: Connection, request_ids: Sequence[str], now: datetime) -> list[RefreshRequest]:
    """Mark those that still wait as running, and return them in the order given.

    A message that comes twice starts nothing twice.
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


def finish(connection: Connection, endings: Sequence[Ending], now: datetime) -> None:
    """Write what requests came to. What was given up too early is corrected by who carried it out all the same."""
    for ending in endings:
        values = {
            "state": ending.state.value,
            "finished_at": now,
            "changes": [[one.field, one.before, one.after] for one in ending.changes],
            "failures": [[one.source.value, one.outcome, plain(one.message)] for one in ending.failures],
            "reason": plain(ending.reason),
        }
        connection.execute(update(refresh_requests).where(_R.id == ending.request_id).values(values))


def one(connection: Connection, request_id: str) -> RefreshRequest | None:
    """The request of that id."""
    return next(iter(_read(connection, _R.id == request_id)), None)


def latest(connection: Connection, package_id: int) -> RefreshRequest | None:
    """The request of a package that was asked last."""
    return next(iter(_rows(connection, _select(_R.package_id == package_id).limit(1))), None)


def waiting(connection: Connection, limit: int) -> list[RefreshRequest]:
    """Requests that are not finished, the one asked last first."""
    return _rows(connection, _select(_OPEN).limit(limit))


def lost(connection: Connection, now: datetime, patience: Patience) -> list[str]:
    """Fail what nobody took or what was lost with its worker; returns the ids of those to be sent again."""
    late = and_(_R.state == RequestState.QUEUED.value, _R.asked_at <= now - patience.wait)
    ended = and_(_R.state == RequestState.RUNNING.value, _R.started_at <= now - patience.run)
    for which, reason in ((late, NOBODY), (ended, LOST)):
        failed = {"state": RequestState.FAILED.value, "finished_at": now, "reason": reason}
        connection.execute(update(refresh_requests).where(which).values(failed))
    again = (
        update(refresh_requests)
        .where(_R.state == RequestState.QUEUED.value, _R.sent_at <= now - patience.resend)
        .values(sent_at=now)
        .returning(_R.id)
    )
    return sorted(connection.execute(again).scalars())


def prune(connection: Connection, before: datetime) -> int:
    """Drop what was finished before ``before``."""
    return connection.execute(delete(refresh_requests).where(_R.finished_at < before)).rowcount


def _row(package_id: int, now: datetime) -> dict[str, Any]:
    state = RequestState.QUEUED.value
    return {"id": uuid4().hex, "package_id": package_id, "state": state, "asked_at": now, "sent_at": now}


def _insert_unless_open(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """The index lets the first of several askers in; on PostgreSQL the others wait here until it has committed."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(refresh_requests).on_conflict_do_nothing(
        index_elements=["package_id"], index_where=text(OPEN_REQUEST)
    )
    connection.execute(statement, sorted(rows, key=lambda row: row["package_id"]))


def _joinable(
    connection: Connection, package_ids: Sequence[int], now: datetime, patience: Patience
) -> dict[int, RefreshRequest]:
    """By package, the request that whoever asks now is given."""
    done = and_(_R.state == RequestState.DONE.value, _R.asked_at > now - patience.join)
    found: dict[int, RefreshRequest] = {}
    for ids in chunks(package_ids):
        for request in reversed(_read(connection, and_(_R.package_id.in_(ids), or_(_OPEN, done)))):
            found[request.package_id] = request
    return found


def _read(connection: Connection, which: ColumnElement[bool]) -> list[RefreshRequest]:
    return _rows(connection, _select(which))


def _select(which: ColumnElement[bool]) -> Select[Any]:
    """Newest first; of one moment, the open one."""
    return (
        select(refresh_requests, packages.c.slug)
        .join(packages, packages.c.id == _R.package_id)
        .where(which)
        .order_by(_R.asked_at.desc(), _R.finished_at.is_(None).desc(), _R.id)
    )


def _rows(connection: Connection, statement: Select[Any]) -> list[RefreshRequest]:
    return [_request(row) for row in connection.execute(statement)]


def _request(row: Row[Any]) -> RefreshRequest:
    return RefreshRequest(
        id=row.id,
        package_id=row.package_id,
        slug=row.slug,
        state=RequestState(row.state),
        asked_at=row.asked_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        changes=tuple(Change(*change) for change in row.changes or ()),
        failures=tuple(SourceFailure(Source(name), *rest) for name, *rest in row.failures or ()),
        reason=row.reason,
    )
