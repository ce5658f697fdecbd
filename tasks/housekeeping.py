"""Maintenance, as tasks."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task

from fetcher.upstreams.github.auth import Anonymous
from fetcher.wiring import Parts
from tasks import process as running
from tasks.requests import send_requests

log = structlog.get_logger(__name__)

TIMELINE_KEPT, EVENTS_KEPT = timedelta(days=90), 50
"""How long turns are kept, and how many of one package."""

REQUESTS_KEPT = timedelta(days=7)

SERIALS_LIMIT = 540
"""Seconds: a million projects are held against the index's root in two minutes, and Redis hands a message out again
after ten (``tasks.app.VISIBILITY``)."""


@shared_task(name="fetcher.expire")
def expire() -> None:
    """Take back what dead workers held, and send what people asked for again where nobody took it."""

    async def work(parts: Parts) -> list[str]:
        now = parts.clock.now()
        expired = parts.store.expire_leases(now)
        running.process.tally.leases_expired(expired)
        if expired:
            log.warning("leases expired", sources=expired, reason="a worker was lost, or a batch outlasted its lease")
        return parts.store.lost_requests(now)

    send_requests(running.process.run(work))


@shared_task(name="fetcher.measure")
def measure() -> None:
    """Measure the next slices of a large catalogue, so that its figures are minutes old at most."""

    async def work(parts: Parts) -> None:
        parts.store.measure(parts.clock.now(), parts.settings.refresh_interval)

    running.process.run(work)


@shared_task(name="fetcher.prune")
def prune() -> None:
    """Drop history that is older than is kept, and of the timeline and the requests what nobody looks at again."""

    async def work(parts: Parts) -> None:
        now = parts.clock.now()
        parts.store.prune(now - timedelta(days=parts.settings.history_days))
        parts.store.prune_events(now - TIMELINE_KEPT, EVENTS_KEPT)
        parts.store.prune_requests(now - REQUESTS_KEPT)

    running.process.run(work)


@shared_task(name="fetcher.verify")
def verify() -> None:
    """Compare a sample of packages with GitHub's participation, when a check is due."""

    async def work(parts: Parts) -> None:
        if not isinstance(parts.credential, Anonymous):
            await parts.merges.check_if_due(parts.settings.refresh_interval)

    running.process.run(work)


@shared_task(name="fetcher.serials", soft_time_limit=SERIALS_LIMIT, time_limit=SERIALS_LIMIT + 30)
def serials() -> None:
    """In large catalogues, ask the index's root which projects have changed."""

    async def work(parts: Parts) -> None:
        await parts.serials.check()

    running.process.run(work)
