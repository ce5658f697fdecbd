"""The store on a SQL database: its parts over one engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from sqlalchemy import Engine

from fetcher.store.audit import Audit
from fetcher.store.changes.feed import Changes
from fetcher.store.checkpoints import Checkpoints
from fetcher.store.claims import Claims
from fetcher.store.engine import Transactions
from fetcher.store.events import Events
from fetcher.store.forges import ForgeRules, Forges
from fetcher.store.history import History
from fetcher.store.importing.entries import ReadProject, ReadRepo, Serving
from fetcher.store.index_serials import IndexSerials
from fetcher.store.packages import Packages
from fetcher.store.pauses import Pauses
from fetcher.store.refresh_requests import RefreshRequests
from fetcher.store.sites import Sites
from fetcher.store.statistics.partitions import PARTITION_SIZE, Statistics
from fetcher.store.sweeps import Sweeps
from fetcher.store.syncing import SyncedPackages
from fetcher.store.webhooks import Webhooks


class SqlStore:
    """Store over SQLAlchemy. Threads may share one; each process makes its own, with its own engine.

    Methods of the parts are one transaction each, unless their docstring says otherwise. Every database error is
    raised as ``StoreError``. As a context manager, the store closes its connections at the end.

    ``read_repo`` and ``read_project`` parse editors' addresses, and ``serving`` names a source's upstream. ``rules``
    are decisions about the hosts of repositories. ``pause`` waits between the attempts of a transaction, in seconds.
    Statistics are measured ``partition_size`` packages at a time.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        read_repo: ReadRepo,
        read_project: ReadProject,
        serving: Serving,
        rules: ForgeRules | None = None,
        pause: Callable[[float], None] = time.sleep,
        partition_size: int = PARTITION_SIZE,
    ) -> None:
        self.engine = engine
        transactions = Transactions(engine, pause)
        self.forges = Forges(transactions)
        self.packages = Packages(transactions, read_repo, read_project, serving, self.forges, rules or ForgeRules())
        self.claims = Claims(transactions)
        self.requests = RefreshRequests(transactions)
        self.index_serials = IndexSerials(transactions)
        self.history = History(transactions)
        self.events = Events(transactions)
        self.statistics = Statistics(transactions, partition_size)
        self.checkpoints = Checkpoints(transactions)
        self.sweeps = Sweeps(transactions)
        self.pauses = Pauses(transactions)
        self.audit = Audit(transactions)
        self.changes = Changes(transactions)
        self.webhooks = Webhooks(transactions)
        self.synced = SyncedPackages(transactions, serving)
        self.sites = Sites(transactions, serving)

    def close(self) -> None:
        """Close every connection to the database."""
        self.engine.dispose()

    def __enter__(self) -> SqlStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
