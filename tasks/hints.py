"""Celery task that turns webhooks' hints into due packages, and the message that starts it."""

from __future__ import annotations

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from fetcher.broker import redis_client, redis_unavailable
from fetcher.domain.hints import SPACING
from fetcher.domain.model import DueReason
from fetcher.hooks.inbox import Inbox
from fetcher.settings import read_settings
from fetcher.wiring import Parts
from tasks.app import MAINTENANCE, MANUAL
from tasks.process import FetcherTask
from tasks.refresh import PLAN_EXPIRES, plan

log = structlog.get_logger(__name__)

AT_ONCE = 500
"""Most hints that one task takes."""

EXPIRES = 60
"""Seconds after which a message expires. ``fetcher.expire`` sends another one while hints wait."""


@shared_task(bind=True, base=FetcherTask, name="fetcher.hints")
def hints(self: FetcherTask) -> None:
    """Make the packages that waiting hints name due, and start a plan. Unknown repositories are ignored."""

    async def work(parts: Parts) -> bool:
        client = redis_client(parts.settings)
        try:
            inbox = Inbox(client)
            changed = due_by_hints(parts, inbox)
            if inbox.waiting():
                take_hints()
            return changed > 0 and inbox.may_plan()
        finally:
            client.close()

    if self.run_async(work):
        plan.apply_async(queue=MAINTENANCE, expires=PLAN_EXPIRES)


def due_by_hints(parts: Parts, inbox: Inbox) -> int:
    """Make the packages of the next hints due; return the number of sources whose due time changed."""
    taken, now, changed = inbox.take(AT_ONCE), parts.clock.now(), 0
    known = parts.store.packages.of_repositories(taken) if taken else {}
    for hint, package_ids in known.items():
        changed += parts.store.claims.make_packages_due(package_ids, hint.sources, DueReason.HINT, now, SPACING)
    if taken:
        packages = sum(map(len, known.values()))
        log.info("hints", hints=len(taken), unknown=len(taken) - len(known), packages=packages, due=changed)
    return changed


def take_hints() -> None:
    """Enqueue the task, before background work; ``BrokerError`` if Redis is unavailable."""
    try:
        hints.apply_async(queue=MANUAL, retry=False, expires=EXPIRES)
    except OperationalError as error:
        raise redis_unavailable(error, read_settings()) from None


def take_left_hints() -> None:
    """Enqueue the task if hints wait for which no message is under way."""
    settings = read_settings()
    if not settings.receives_hooks:
        return
    client = redis_client(settings)
    try:
        waiting = Inbox(client).waiting()
    finally:
        client.close()
    if waiting:
        take_hints()
