"""The synchronization of the catalogue with a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fetcher.ports import Clock

if TYPE_CHECKING:
    from fetcher.store import SqlStore
    from fetcher.sync.service import Synchronization


def synchronization(store: SqlStore, source: str, clock: Clock, max_loss: float) -> Synchronization:
    """Return a synchronization with a source that has not begun."""
    from fetcher.sync.service import Synchronization  # noqa: PLC0415

    return Synchronization(source, store.packages, store.synced, clock, max_loss)
