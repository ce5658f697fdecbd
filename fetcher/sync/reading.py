"""Reading of a source in parts: a file, a folder, or another directory's API."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from fetcher.catalogue.intake import Item, read_path
from fetcher.sync.pages import pages
from fetcher.sync.service import Synchronization, SyncResult

PART = 1000
"""Records that are imported at once."""


async def synchronize(work: Synchronization, user_agent: str) -> SyncResult:
    """Read the full source and finish. An ``InputError`` of the source ends it before anything is retired."""
    if work.source.startswith(("https://", "http://")):
        waiting: list[Item] = []
        async for page in pages(work.source, user_agent):
            waiting += page
            if len(waiting) >= PART:
                work.take(waiting)
                waiting = []
        work.take(waiting)
    else:
        items = read_path(Path(work.source), lambda _amount: None)
        while part := list(islice(items, PART)):
            work.take(part)
    return work.finish()
