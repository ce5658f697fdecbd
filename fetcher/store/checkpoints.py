"""Checkpoints: the state of work that concerns the full catalogue, by name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from fetcher.domain.model import Validators
from fetcher.ports import Checkpoint
from fetcher.store.dialects import EXCHANGING, one_at_a_time, upsert
from fetcher.store.engine import Aggregate, read_transaction, write_transaction
from fetcher.store.schema import checkpoints

CATALOGUE = "catalogue"
"""Name of the checkpoint with the time of the last edit of the catalogue."""


class Checkpoints(Aggregate):
    """All checkpoints."""

    @read_transaction
    def get(self, connection: Connection, name: str) -> Checkpoint:
        """Return the checkpoint of that name; an empty one if none was saved."""
        return load(connection, name)

    @write_transaction
    def save(self, connection: Connection, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of that name."""
        save(connection, checkpoint)

    @write_transaction
    def exchange(self, connection: Connection, before: Checkpoint, after: Checkpoint) -> bool:
        """Replace ``before``, as it was read, by ``after``; return whether no other process had changed it."""
        one_at_a_time(connection, EXCHANGING)  # a row that is not there cannot be locked
        connection.execute(select(checkpoints.c.name).where(checkpoints.c.name == before.name).with_for_update())
        if load(connection, before.name) != before:
            return False
        save(connection, after)
        return True


def load(connection: Connection, name: str) -> Checkpoint:
    """Return the marker of that name; an empty one if none was saved."""
    row = connection.execute(select(checkpoints).where(checkpoints.c.name == name)).one_or_none()
    if row is None:
        return Checkpoint(name)
    validators = Validators(row.etag, row.last_modified, row.credential)
    return Checkpoint(row.name, row.observed_at, row.due_at, validators, row.outcome, row.message)


def save(connection: Connection, checkpoint: Checkpoint) -> None:
    row = {
        "name": checkpoint.name,
        "observed_at": checkpoint.observed_at,
        "due_at": checkpoint.due_at,
        "etag": checkpoint.validators.etag,
        "last_modified": checkpoint.validators.last_modified,
        "credential": checkpoint.validators.credential,
        "outcome": checkpoint.outcome,
        "message": checkpoint.message,
    }
    upsert(connection, checkpoints, [row])


def note_edit(connection: Connection, now: datetime) -> None:
    """Record the time of an edit, which makes cached documents out of date."""
    save(connection, Checkpoint(CATALOGUE, observed_at=now))
