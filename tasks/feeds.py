"""Celery task that polls the upstreams' feeds of changes."""

from __future__ import annotations

from celery import shared_task

from fetcher.wiring import Parts
from tasks.app import MAINTENANCE
from tasks.process import FetcherTask
from tasks.refresh import PLAN_EXPIRES, plan


@shared_task(bind=True, base=FetcherTask, name="fetcher.feed")
def feed(self: FetcherTask) -> None:
    """Poll the feeds that are due, make the packages that they name due, and start a plan for these."""

    async def work(parts: Parts) -> bool:
        return await parts.read_feeds()

    if self.run_async(work):
        plan.apply_async(queue=MAINTENANCE, expires=PLAN_EXPIRES)
