"""Celery tasks of the change feed: numbering committed changes, and sending webhooks on a queue of their own.

A slow receiver therefore takes no worker process from the refreshes. The queue gets a message only if an enabled
endpoint has something to receive, and none while messages wait, so an installation without webhooks needs no consumer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from fetcher.broker import redis_client
from fetcher.domain.errors import FetcherError
from fetcher.settings import read_settings
from fetcher.wiring import Parts, webhook_sender
from tasks.app import WEBHOOKS
from tasks.process import FetcherTask

R = TypeVar("R")

log = structlog.get_logger(__name__)

SENDING_SECONDS = 60.0
"""Longest time in which a task begins attempts. One more attempt later it ends, well before its time limit."""

EXPIRES = 30.0
"""Seconds after which a waiting message expires. Beat sends another one while there is work."""

WAITING = 2
"""Waiting messages at which no further one is sent: the running task and the next one will do the work."""


@shared_task(bind=True, base=FetcherTask, name="fetcher.changes")
def changes(self: FetcherTask) -> None:
    """Give positions to the committed changes, and start the sender if webhooks are due."""

    async def work(parts: Parts) -> bool:
        now = parts.clock.now()
        parts.store.changes.number(now)
        return parts.store.webhooks.has_work(now)

    if self.run_async(work):
        ring()


@shared_task(bind=True, base=FetcherTask, name="fetcher.deliver")
def deliver(self: FetcherTask) -> None:
    """Send due webhooks. The database has the due times, so no task waits for a retry."""

    async def work(parts: Parts) -> bool:
        parts.store.changes.number(parts.clock.now())
        if not parts.store.webhooks.has_work(parts.clock.now()):
            return False
        async with webhook_sender(parts.settings, parts.store, parts.clock, self.recorder.webhook_sent) as sender:
            return await sender.run(SENDING_SECONDS)

    if self.run_async(work):
        ring()


class AnnouncingTask(FetcherTask):
    """A task that records changes, and starts the sender of webhooks after them."""

    def run_async(self, work: Callable[[Parts], Awaitable[R]]) -> R:
        """Run ``work``, then start the sender if an endpoint waits for the recorded changes."""
        result = super().run_async(work)
        try:
            if super().run_async(_has_news):
                ring()
        except FetcherError as error:
            log.warning("webhooks not announced", reason=str(error))  # beat's next tick does it
        return result


async def _has_news(parts: Parts) -> bool:
    return parts.store.webhooks.has_news()


def ring() -> None:
    """Send a message to the sender unless some are waiting. A lost one is made up for by beat's next tick."""
    try:
        client = redis_client(read_settings(), timeout=1)
        try:
            waiting: int = client.llen(WEBHOOKS)
        finally:
            client.close()
        if waiting < WAITING:
            deliver.apply_async(queue=WEBHOOKS, expires=EXPIRES, retry=False)
    except (RedisError, OSError, OperationalError, FetcherError) as error:
        log.warning("the sender of webhooks was not started", reason=str(error) or type(error).__name__)
