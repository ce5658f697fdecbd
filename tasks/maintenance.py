"""Celery tasks for maintenance."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task

from fetcher.upstreams.github.auth import Anonymous
from fetcher.wiring import Parts
from tasks.process import FetcherTask
from tasks.requests import send_requests

log = structlog.get_logger(__name__)

TIMELINE_KEPT, EVENTS_KEPT = timedelta(days=90), 50
"""Retention of the timeline's events: their age, and their number per package."""

REQUESTS_KEPT = timedelta(days=7)

SERIALS_LIMIT = 540
"""Seconds for ``fetcher.serials``. Comparing a million projects with the index's root takes two minutes. The limit must
stay below the ten minutes after which Redis redelivers a message (``tasks.app.VISIBILITY``)."""


@shared_task(bind=True, base=FetcherTask, name="fetcher.expire")
def expire(self: FetcherTask) -> None:
    """Release leases of lost workers, and send users' refresh requests again that no worker has taken."""

    async def work(parts: Parts) -> list[str]:
        now = parts.clock.now()
        expired = parts.store.expire_leases(now)
        self.recorder.leases_expired(expired)
        if expired:
            log.warning("leases expired", sources=expired, reason="a worker was lost, or a batch outlasted its lease")
        return parts.store.lost_requests(now)

    send_requests(self.run_async(work))


@shared_task(bind=True, base=FetcherTask, name="fetcher.measure")
def measure(self: FetcherTask) -> None:
    """Measure the next slices of a large catalogue, so that its statistics are at most minutes old."""

    async def work(parts: Parts) -> None:
        parts.store.measure(parts.clock.now(), parts.settings.refresh_interval)

    self.run_async(work)


@shared_task(bind=True, base=FetcherTask, name="fetcher.prune")
def prune(self: FetcherTask) -> None:
    """Delete expired history, events and refresh requests."""

    async def work(parts: Parts) -> None:
        now = parts.clock.now()
        parts.store.prune(now - timedelta(days=parts.settings.history_days))
        parts.store.prune_events(now - TIMELINE_KEPT, EVENTS_KEPT)
        parts.store.prune_requests(now - REQUESTS_KEPT)

    self.run_async(work)


@shared_task(bind=True, base=FetcherTask, name="fetcher.verify")
def verify(self: FetcherTask) -> None:
    """Compare a sample of packages with GitHub's participation, when a check is due."""

    async def work(parts: Parts) -> None:
        if not isinstance(parts.credential, Anonymous):
            await parts.merges.check_if_due(parts.settings.refresh_interval)

    self.run_async(work)


@shared_task(
    bind=True, base=FetcherTask, name="fetcher.serials", soft_time_limit=SERIALS_LIMIT, time_limit=SERIALS_LIMIT + 30
)
def serials(self: FetcherTask) -> None:
    """Request the index's root in large catalogues, to find changed projects."""

    async def work(parts: Parts) -> None:
        await parts.serials.check()

    self.run_async(work)
