"""One question put to an upstream: reserve, send, read, settle. The only way out of the house."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urljoin

from fetcher.github.classify import read_quota, signed
from fetcher.model import Purpose, ReportedQuota, Upstream
from fetcher.outcome import Deferred, Malformed, Moved, Throttled, Unauthorized
from fetcher.ports import UNWATCHED, Clock, Transport, Watch
from fetcher.quota import Pause, PauseCause, Quota, QuotaRequest, Reservation, Usage
from fetcher.wire import Answer, Fault, NoAnswer, Request, Resource, Response, origin

R = TypeVar("R")

MAX_HOPS = 3
"""Redirects followed for one question; each is a request of its own and reserved as such."""


@dataclass(frozen=True, slots=True)
class Silences:
    """How long an upstream is left alone that would only be asked in vain."""

    rejected: timedelta = timedelta(minutes=10)
    """Everybody with an identity, after its credential was not accepted."""
    hanging: timedelta = timedelta(minutes=1)
    """This process's background on a route that let a whole exchange's time pass without an answer: a batch whose
    questions hung one after the other would outlast its task, and nothing of it would be recorded."""

    def scaled(self, factor: float) -> Silences:
        """The same in compressed time."""
        return Silences(self.rejected * factor, self.hanging * factor)


SHORT_WAIT = timedelta(seconds=3)
"""How long anything may wait for its turn among the requests that are under way, and what a person waits for or what
completes an answer already begun for the quota, too; beyond that it goes back to the store."""

_closes_at: ContextVar[datetime | None] = ContextVar("closes_at", default=None)

_FIRST_GUESS = 0.5
_SMOOTHING = 0.3
_NEVER_SENT = (Fault.UNREACHABLE, Fault.FORBIDDEN_HOST, Fault.NO_CREDENTIAL)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SILENT = NoAnswer(Fault.TIMED_OUT, "not asked: others have just waited for an answer in vain")


@contextmanager
def closing(at: datetime) -> Iterator[None]:
    """Within this, nothing is begun after ``at``: what was not asked by then goes back to the store as it was."""
    token = _closes_at.set(at)
    try:
        yield
    finally:
        _closes_at.reset(token)


class Exchange:
    """Puts questions within the quota.

    ``patience`` is how long it may wait for the quota: not at all in a task, longer where a person is looking on.
    Beyond it, the question is ``Deferred`` and goes back to the store. A person's request may always wait a moment, and
    so may one that completes what has been ``begun``: the second page of a list whose first would otherwise be asked
    again. So may any for a place among the requests under way, which is a matter of the next answer.
    What the background would have asked on a route that hangs has failed unasked.
    """

    def __init__(  # noqa: PLR0913  (what it needs of the world, each by its name)
        self,
        transport: Transport,
        quota: Quota,
        clock: Clock,
        identities: Mapping[Upstream, str],
        *,
        patience: timedelta = timedelta(0),
        silences: Silences = Silences(),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        watch: Watch = UNWATCHED,
    ) -> None:
        self._transport = transport
        self._quota = quota
        self._clock = clock
        self._identities = identities
        self._patience = patience
        self._silences = silences
        self._heard: dict[str, datetime] = {}
        self._silent_until: dict[str, datetime] = {}
        self._sleep = sleep
        self._watch = watch
        self._seconds: dict[str, float] = {}
        self._turns: defaultdict[tuple[Resource, Purpose], asyncio.Lock] = defaultdict(asyncio.Lock)
        """Who asks for leave: one at a time of a kind. Eight that wait for the same place would ask eight times."""

    def identity(self, upstream: Upstream) -> str:
        """Whose quota requests to ``upstream`` spend."""
        return self._identities[upstream]

    async def ask(
        self, request: Request, purpose: Purpose, read: Callable[[Answer], R], *, begun: bool = False
    ) -> R | Deferred | Malformed:
        """What ``read`` makes of the answer; redirects on the same origin are followed, a broken line tried anew."""
        hops, resends = MAX_HOPS, 1
        while True:
            if purpose is Purpose.BACKGROUND and self._is_silent(request.route):
                return read(_SILENT)
            reservation = await self._reserve(request, purpose, begun=begun)
            if isinstance(reservation, Deferred):
                return reservation
            begun, asked_at = True, self._clock.now()
            answer = await self._transport.send(request)
            self._listen(request, answer, asked_at)
            outcome = signed(read(answer), answer)
            await self._settle(reservation, request, answer, outcome)
            if isinstance(outcome, Moved):
                location = _location(request.url, outcome.location)
                if location is None:
                    return Malformed("redirected away from the upstream's own address: not followed")
                if not hops:
                    return Malformed(f"redirected more than {MAX_HOPS} times")
                hops -= 1
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
    ) -> R | Deferred:
        """As ``ask``, with a good answer's body fed piece by piece; no redirect is followed."""
        reservation = await self._reserve(request, purpose)
        if isinstance(reservation, Deferred):
            return reservation
        answer = await self._transport.stream(request, feed)
        outcome = signed(read(answer), answer)
        await self._settle(reservation, request, answer, outcome)
        return outcome

    def _is_silent(self, route: str) -> bool:
        """Whether a route has been found to hang; a clock that was set back since does not prolong it."""
        left = self._silent_until.get(route, _LONG_AGO) - self._clock.now()
        return timedelta(0) < left <= self._silences.hanging

    def _listen(self, request: Request, answer: Answer, asked_at: datetime) -> None:
        """A route hangs where a question ran out of time and none that was asked beside it had an answer."""
        now = self._clock.now()
        if not isinstance(answer, NoAnswer) or answer.fault is not Fault.TIMED_OUT:
            self._heard[request.route] = now
        elif self._heard.get(request.route, _LONG_AGO) < asked_at:
            self._silent_until[request.route] = now + self._silences.hanging

    async def _reserve(self, request: Request, purpose: Purpose, *, begun: bool = False) -> Reservation | Deferred:
        closes_at = _closes_at.get()
        if closes_at is not None and not begun and self._clock.now() >= closes_at:
            return Deferred(self._clock.now(), "its batch has had its time")
        wanted = QuotaRequest(
            self._identities[request.upstream],
            request.resource,
            purpose,
            request.points,
            self._seconds.get(request.route, _FIRST_GUESS),
        )
        short = SHORT_WAIT if begun or purpose is Purpose.MANUAL else timedelta(0)
        started = self._clock.now()
        async with self._turns[request.resource, purpose]:
            while True:
                now = self._clock.now()
                found = await self._quota.reserve(wanted, now)
                if isinstance(found, Reservation):
                    return found
                bearable = max(self._patience, SHORT_WAIT if found.contention else short)
                if found.until > started + bearable:
                    return Deferred(max(found.until, now), found.reason)
                await self._sleep(max((found.until - now).total_seconds(), 0.01))

    async def _settle(self, reservation: Reservation, request: Request, answer: Answer, outcome: object) -> None:
        self._watch.asked(request, answer, outcome)
        usage = Usage(
            points=_points(request, answer),
            seconds=answer.seconds,
            attempts=answer.attempts,
            quota=_quota(request, answer),
            pause=self._pause(outcome),
        )
        known = self._seconds.get(request.route, answer.seconds)
        self._seconds[request.route] = known + _SMOOTHING * (answer.seconds - known)
        await self._quota.settle(reservation, usage, self._clock.now())

    def _pause(self, outcome: object) -> Pause | None:
        """Return the pause that an outcome demands of all requests with the same identity."""
        if isinstance(outcome, Throttled):
            exhausted = outcome.retry_after is None and outcome.reset_at is not None
            cause = PauseCause.QUOTA if exhausted else PauseCause.LIMIT
            return Pause(cause, outcome.reason, outcome.retry_after, outcome.reset_at)
        if isinstance(outcome, Unauthorized):
            return Pause(PauseCause.REJECTED, outcome.reason, retry_after=self._silences.rejected)
        return None


def _points(request: Request, answer: Answer) -> int:
    """What the question cost of the primary quota: nothing for a 304, or where nothing reached the upstream."""
    if isinstance(answer, NoAnswer):
        return 0 if answer.fault in _NEVER_SENT else request.points
    return 0 if answer.status == 304 else request.points


def _quota(request: Request, answer: Answer) -> ReportedQuota | None:
    if request.upstream is Upstream.GITHUB and isinstance(answer, Response):
        return read_quota(answer)
    return None


def _location(asked: str, named: str) -> str | None:
    """The address that a redirect names, if it is on the same origin as what was asked."""
    try:
        location = urljoin(asked, named)
    except ValueError:
        return None
    return location if origin(location) == origin(asked) else None
