"""Celery tasks for maintenance."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task

from fetcher.wiring import Parts
from tasks.hints import take_left_hints
from tasks.process import FetcherTask
from tasks.requests import send_requests

log = structlog.get_logger(__name__)

TIMELINE_KEPT, EVENTS_KEPT = timedelta(days=90), 50
"""Retention of the timeline's events: their age, and their number per package."""

REQUESTS_KEPT = timedelta(days=7)

AUDIT_KEPT = timedelta(days=90)

DELIVERIES_KEPT = timedelta(days=14)
"""Retention of finished webhooks. A message is retried for 75 hours."""

SERIALS_LIMIT = 540
"""Seconds for ``fetcher.serials``. Comparing a million projects with the index's root takes two minutes. The limit must
stay below the ten minutes after which Redis redelivers a message (``tasks.app.VISIBILITY``)."""


@shared_task(bind=True, base=FetcherTask, name="fetcher.expire")
def expire(self: FetcherTask) -> None:
    """Release leases of lost workers, correct times of a wrong clock, and send again requests and hints not taken."""

    async def work(parts: Parts) -> list[str]:
        now = parts.clock.now()
        expired = parts.store.claims.expire(now)
        self.recorder.leases_expired(expired)
        if expired:
            log.warning("leases expired", sources=expired, reason="a worker was lost, or a batch outlasted its lease")
        names = [one.name for one in parts.upstreams.all]
        corrected = parts.store.claims.bring_back(names, now, parts.cadence, parts.settings.lease)
        if corrected:
            log.warning("times corrected", sources=corrected, reason="a clock was far ahead when they were stored")
        return parts.store.requests.lost(now)

    send_requests(self.run_async(work))
    take_left_hints()


@shared_task(bind=True, base=FetcherTask, name="fetcher.measure")
def measure(self: FetcherTask) -> None:
    """Measure the next partitions of a large catalogue, so that its statistics are at most minutes old."""

    async def work(parts: Parts) -> None:
        parts.store.statistics.measure(parts.clock.now(), parts.cadence.longest)

    self.run_async(work)


@shared_task(bind=True, base=FetcherTask, name="fetcher.sweeps")
def sweeps(self: FetcherTask) -> None:
    """Compute the intervals of statistics and heads from the quota and the catalogue."""

    async def work(parts: Parts) -> None:
        for plan in await parts.plan_sweeps():
            if plan.since == plan.computed_at:
                log.info(
                    "interval",
                    upstream=plan.upstream,
                    shortest=plan.sweep.shortest.total_seconds(),
                    longest=plan.sweep.longest.total_seconds(),
                    reason=plan.limited_by.value,
                )

    self.run_async(work)


@shared_task(bind=True, base=FetcherTask, name="fetcher.prune")
def prune(self: FetcherTask) -> None:
    """Delete expired history, events, refresh requests, audit entries, changes and webhooks."""

    async def work(parts: Parts) -> None:
        now = parts.clock.now()
        parts.store.history.prune(now - timedelta(days=parts.settings.history_days))
        parts.store.events.prune(now - TIMELINE_KEPT, EVENTS_KEPT)
        parts.store.requests.prune(now - REQUESTS_KEPT)
        parts.store.audit.prune(now - AUDIT_KEPT)
        parts.store.changes.number(now)
        parts.store.webhooks.prune(now - DELIVERIES_KEPT)
        parts.store.changes.prune(now - timedelta(days=parts.settings.changes_days))

    self.run_async(work)


@shared_task(bind=True, base=FetcherTask, name="fetcher.verify")
def verify(self: FetcherTask) -> None:
    """Compare a sample of stored values with the upstreams' own, where a comparison is due."""

    async def work(parts: Parts) -> None:
        await parts.verify()

    self.run_async(work)


@shared_task(
    bind=True, base=FetcherTask, name="fetcher.serials", soft_time_limit=SERIALS_LIMIT, time_limit=SERIALS_LIMIT + 30
)
def serials(self: FetcherTask) -> None:
    """Find changed packages of a large catalogue in the upstreams' lists of changes, such as an index's root."""

    async def work(parts: Parts) -> None:
        await parts.find_changes()

    self.run_async(work)
