"""The gateway for upstream requests within the quota: reserve, send, parse, settle.

Every outgoing request of a refresh goes through this class.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urljoin

from fetcher.domain.model import Purpose
from fetcher.domain.outcome import (
    Deferred,
    Malformed,
    Moved,
    NonValue,
    Throttled,
    Unauthorized,
    non_value,
    with_request_id,
)
from fetcher.http.circuit_breaker import CircuitBreaker
from fetcher.http.deadline import has_passed
from fetcher.http.latency import LatencyEstimate
from fetcher.http.messages import (
    NO_META,
    Answer,
    Fault,
    NoAnswer,
    Request,
    Response,
    ResponseMeta,
    origin,
)
from fetcher.ports import NULL_OBSERVER, Clock, Observer, Transport
from fetcher.quota import Pause, PauseCause, Quota, QuotaRequest, Reservation, Usage

R = TypeVar("R")

MAX_REDIRECTS = 3
"""Redirects followed for one request. Each is a request of its own and reserved as such."""

SHORT_WAIT = timedelta(seconds=3)
"""Longest wait for an in-flight slot. Manual and continuation requests may wait this long for quota as well. Longer
waits are deferred to the store."""

REJECTED_PAUSE = timedelta(minutes=10)
"""Pause of an identity after its credential was rejected."""

_CONDITIONS = ("if-none-match", "if-modified-since")
"""Headers of which a conditional request has at least one."""

_NEVER_SENT = (Fault.UNREACHABLE, Fault.FORBIDDEN_HOST, Fault.NO_CREDENTIAL)
_CIRCUIT_OPEN = NoAnswer(Fault.TIMED_OUT, "not requested: this route has just timed out")

ReadMeta = Callable[[Response], ResponseMeta]


class Gateway:
    """A client that sends requests within the quota.

    ``max_wait`` is the longest wait for quota: zero in a task, longer where a user is waiting. A request that would
    wait longer is ``Deferred``. A manual request may always wait ``SHORT_WAIT``. So may the ``continuation`` of a
    response, because its first part would otherwise be requested again. Any request may wait for an in-flight slot,
    which the next response frees. Background requests of a route whose circuit is open fail without being sent.
    """

    def __init__(  # noqa: PLR0913  (each collaborator by its name)
        self,
        transport: Transport,
        quota: Quota,
        clock: Clock,
        identities: Mapping[str, str],
        *,
        read_meta: Mapping[str, ReadMeta] | None = None,
        max_wait: timedelta = timedelta(0),
        rejected_pause: timedelta = REJECTED_PAUSE,
        circuit_breaker: CircuitBreaker | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observer: Observer = NULL_OBSERVER,
    ) -> None:
        self._transport = transport
        self._quota = quota
        self._clock = clock
        self._identities = identities
        self._read_meta = read_meta or {}
        self._max_wait = max_wait
        self._rejected_pause = rejected_pause
        self._circuit_breaker = circuit_breaker or CircuitBreaker()
        self._sleep = sleep
        self._observer = observer
        self._latency = LatencyEstimate()
        self._turns: defaultdict[tuple[str, str, Purpose], asyncio.Lock] = defaultdict(asyncio.Lock)
        """Locks by kind of reservation. Without them, eight requests that wait for one slot would try eight times."""

    def identity(self, upstream: str) -> str:
        """Return the identity whose quota requests to ``upstream`` spend."""
        return self._identities[upstream]

    async def send(
        self, request: Request, purpose: Purpose, read: Callable[[Answer], R], *, continuation: bool = False
    ) -> R | Deferred | Malformed:
        """Return the result of ``read`` for the response.

        Redirects within the same origin are followed, and a broken connection is retried once.
        """
        redirects, resends = MAX_REDIRECTS, 1
        while True:
            if purpose is Purpose.BACKGROUND and self._circuit_breaker.is_open(request.key, self._clock.now()):
                return read(_CIRCUIT_OPEN)
            reservation = await self._reserve(request, purpose, continuation=continuation)
            if isinstance(reservation, Deferred):
                return reservation
            continuation, sent_at = True, self._clock.now()
            answer = await self._transport.send(request)
            self._circuit_breaker.note(request.key, answer, sent_at, self._clock.now())
            outcome = await self._settle(reservation, request, answer, read)
            if isinstance(outcome, Moved):
                location = _location(request.url, outcome.location)
                if location is None:
                    return Malformed("redirected away from the upstream's own address: not followed")
                if not redirects:
                    return Malformed(f"redirected more than {MAX_REDIRECTS} times")
                redirects -= 1
                request = replace(request, url=location)
            elif isinstance(answer, NoAnswer) and answer.fault is Fault.BROKEN and resends:
                resends -= 1
            else:
                return outcome

    async def stream(
        self,
        request: Request,
        purpose: Purpose,
        feed: Callable[[bytes], None],
        read: Callable[[Answer], R],
    ) -> R | Deferred | Malformed:
        """Send like ``send``, feeding the body of a good response in pieces. Redirects are not followed."""
        reservation = await self._reserve(request, purpose)
        if isinstance(reservation, Deferred):
            return reservation
        answer = await self._transport.stream(request, feed)
        return await self._settle(reservation, request, answer, read)

    async def _reserve(
        self, request: Request, purpose: Purpose, *, continuation: bool = False
    ) -> Reservation | Deferred:
        """Return a reservation, or ``Deferred`` if it would take longer than the request may wait."""
        if not continuation and has_passed(self._clock.now()):
            return Deferred(self._clock.now(), "its batch has had its time")
        wanted = QuotaRequest(
            self._identities[request.upstream],
            request.upstream,
            request.resource,
            purpose,
            request.points,
            self._latency.of(request.key),
        )
        for_quota = SHORT_WAIT if continuation or purpose is Purpose.MANUAL else timedelta(0)
        started = self._clock.now()
        async with self._turns[request.upstream, request.resource, purpose]:
            while True:
                now = self._clock.now()
                verdict = await self._quota.reserve(wanted, now)
                if isinstance(verdict, Reservation):
                    return verdict
                longest = max(self._max_wait, SHORT_WAIT if verdict.contention else for_quota)
                if verdict.until > started + longest:
                    return Deferred(max(verdict.until, now), verdict.reason)
                await self._sleep(max((verdict.until - now).total_seconds(), 0.01))

    async def _settle(
        self, reservation: Reservation, request: Request, answer: Answer, read: Callable[[Answer], R]
    ) -> R | Malformed:
        """Read ``answer`` and settle the reservation with the request's cost."""
        meta = self._meta(request, answer)
        result = with_request_id(_malformed_304(request, answer) or read(answer), meta.request_id)
        outcome = non_value(result)
        self._observer.responded(request, answer, outcome)
        usage = Usage(
            points=points_of(request, answer),
            seconds=answer.seconds,
            attempts=answer.attempts,
            quota=meta.quota,
            pause=self._pause(outcome),
        )
        self._latency.note(request.key, answer.seconds)
        await self._quota.settle(reservation, usage, self._clock.now())
        return result

    def _meta(self, request: Request, answer: Answer) -> ResponseMeta:
        read = self._read_meta.get(request.upstream)
        return read(answer) if read is not None and isinstance(answer, Response) else NO_META

    def _pause(self, outcome: NonValue | None) -> Pause | None:
        """Return the pause that an outcome requires for all requests with the same identity."""
        if isinstance(outcome, Throttled):
            exhausted = outcome.retry_after is None and outcome.reset_at is not None
            cause = PauseCause.QUOTA if exhausted else PauseCause.LIMIT
            return Pause(cause, outcome.reason, outcome.retry_after, outcome.reset_at)
        if isinstance(outcome, Unauthorized):
            return Pause(PauseCause.REJECTED, outcome.reason, retry_after=self._rejected_pause)
        return None


def _malformed_304(request: Request, answer: Answer) -> Malformed | None:
    """Return the failure if ``answer`` is a 304 to a request without validators, as broken caches send it.

    Source: RFC 9110, 15.4.5. Read as a confirmation it would hide missing values until the slow re-check.
    """
    if isinstance(answer, NoAnswer) or answer.status != 304 or not request.headers.keys().isdisjoint(_CONDITIONS):
        return None
    return Malformed("status 304 to an unconditional request: a proxy or cache on the way is faulty")


def points_of(request: Request, answer: Answer) -> int:
    """Return a request's cost in points: zero for a 304, or if no request reached the upstream."""
    if isinstance(answer, NoAnswer):
        return 0 if answer.fault in _NEVER_SENT else request.points
    return 0 if answer.status == 304 else request.points


def _location(requested: str, named: str) -> str | None:
    """Return the address that a redirect names, if it is on the same origin as the request."""
    try:
        location = urljoin(requested, named)
    except ValueError:
        return None
    return location if origin(location) == origin(requested) else None
