"""The store: catalogue, fetched values, schedule and leases, in SQLite or PostgreSQL."""

from fetcher.store.engine import open_engine
from fetcher.store.migrations import current_revision, downgrade, is_current, upgrade
from fetcher.store.sql_store import SqlStore

__all__ = ["SqlStore", "open_engine", "upgrade", "downgrade", "is_current", "current_revision"]
