"""The store: catalogue, fetched values, schedule and leases, in SQLite or PostgreSQL."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fetcher.store.engine import open_engine
    from fetcher.store.migrations import current_revision, downgrade, is_current, require_current, upgrade
    from fetcher.store.sql_store import SqlStore

__all__ = ["SqlStore", "open_engine", "upgrade", "downgrade", "is_current", "require_current", "current_revision"]

_MODULES = {
    "SqlStore": "sql_store",
    "open_engine": "engine",
    "upgrade": "migrations",
    "downgrade": "migrations",
    "is_current": "migrations",
    "require_current": "migrations",
    "current_revision": "migrations",
}


def __getattr__(name: str) -> Any:
    """Import the module of a public name at its first use, because shell completion needs none of them."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
