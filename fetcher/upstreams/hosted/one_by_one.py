"""Facts of forges that serve one repository a request: by the stored id first, by the address if that is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from fetcher.domain.model import Purpose, Target
from fetcher.domain.outcome import Gone, Malformed, Outcome
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Request
from fetcher.upstreams.hosted.base import ForgeFacts

CONCURRENCY = 4
"""Concurrent requests of one process for the facts of one host. The ledger may allow fewer."""

ReadFacts = Callable[[Answer], Outcome[ForgeFacts]]


async def facts_of_each(
    targets: Sequence[Target], facts: Callable[[Target], Awaitable[Outcome[ForgeFacts]]]
) -> Mapping[int, Outcome[ForgeFacts]]:
    """Return the outcome of ``facts`` for each target by package id, a few at a time."""
    turns = asyncio.Semaphore(CONCURRENCY)

    async def one(target: Target) -> Outcome[ForgeFacts]:
        async with turns:
            return await facts(target)

    outcomes = await asyncio.gather(*(one(target) for target in targets))
    return {target.package_id: outcome for target, outcome in zip(targets, outcomes, strict=True)}


async def by_id_or_path(
    gateway: Gateway, purpose: Purpose, read: ReadFacts, *, by_id: Request | None, by_path: Request | None
) -> Outcome[ForgeFacts]:
    """Request a repository by id. If that is unknown or gone, request it by its address.

    The address of a deleted repository may lead to another one, which the caller finds by the id in its facts.
    """
    outcome: Outcome[ForgeFacts] | None = None
    if by_id is not None:
        outcome = await gateway.send(by_id, purpose, read)
    if by_path is not None and (outcome is None or isinstance(outcome, Gone)):
        outcome = await gateway.send(by_path, purpose, read, continuation=outcome is not None)
    return outcome or Malformed("the package has no repository address")
