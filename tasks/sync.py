"""Celery task that keeps the catalogue equal to ``FETCHER_SYNC_SOURCE``."""

from __future__ import annotations

from dataclasses import asdict

import structlog
from celery import shared_task

from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.errors import FetcherError
from fetcher.domain.sync_report import SyncOutcome
from fetcher.sync.decisions import MAX_LOSS
from fetcher.sync.reading import synchronize
from fetcher.sync.schedule import schedule_of
from fetcher.wiring import Parts, synchronization, user_agent
from tasks.maintenance import SERIALS_LIMIT
from tasks.process import FetcherTask

log = structlog.get_logger(__name__)


@shared_task(
    bind=True, base=FetcherTask, name="fetcher.sync", soft_time_limit=SERIALS_LIMIT, time_limit=SERIALS_LIMIT + 30
)
def sync(self: FetcherTask) -> None:
    """Synchronize with the source if one is set and ``FETCHER_SYNC_INTERVAL`` has passed."""
    self.run_async(read_when_due)


async def read_when_due(parts: Parts) -> None:
    """Read the source if it is due, and record the result."""
    schedule, now = schedule_of(parts.settings, parts.store.checkpoints), parts.clock.now()
    if schedule is None or not schedule.begin(now):
        return
    work = synchronization(parts.store, schedule.source, parts.clock, MAX_LOSS)
    try:
        result = await synchronize(work, user_agent(parts.settings))
    except FetcherError as error:
        log.error("sync failed", reason=str(error))
        schedule.end(now, SyncOutcome.FAILED, str(error))
        return
    found = asdict(result)
    (log.error if result.refused else log.info)("sync", **{name: found[name] for name in found if name != "source"})
    outcome = SyncOutcome.REFUSED if result.refused else SyncOutcome.DONE
    refusal = f"; nothing was retired: {result.refused}" if result.refused else ""
    schedule.end(now, outcome, f"{result.in_words()}{refusal}")
    if result.retired or result.revived:
        parts.store.audit.append([AuditEntry(parts.clock.now(), "beat", Action.SYNC, detail=result.in_words())])
