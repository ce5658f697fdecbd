"""The sender: makes deliveries of new changes and sends what is due, until nothing is left or its time is over.

While one endpoint's receiver is slow, the sender goes on with the others and with new changes. Failing endpoints have
one attempt at a time each, and a bounded share of all of them together, so they cannot take the places of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Protocol

import structlog

from fetcher.domain.webhooks import Attempt, Delivery, DeliveryState, Endpoint, Verdict, judge, signature_headers
from fetcher.ports import Clock

log = structlog.get_logger(__name__)

PARALLEL = 4
"""Concurrent attempts to one endpoint that works."""
FAILING_PARALLEL = 8
"""Concurrent attempts to all failing endpoints together, of the client's twenty."""

LOOK_EVERY = 0.5
"""Seconds between two looks for new changes and due deliveries while attempts are in progress."""


class Outbox(Protocol):
    """Stored endpoints and deliveries: ``fetcher.store.webhooks.Webhooks``."""

    def fan_out(self, now: datetime) -> int: ...

    def due_endpoints(self, now: datetime) -> list[Endpoint]: ...

    def claim(self, endpoint_id: str, limit: int, now: datetime) -> list[Delivery]: ...

    def record(self, delivery: Delivery, attempt: Attempt, verdict: Verdict, now: datetime) -> None: ...

    def has_work(self, now: datetime) -> bool: ...


class Client(Protocol):
    """The HTTP client: ``fetcher.webhooks.client.WebhookClient``."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], now: datetime) -> Attempt: ...


@dataclass(slots=True)
class Sender:
    """A sender of due deliveries. ``number`` gives positions to committed changes; ``observe`` counts results."""

    outbox: Outbox
    client: Client
    clock: Clock
    number: Callable[[datetime], int]
    observe: Callable[[str], None] = lambda result: None
    rng: Random = field(default_factory=Random)
    look_every: float = LOOK_EVERY
    _active: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self, seconds: float) -> bool:
        """Send until nothing is due, beginning no attempt after ``seconds``. Return whether work is left."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            while loop.time() < end:
                now = self.clock.now()
                self.number(now)
                self.outbox.fan_out(now)
                self._begin(self.outbox.due_endpoints(now), now)
                if not self._active:
                    break
                await self._any_done()
            while self._active:
                await self._any_done()
        finally:
            for task in self._active.values():
                task.cancel()
        return self.outbox.has_work(self.clock.now())

    def _begin(self, endpoints: Sequence[Endpoint], now: datetime) -> None:
        """Begin attempts to each endpoint that has none in progress."""
        failing = sum(1 for name in self._active if name.startswith(_FAILING))
        for one in endpoints:
            if one.id in self._active or _FAILING + one.id in self._active:
                continue
            if one.failing_since is None:
                self._start(one.id, one, self.outbox.claim(one.id, PARALLEL, now))
            elif failing < FAILING_PARALLEL:
                failing += 1
                self._start(_FAILING + one.id, one, self.outbox.claim(one.id, 1, now))

    def _start(self, name: str, endpoint: Endpoint, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            self._active[name] = asyncio.create_task(self._send_all(endpoint, deliveries))

    async def _any_done(self) -> None:
        """Wait until an endpoint's attempts have ended, or for the next look."""
        await asyncio.wait(self._active.values(), timeout=self.look_every, return_when=asyncio.FIRST_COMPLETED)
        for name in [name for name, task in self._active.items() if task.done()]:
            self._active.pop(name).result()

    async def _send_all(self, endpoint: Endpoint, deliveries: Sequence[Delivery]) -> None:
        await asyncio.gather(*(self._send(endpoint, one) for one in deliveries))

    async def _send(self, endpoint: Endpoint, delivery: Delivery) -> None:
        attempt = await attempt_at(self.client, endpoint, delivery, self.clock.now())
        now = self.clock.now()
        verdict = judge(delivery, attempt, now, self.rng)
        self.outbox.record(delivery, attempt, verdict, now)
        self.observe(_result(verdict, attempt))
        if verdict.disabled is not None:
            log.error("webhook disabled", endpoint=endpoint.id, host=endpoint.host, reason=verdict.disabled)
        elif verdict.state is not DeliveryState.DELIVERED:
            log.warning(
                "webhook not delivered",
                endpoint=endpoint.id,
                host=endpoint.host,
                message=delivery.id,
                status=attempt.status,
                reason=attempt.message,
                attempts=delivery.attempts + 1,
            )


_FAILING = "failing:"


async def attempt_at(client: Client, endpoint: Endpoint, delivery: Delivery, now: datetime) -> Attempt:
    """Send a delivery once, signed at ``now``."""
    body = delivery.body.encode()
    headers = signature_headers(delivery.id, body, endpoint.secrets(now), now)
    return await client.post(endpoint.url, body, headers, now)


def _result(verdict: Verdict, attempt: Attempt) -> str:
    """Return the label of a result for metrics."""
    if verdict.state is DeliveryState.DELIVERED:
        return "delivered"
    if verdict.disabled is not None:
        return "disabled"
    return "retried" if attempt.status is not None else "unreachable"
