"""Webhooks: endpoints, and deliveries made from the change feed.

Each endpoint has its own position in the feed. Deliveries and the position are written in one transaction, so a killed
worker neither loses an event nor repeats one under another id. An attempt is claimed by moving its due time; if the
worker is killed, it is due again after ``LEASE``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, func, insert, select, update

from fetcher.domain.changes import EventType
from fetcher.domain.formatting import counted
from fetcher.domain.webhooks import TOLERANCE, Attempt, Delivery, DeliveryState, Endpoint, Verdict, body_of
from fetcher.store.changes.feed import positions_after
from fetcher.store.changes.numbering import any_pending, extent
from fetcher.store.dialects import chunks
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import webhook_deliveries, webhook_endpoints
from fetcher.store.types import plain

_E, _D = webhook_endpoints.c, webhook_deliveries.c

LEASE = timedelta(minutes=2)
"""Time after which an attempt without a result is made again; longer than a sender's longest attempt."""

_CHANGES = 500
"""Most changes made into deliveries of one endpoint at once."""

_ENABLED = _E.disabled_at.is_(None)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Numbers of deliveries and endpoints, for metrics and pages."""

    enabled: int
    disabled: int
    pending: int
    oldest_due_at: datetime | None

    def in_words(self) -> str:
        """Describe the receivers in a line."""
        receivers = counted(self.enabled + self.disabled, "receiver")
        disabled = f", {self.disabled} disabled" if self.disabled else ""
        return f"{receivers}{disabled}, {counted(self.pending, 'message')} not delivered yet"


class Webhooks(Aggregate):
    """Endpoints and deliveries."""

    @write_transaction
    def add(
        self, connection: Connection, url: str, events: Sequence[EventType], secret: str, now: datetime
    ) -> Endpoint:
        """Store an endpoint that receives the changes from now on."""
        found = Endpoint(uuid4().hex[:12], url, tuple(events), secret, None, None, extent(connection).position, now)
        row = {
            "id": found.id,
            "url": found.url,
            "events": [str(one) for one in events] or None,
            "secret": secret,
            "position": found.position,
            "created_at": now,
        }
        connection.execute(insert(webhook_endpoints), row)
        return found

    @read_transaction
    def all(self, connection: Connection) -> list[Endpoint]:
        """Return every endpoint, the oldest first."""
        rows = connection.execute(select(webhook_endpoints).order_by(_E.created_at, _E.id))
        return [_endpoint(row) for row in rows]

    @read_transaction
    def get(self, connection: Connection, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint; ``None`` for an unknown id."""
        row = connection.execute(select(webhook_endpoints).where(_E.id == plain(endpoint_id))).one_or_none()
        return None if row is None else _endpoint(row)

    @write_transaction
    def remove(self, connection: Connection, endpoint_id: str) -> bool:
        """Delete an endpoint with its deliveries; returns whether there was one."""
        return bool(connection.execute(delete(webhook_endpoints).where(_E.id == endpoint_id)).rowcount)

    @write_transaction
    def enable(self, connection: Connection, endpoint_id: str, now: datetime) -> int:
        """Enable an endpoint. Its failed deliveries stay failed; events since then follow.

        Returns the number of changes that the feed no longer holds for it.
        """
        feed = extent(connection)
        position = connection.execute(select(_E.position).where(_E.id == endpoint_id)).scalar_one()
        values = {"disabled_at": None, "disabled_reason": None, "failing_since": None, "held_until": None}
        connection.execute(
            update(webhook_endpoints).where(_E.id == endpoint_id).values(**values, position=max(position, feed.floor))
        )
        waiting = (_D.endpoint_id == endpoint_id, _D.state == DeliveryState.PENDING.value)
        connection.execute(update(webhook_deliveries).where(*waiting).values(due_at=now))
        return max(feed.floor - int(position), 0)

    @write_transaction
    def rotate(self, connection: Connection, endpoint_id: str, secret: str, now: datetime) -> None:
        """Replace an endpoint's secret. The former one signs as well for ``TOLERANCE``."""
        values = {"secret": secret, "former_secret": _E.secret, "former_until": now + TOLERANCE}
        connection.execute(update(webhook_endpoints).where(_E.id == endpoint_id).values(values))

    @read_transaction
    def has_news(self, connection: Connection) -> bool:
        """Return whether an enabled endpoint exists and a committed change waits for its position."""
        enabled = connection.execute(select(exists().where(_ENABLED))).scalar()
        return bool(enabled) and any_pending(connection)

    @read_transaction
    def has_work(self, connection: Connection, now: datetime) -> bool:
        """Return whether an enabled endpoint is behind the feed or has a due delivery."""
        behind = exists().where(_ENABLED, _E.position < extent(connection).position)
        due = exists().where(*_due(now))
        return bool(connection.execute(select(behind | due)).scalar())

    @write_transaction
    def fan_out(self, connection: Connection, now: datetime) -> int:
        """Make deliveries of the next changes of every enabled endpoint; returns their number."""
        feed = extent(connection)
        behind = (
            select(webhook_endpoints)
            .where(_ENABLED, _E.position < feed.position)
            .order_by(_E.id)
            .with_for_update(skip_locked=True)
        )
        made = 0
        for endpoint in map(_endpoint, connection.execute(behind).all()):
            changes = positions_after(connection, endpoint.position, _CHANGES)
            end = changes[-1].position if changes else feed.position
            rows = [
                {
                    "id": f"msg_{uuid4().hex}",
                    "endpoint_id": endpoint.id,
                    "event": str(event),
                    "package": plain(change.slug),
                    "body": body_of(event, change, feed.end.at(change.position)),
                    "created_at": now,
                    "changed_at": change.at,
                    "state": DeliveryState.PENDING.value,
                    "due_at": now,
                    "attempts": 0,
                }
                for change in changes
                for event in change.events
                if endpoint.wants(event)
            ]
            for part in chunks(rows):
                connection.execute(insert(webhook_deliveries), part)
            connection.execute(update(webhook_endpoints).where(_E.id == endpoint.id).values(position=end))
            made += len(rows)
        return made

    @read_transaction
    def due_endpoints(self, connection: Connection, now: datetime) -> list[Endpoint]:
        """Return the endpoints with a due delivery."""
        rows = select(webhook_endpoints).where(_E.id.in_(select(_D.endpoint_id).where(*_due(now)))).order_by(_E.id)
        return [_endpoint(row) for row in connection.execute(rows)]

    @write_transaction
    def claim(self, connection: Connection, endpoint_id: str, limit: int, now: datetime) -> list[Delivery]:
        """Claim an endpoint's due deliveries, the longest due first. Each is due again after ``LEASE``."""
        due = (
            select(webhook_deliveries)
            .where(_D.endpoint_id == endpoint_id, *_due(now))
            .order_by(_D.due_at, _D.created_at, _D.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        found = [_delivery(row) for row in connection.execute(due)]
        ids = [one.id for one in found]
        connection.execute(update(webhook_deliveries).where(_D.id.in_(ids)).values(due_at=now + LEASE))
        return found

    @write_transaction
    def record(
        self, connection: Connection, delivery: Delivery, attempt: Attempt, verdict: Verdict, now: datetime
    ) -> None:
        """Write the result of an attempt, and its consequences for the endpoint."""
        connection.execute(
            update(webhook_deliveries)
            .where(_D.id == delivery.id)
            .values(
                state=verdict.state.value,
                due_at=verdict.due_at,
                attempts=delivery.attempts + 1,
                attempted_at=now,
                status=attempt.status,
                message=plain(attempt.message) or None,
            )
        )
        values: dict[str, Any] = {"failing_since": func.coalesce(_E.failing_since, now)}
        if verdict.state is DeliveryState.DELIVERED:
            values = {"failing_since": None, "held_until": None}
        if verdict.held_until is not None:
            values["held_until"] = verdict.held_until
        if verdict.disabled is not None:
            values |= {"disabled_at": now, "disabled_reason": verdict.disabled}
        connection.execute(update(webhook_endpoints).where(_E.id == delivery.endpoint_id).values(values))

    @read_transaction
    def log(
        self, connection: Connection, limit: int, endpoint_id: str | None = None, *, failed: bool = False
    ) -> list[Delivery]:
        """Return the latest deliveries, the newest first; ``failed``: those that failed or are being retried."""
        rows = select(webhook_deliveries).order_by(_D.created_at.desc(), _D.id).limit(limit)
        if endpoint_id is not None:
            rows = rows.where(_D.endpoint_id == endpoint_id)
        if failed:
            rows = rows.where(_D.attempts > 0, _D.state != DeliveryState.DELIVERED.value)
        return [_delivery(row) for row in connection.execute(rows)]

    @write_transaction
    def replay(
        self,
        connection: Connection,
        endpoint_id: str,
        now: datetime,
        ids: Collection[str] = (),
        *,
        failed: bool = False,
    ) -> int:
        """Make stored deliveries due again under their ids, by id or all failed ones; returns their number."""
        chosen: list[ColumnElement[bool]] = [_D.endpoint_id == endpoint_id]
        if ids:
            chosen.append(_D.id.in_(list(ids)))
        if failed:
            chosen.append(_D.state == DeliveryState.FAILED.value)
        values = {"state": DeliveryState.PENDING.value, "due_at": now, "attempts": 0, "message": None, "status": None}
        return connection.execute(update(webhook_deliveries).where(*chosen).values(values)).rowcount

    @read_transaction
    def backlog(self, connection: Connection) -> Backlog:
        """Return the numbers of endpoints and of deliveries that wait."""
        disabled = connection.execute(
            select(_E.disabled_at.is_not(None), func.count()).group_by(_E.disabled_at.is_not(None))
        )
        counts = {bool(is_disabled): count for is_disabled, count in disabled}
        row = connection.execute(
            select(func.count(), func.min(_D.due_at)).where(_D.due_at.is_not(None), _D.endpoint_id.in_(_enabled_ids()))
        ).one()
        return Backlog(counts.get(False, 0), counts.get(True, 0), row[0], row[1])

    @write_transaction
    def prune(self, connection: Connection, before: datetime) -> int:
        """Delete finished deliveries made before ``before``; returns their number."""
        finished = delete(webhook_deliveries).where(_D.created_at < before, _D.due_at.is_(None))
        return connection.execute(finished).rowcount


def _enabled_ids() -> Any:
    return select(_E.id).where(_ENABLED)


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a delivery that can be attempted at ``now``."""
    held = select(_E.id).where((_E.disabled_at.is_not(None)) | (_E.held_until > now))
    return _D.due_at.is_not(None), _D.due_at <= now, _D.endpoint_id.not_in(held)


def _endpoint(row: Row[Any]) -> Endpoint:
    known = {str(one) for one in EventType}
    return Endpoint(
        id=row.id,
        url=row.url,
        events=tuple(EventType(name) for name in row.events or () if name in known),
        secret=row.secret,
        former_secret=row.former_secret,
        former_until=row.former_until,
        position=row.position,
        created_at=row.created_at,
        failing_since=row.failing_since,
        held_until=row.held_until,
        disabled_at=row.disabled_at,
        disabled_reason=row.disabled_reason,
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        endpoint_id=row.endpoint_id,
        event=row.event,
        package=row.package,
        body=row.body,
        created_at=row.created_at,
        changed_at=row.changed_at,
        state=DeliveryState(row.state),
        due_at=row.due_at,
        attempts=row.attempts,
        attempted_at=row.attempted_at,
        status=row.status,
        message=row.message,
    )
