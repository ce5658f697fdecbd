"""The product's Celery application with a fault at one exact point.

``celery -A tests.chaos.injection.crash_points`` runs it; the product contains no code for it. Celery has a hook before
a message is sent, and SQLAlchemy has one before a transaction commits. ``CHAOS_CRASH_POINT`` names the point. The
worker with all its processes dies there, as in a power failure. At the two CUT points, the database terminates the
connection in every second transaction that records responses. The file ``CHAOS_MARKS`` counts these. At the two SITE
points, the worker dies around its first commit in a site's own database.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any

import psycopg
from celery.signals import before_task_publish
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from tasks import app

__all__ = ["CrashPoint", "app"]


class CrashPoint(StrEnum):
    ENQUEUE = "between commit and enqueue"
    COMMIT = "between answer and commit"
    CUT_BEFORE = "before COMMIT arrives"
    CUT_AFTER = "before COMMIT is confirmed"
    SITE_BEFORE = "between a site's journal and its commit"
    SITE_AFTER = "between a site's commit and all that follows"


_ANSWERS = "answered_at"
"""The column that is written only when responses are recorded."""
_SITE = "wrote to a site"
"""Marks a connection whose transaction wrote rows of a site's packages."""


def _die() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _before_publish(sender: str, **_: Any) -> None:
    if sender == "fetcher.refresh_batch":
        _die()


def _mark(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    if statement.startswith("UPDATE source_states") and f"{_ANSWERS}=" in statement:
        connection.info[_ANSWERS] = True


class _Cutting:
    """The driver's commit, with a connection that is terminated around every second record of responses."""

    def __init__(self, point: CrashPoint) -> None:
        self._point = point
        self._records, self._spares = False, False
        self._commit = PGDialect_psycopg.do_commit

    def install(self) -> None:
        event.listen(Engine, "before_cursor_execute", self._note)
        cutting = self

        def do_commit(dialect: PGDialect_psycopg, connection: Any) -> None:
            cutting.commit(dialect, connection)

        PGDialect_psycopg.do_commit = do_commit  # type: ignore[method-assign]

    def _note(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        _mark(connection, _cursor, statement)
        if connection.info.pop(_ANSWERS, False):
            self._records = True

    def commit(self, dialect: PGDialect_psycopg, connection: Any) -> None:
        cuts = self._records and not self._spares
        if self._records:
            self._records, self._spares = False, cuts
        if cuts and self._point is CrashPoint.CUT_AFTER:
            self._commit(dialect, connection)
        if cuts:
            self._cut(connection.driver_connection)
            connection.driver_connection.execute("SELECT 1")  # it fails here, because the connection is lost
        self._commit(dialect, connection)

    @staticmethod
    def _cut(connection: psycopg.Connection) -> None:
        with psycopg.connect(connection.info.dsn, autocommit=True) as rival:
            rival.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        with Path(os.environ["CHAOS_MARKS"]).open("a") as marks:
            marks.write("x")


class _DyingAtSite:
    """The driver's commit, at which the worker dies if its transaction wrote rows of a site's packages.

    Two threads write to a site. The lock admits only one commit, so that no other follows before the death.
    """

    def __init__(self, point: CrashPoint) -> None:
        self._point = point
        self._commit = PGDialect_psycopg.do_commit
        self._one_at_a_time = Lock()

    def install(self) -> None:
        event.listen(Engine, "before_cursor_execute", self._note)
        dying = self

        def do_commit(dialect: PGDialect_psycopg, connection: Any) -> None:
            dying.commit(dialect, connection)

        PGDialect_psycopg.do_commit = do_commit  # type: ignore[method-assign]

    def _note(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE package_package"):
            connection.info[_SITE] = True

    def commit(self, dialect: PGDialect_psycopg, connection: Any) -> None:
        with self._one_at_a_time:
            writes = connection.info.get(_SITE, False)
            if writes and self._point is CrashPoint.SITE_BEFORE:
                _die()
            self._commit(dialect, connection)
            if writes:
                _die()


def _before_commit(connection: Connection) -> None:
    if connection.info.pop(_ANSWERS, False):
        _die()


match os.environ.get("CHAOS_CRASH_POINT"):
    case CrashPoint.ENQUEUE:
        before_task_publish.connect(_before_publish)
    case CrashPoint.CUT_BEFORE | CrashPoint.CUT_AFTER as point:
        _Cutting(CrashPoint(point)).install()
    case CrashPoint.SITE_BEFORE | CrashPoint.SITE_AFTER as point:
        _DyingAtSite(CrashPoint(point)).install()
    case CrashPoint.COMMIT:
        event.listen(Engine, "before_cursor_execute", _mark)
        event.listen(Engine, "commit", _before_commit)
