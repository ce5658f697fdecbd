"""The product's Celery application in a process that dies at one exact point: ``celery -A tests.chaos.harness.doomed``.

Nothing of the product knows of it: Celery tells when a message is about to be sent, SQLAlchemy when a transaction is
about to be committed. ``CHAOS_DIES`` names the point; the whole worker dies there, as if the power failed.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from typing import Any

from celery.signals import before_task_publish
from sqlalchemy import Connection, Engine, event

from tasks import app

__all__ = ["Point", "app"]


class Point(StrEnum):
    ENQUEUE = "between commit and enqueue"
    COMMIT = "between answer and commit"


_ANSWERS = "answered_at"
"""The column that only the record of answers writes."""


def _die() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _before_publish(sender: str, **_: Any) -> None:
    if sender == "fetcher.refresh_batch":
        _die()


def _mark(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    if statement.startswith("UPDATE source_states") and f"{_ANSWERS}=" in statement:
        connection.info[_ANSWERS] = True


def _before_commit(connection: Connection) -> None:
    if connection.info.pop(_ANSWERS, False):
        _die()


match os.environ.get("CHAOS_DIES"):
    case Point.ENQUEUE:
        before_task_publish.connect(_before_publish)
    case Point.COMMIT:
        event.listen(Engine, "before_cursor_execute", _mark)
        event.listen(Engine, "commit", _before_commit)
