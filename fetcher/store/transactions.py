"""Transactions: read or write, retried after transient errors, with database errors raised as ``StoreError``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from fetcher.store.db_errors import explain, may_pass, was_cut
from fetcher.store.engine import WRITING

T = TypeVar("T")

PAUSES = (0.05, 0.2, 0.8, 2.0)
"""Seconds between the attempts of a transaction that a conflict or a broken connection ended."""


class Transactions:
    """Transactions of one engine. All work given to ``write`` must be safe to run twice."""

    def __init__(self, engine: Engine, pause: Callable[[float], None]) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{WRITING: True})
        self._pause = pause

    def read(self, work: Callable[[Connection], T]) -> T:
        return self._run(self._engine, work)

    def write(self, work: Callable[[Connection], T]) -> T:
        return self._run(self._writing, work)

    def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        cut = False
        for pause in (*PAUSES, None):
            try:
                with engine.begin() as connection:
                    return work(connection)
            except SQLAlchemyError as error:
                cut = cut or was_cut(error)
                if pause is None or not may_pass(error, cut=cut):
                    raise explain(error, engine.url) from error
                self._pause(pause)
            except (OverflowError, UnicodeError) as error:
                raise explain(error, engine.url) from error
        raise AssertionError("the last attempt returns or raises")
