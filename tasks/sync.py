"""Celery task that keeps the catalogue equal to ``FETCHER_SYNC_SOURCE``."""

from __future__ import annotations

from dataclasses import asdict

import structlog
from celery import shared_task

from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.errors import FetcherError
from fetcher.ports import Checkpoint
from fetcher.sync.decisions import MAX_LOSS
from fetcher.sync.reading import synchronize
from fetcher.wiring import Parts, synchronization, user_agent
from tasks.maintenance import SERIALS_LIMIT
from tasks.process import FetcherTask

log = structlog.get_logger(__name__)

SYNCED = "sync"
"""Name of the checkpoint with the time and the result of the last synchronization."""


@shared_task(
    bind=True, base=FetcherTask, name="fetcher.sync", soft_time_limit=SERIALS_LIMIT, time_limit=SERIALS_LIMIT + 30
)
def sync(self: FetcherTask) -> None:
    """Synchronize with the source if one is set and ``FETCHER_SYNC_INTERVAL`` has passed."""
    self.run_async(_sync)


async def _sync(parts: Parts) -> None:
    source, now = parts.settings.sync_source, parts.clock.now()
    last = parts.store.checkpoints.get(SYNCED).observed_at
    if source is None or (last is not None and last + parts.settings.sync_interval > now):
        return
    parts.store.checkpoints.save(Checkpoint(SYNCED, observed_at=now, message="begun"))
    try:
        result = await synchronize(
            synchronization(parts.store, source, parts.clock, MAX_LOSS), user_agent(parts.settings)
        )
    except FetcherError as error:
        log.error("sync failed", reason=str(error))
        parts.store.checkpoints.save(Checkpoint(SYNCED, observed_at=now, outcome="failed", message=str(error)))
        return
    found = asdict(result)
    (log.error if result.refused else log.info)("sync", **{name: found[name] for name in found if name != "source"})
    message = result.in_words() + (f"; nothing was retired: {result.refused}" if result.refused else "")
    outcome = "refused" if result.refused else "done"
    parts.store.checkpoints.save(Checkpoint(SYNCED, observed_at=now, outcome=outcome, message=message))
    if result.retired or result.revived:
        parts.store.audit.append([AuditEntry(parts.clock.now(), "beat", Action.SYNC, detail=result.in_words())])
