"""Maintenance, as tasks."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from fetcher.wiring import Parts
from tasks import process as running


@shared_task(name="fetcher.expire")
def expire() -> None:
    """Take back what dead workers held."""

    async def work(parts: Parts) -> None:
        parts.store.expire_leases(parts.clock.now())

    running.process.run(work)


@shared_task(name="fetcher.prune")
def prune() -> None:
    """Drop history that is older than is kept."""

    async def work(parts: Parts) -> None:
        parts.store.prune(parts.clock.now() - timedelta(days=parts.settings.history_days))

    running.process.run(work)


@shared_task(name="fetcher.serials")
def serials() -> None:
    """In large catalogues, ask the index's root which projects have changed."""

    async def work(parts: Parts) -> None:
        await parts.serials.check()

    running.process.run(work)
