"""Celery task for a directory's own database."""

from __future__ import annotations

import structlog
from celery import shared_task

from fetcher.wiring import Parts
from tasks.process import FetcherTask

log = structlog.get_logger(__name__)


@shared_task(bind=True, base=FetcherTask, name="fetcher.site")
def site(self: FetcherTask) -> None:
    """Read the site's catalogue and write what differs. Without FETCHER_SITE_URL, or paused: do nothing."""

    async def work(parts: Parts) -> None:
        passing = parts.site_passes()
        if passing is None:
            return
        done = passing.run(parts.clock.now())
        if done.fault is not None:
            log.error("site not synchronized", reason=done.fault, since=done.failing_since)
        elif done.dirty or done.added or done.edited or done.retired:
            log.info(
                "site synchronized",
                packages=done.packages,
                written=done.written,
                last_fetched_alone=done.touched,
                locked=done.locked,
                refused=done.refused,
                skipped=done.skipped,
            )

    self.run_async(work)
