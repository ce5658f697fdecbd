"""Hosts of the catalogue's repositories: added by imports, their kinds stated by editors or detected."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, and_, delete, or_, select, update

from fetcher.domain.forges import FIRST_PAUSE, ForgeKind, KnownBy, StoredForge, is_stated, stated
from fetcher.domain.model import CatalogueEntry
from fetcher.ports import Checkpoint
from fetcher.store import checkpoints as marks
from fetcher.store.dialects import IMPORTING, one_at_a_time, upsert
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import checkpoints, forges
from fetcher.store.types import plain

_F, _C = forges.c, checkpoints.c

_UNPARSED = "addresses of "
"""First part of the name of a checkpoint that marks a host: its addresses are not parsed by its new kind yet."""


@dataclass(frozen=True, slots=True)
class ForgeRules:
    """Decisions about hosts that an import needs, as the upstreams make them."""

    stated: Callable[[Iterable[CatalogueEntry]], Mapping[str, ForgeKind]] = lambda entries: {}
    """Returns the kinds that editors' entries state for hosts."""
    lists: Callable[[str], bool] = lambda host: False
    """Returns whether a repository's host belongs into the table: GitHub's does not."""
    changed: Callable[[], None] = lambda: None
    """Called after a host's kind has changed, so that the following addresses are parsed by its new grammar."""


class Forges(Aggregate):
    """The hosts, some hundreds at most."""

    @read_transaction
    def all(self, connection: Connection) -> tuple[StoredForge, ...]:
        """Return every host, ordered by name. Two equal results mean that the same upstreams serve the catalogue."""
        return tuple(_forge(row) for row in connection.execute(select(forges).order_by(_F.host)))

    def state(self, kinds: Mapping[str, ForgeKind | None], now: datetime) -> list[str]:
        """Store editors' words for the kinds of hosts; returns the hosts whose kind was not stated so before.

        ``None`` withdraws the word for a host, which is then detected. Words that are stored already cost one query and
        no lock.
        """
        known = self._transactions.read(lambda connection: _by_host(connection, kinds.keys()))
        if all(is_stated(known.get(host, StoredForge(host)), kind) for host, kind in kinds.items()):
            return []
        return self._transactions.write(lambda connection: _state(connection, kinds, now))

    @write_transaction
    def claim(
        self, connection: Connection, hosts: Collection[str], now: datetime, until: datetime
    ) -> list[StoredForge]:
        """Return those of ``hosts`` that are to be detected, reserved until ``until`` against other processes."""
        never = and_(_F.kind.is_(None), _F.due_at.is_(None))
        due = _F.host.in_(hosts), or_(never, _F.due_at <= now)
        taken = list(connection.execute(update(forges).where(*due).values(due_at=until).returning(_F.host)).scalars())
        return [_by_host(connection, taken)[host] for host in sorted(taken)]

    @write_transaction
    def save(self, connection: Connection, forge: StoredForge) -> None:
        """Store the result of a detection, unless an editor has stated or withdrawn the kind meanwhile."""
        locked = select(forges).where(_F.host == forge.host).with_for_update()
        meanwhile = next(map(_forge, connection.execute(locked)), None)
        row = _row(forge)
        if meanwhile is not None and KnownBy.EDITOR in (meanwhile.known_by, forge.known_by):
            row |= {name: _row(meanwhile)[name] for name in ("kind", "known_by", "known_at")}
        upsert(connection, forges, [row])
        known = None if meanwhile is None else meanwhile.kind
        if row["kind"] is not known and forge.known_at is not None:
            _mark(connection, [forge.host], forge.known_at)

    @read_transaction
    def unparsed(self, connection: Connection, hosts: Collection[str]) -> dict[str, str]:
        """Return the marks of those of ``hosts`` whose addresses are not parsed by their new kind yet, by host.

        A mark is stored with the kind, so the death of a process between the two loses nothing.
        """
        rows = connection.execute(select(_C.name, _C.message).where(_C.name.in_([_UNPARSED + one for one in hosts])))
        return {row.name.removeprefix(_UNPARSED): row.message for row in rows}

    def claim_unparsed(self, now: datetime, until: datetime) -> list[str]:
        """Return hosts whose addresses have not been parsed for an hour, reserved until ``until``. Usually none.

        The process that stored the kind parses them at once; only its death or an error leaves them to others.
        """
        due = _C.name.startswith(_UNPARSED, autoescape=True), _C.due_at <= now
        if not self._transactions.read(lambda connection: connection.execute(select(_C.name).where(*due)).all()):
            return []
        taken = update(checkpoints).where(*due).values(due_at=until).returning(_C.name)
        names = self._transactions.write(lambda connection: list(connection.execute(taken).scalars()))
        return sorted(name.removeprefix(_UNPARSED) for name in names)

    @write_transaction
    def parsed(self, connection: Connection, found: Mapping[str, str]) -> None:
        """Remove the marks ``found``. The mark of a kind that was stored since then stays."""
        for host, mark in found.items():
            connection.execute(delete(checkpoints).where(_C.name == _UNPARSED + host, _C.message == mark))


def _mark(connection: Connection, hosts: Iterable[str], now: datetime) -> None:
    for host in hosts:
        again = now + FIRST_PAUSE
        marks.save(connection, Checkpoint(_UNPARSED + host, observed_at=now, due_at=again, message=uuid4().hex))


def _state(connection: Connection, kinds: Mapping[str, ForgeKind | None], now: datetime) -> list[str]:
    one_at_a_time(connection, IMPORTING)
    known = _by_host(connection, kinds.keys())
    new = [
        stated(known.get(host, StoredForge(host)), kind, now)
        for host, kind in sorted(kinds.items())
        if not is_stated(known.get(host, StoredForge(host)), kind)
    ]
    upsert(connection, forges, [_row(one) for one in new])
    _mark(connection, [one.host for one in new], now)
    return [one.host for one in new]


def add_hosts(connection: Connection, hosts: Collection[str]) -> None:
    """Add the hosts that are not stored yet. The caller holds the import lock."""
    new = set(hosts) - _by_host(connection, hosts).keys()
    upsert(connection, forges, [_row(StoredForge(host)) for host in sorted(new)])


def _by_host(connection: Connection, hosts: Collection[str]) -> dict[str, StoredForge]:
    rows = connection.execute(select(forges).where(_F.host.in_(list(hosts))))
    return {row.host: _forge(row) for row in rows}


def _forge(row: Row[Any]) -> StoredForge:
    return StoredForge(
        host=row.host,
        kind=None if row.kind is None else ForgeKind(row.kind),
        known_by=None if row.known_by is None else KnownBy(row.known_by),
        known_at=row.known_at,
        due_at=row.due_at,
        failures=row.failures,
        message=row.message,
    )


def _row(forge: StoredForge) -> dict[str, Any]:
    return {
        "host": forge.host,
        "kind": forge.kind,
        "known_by": forge.known_by,
        "known_at": forge.known_at,
        "due_at": forge.due_at,
        "failures": forge.failures,
        "message": plain(forge.message),
    }
