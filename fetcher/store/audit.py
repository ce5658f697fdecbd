"""The audit log. Entries are appended and expire; none is changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from fetcher.domain.audit import AuditEntry
from fetcher.store.dialects import chunks
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import audit_log
from fetcher.store.types import plain

_A = audit_log.c


class Audit(Aggregate):
    """The audit log."""

    @write_transaction
    def append(self, connection: Connection, entries: Sequence[AuditEntry]) -> None:
        """Append entries in their order."""
        for part in chunks(entries):
            rows = [
                {
                    "at": one.at,
                    "actor": plain(one.actor),
                    "action": str(one.action),
                    "package": plain(one.package),
                    "detail": plain(one.detail),
                    "address": plain(one.address),
                }
                for one in part
            ]
            connection.execute(insert(audit_log), rows)

    @read_transaction
    def since(self, connection: Connection, since: datetime) -> list[AuditEntry]:
        """Return the entries from ``since`` on, oldest first."""
        rows = connection.execute(select(audit_log).where(_A.at >= since).order_by(_A.at, _A.id))
        return [AuditEntry(row.at, row.actor, row.action, row.package, row.detail, row.address) for row in rows]

    @write_transaction
    def prune(self, connection: Connection, before: datetime) -> int:
        """Delete entries older than ``before``; returns their number."""
        return connection.execute(delete(audit_log).where(_A.at < before)).rowcount
