"""Celery tasks that refresh packages. They take JSON ids and are safe to run twice, because a record ends its lease."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

import structlog
from celery import shared_task

from fetcher.domain.model import Claim, Purpose, Source
from fetcher.http.deadline import deadline
from fetcher.ports import PLANNED, Checkpoint
from fetcher.refresh.requests import ManualRefreshes
from fetcher.wiring import Parts
from tasks.app import BACKGROUND, MAINTENANCE
from tasks.process import FetcherTask
from tasks.webhooks import AnnouncingTask

log = structlog.get_logger(__name__)

BATCH_TIME = timedelta(seconds=10)
"""Longest time in which a batch sends new requests; it usually takes a second or two. Sources not requested by then are
given back. The batch then ends within this time and one request more, within a stopping worker's grace period."""

PLAN_EXPIRES = 60
"""Seconds after which the message of a further plan expires. Beat sends one each minute."""

SHOWN = 10
"""Package ids shown of a claim in ``argsrepr``."""


class ClaimMessage(TypedDict):
    """A claim in JSON's types: ids and names only."""

    lease: str
    sources: list[str]
    package_ids: list[int]
    until: str


def message_of(claim: Claim) -> ClaimMessage:
    """Convert ``claim`` to JSON's types."""
    return {
        "lease": claim.lease,
        "sources": [str(source) for source in claim.sources],
        "package_ids": list(claim.package_ids),
        "until": claim.until.isoformat(),
    }


def claim_of(message: ClaimMessage) -> Claim:
    """Convert ``message`` back to its claim."""
    return Claim(
        message["lease"],
        tuple(Source(name) for name in message["sources"]),
        tuple(message["package_ids"]),
        datetime.fromisoformat(message["until"]),
    )


def description_of(claim: Claim) -> str:
    """Describe ``claim`` for task monitors; a long list of ids is shortened."""
    ids = ", ".join(map(str, claim.package_ids[:SHOWN]))
    more = f" and {len(claim.package_ids) - SHOWN} more" if len(claim.package_ids) > SHOWN else ""
    return f"{'+'.join(claim.sources)} of packages {ids}{more}"


@shared_task(bind=True, base=FetcherTask, name="fetcher.plan")
def plan(self: FetcherTask) -> None:
    """Claim due packages and enqueue them. The claim is committed first: a lost message is recovered by its lease."""

    async def work(parts: Parts) -> list[Claim]:
        pause = parts.pause(Purpose.BACKGROUND)
        await parts.place_sweeps()
        claims = await parts.dispatcher.claims() if pause is None else []
        if pause is not None:
            log.info("paused", scope=str(pause.scope), reason=pause.reason, by=pause.actor)
        if claims:
            log.info("plan", batches=len(claims), packages=sum(len(claim.package_ids) for claim in claims))
        parts.store.checkpoints.save(Checkpoint(PLANNED, observed_at=parts.clock.now()))
        return claims

    for claim in self.run_async(work):
        refresh_batch.apply_async(  # type: ignore[call-arg]  # celery's types do not know argsrepr
            (message_of(claim),), queue=BACKGROUND, expires=claim.until, argsrepr=description_of(claim)
        )


@shared_task(bind=True, base=AnnouncingTask, name="fetcher.refresh_batch")
def refresh_batch(self: FetcherTask, claim: ClaimMessage) -> None:
    """Refresh a claimed batch; sources without quota are given back to the store, and all of them during a pause.

    The last batch of a plan's statistics starts the next plan if heads have moved.
    """

    async def work(parts: Parts) -> bool:
        claimed = claim_of(claim)
        if parts.pause(Purpose.BACKGROUND) is not None:
            parts.service.give_back(claimed)
            return False
        with deadline(parts.clock.now() + BATCH_TIME):
            await parts.service.refresh(claimed, Purpose.BACKGROUND)
        return parts.dispatcher.is_to_be_followed(claimed)

    if self.run_async(work):
        plan.apply_async(queue=MAINTENANCE, expires=PLAN_EXPIRES)


@shared_task(bind=True, base=AnnouncingTask, name="fetcher.refresh_packages")
def refresh_packages(
    self: FetcherTask, package_ids: Sequence[int], sources: Sequence[str], purpose: str, upstream: str | None = None
) -> None:
    """Refresh packages named by a user; sent by ``tasks.requests``."""

    async def work(parts: Parts) -> None:
        if parts.pause(Purpose(purpose)) is not None:
            log.info("paused", packages=len(package_ids), purpose=purpose)
            return
        wanted = [Source(name) for name in sources]
        await parts.service.refresh_packages(package_ids, wanted, Purpose(purpose), upstream)

    self.run_async(work)


@shared_task(bind=True, base=AnnouncingTask, name="fetcher.refresh_requests")
def refresh_requests(self: FetcherTask, request_ids: Sequence[str]) -> None:
    """Carry out users' refresh requests; sent by ``tasks.requests``."""

    async def work(parts: Parts) -> None:
        requests = ManualRefreshes(
            parts.store.requests, parts.store.packages, parts.service, parts.clock, parts.settings.time_zone
        )
        pause = parts.pause(Purpose.MANUAL)
        if pause is None:
            await requests.carry_out(request_ids)
        else:
            requests.refuse(request_ids, pause.in_words(parts.clock.now()))

    self.run_async(work)
