"""A circuit breaker for each route of an upstream. While it times out, its requests fail without being sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fetcher.http.messages import Answer, Fault, NoAnswer, RouteKey

OPEN_FOR = timedelta(minutes=1)
"""Time for which a route is not requested after a timeout. Without it, a batch of requests that time out one after the
other would outlast its task, and none of it would be recorded.
"""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class CircuitBreaker:
    """The routes of one process that timed out without a response to any request sent at the same time."""

    def __init__(self, open_for: timedelta = OPEN_FOR) -> None:
        self._open_for = open_for
        self._responded_at: dict[RouteKey, datetime] = {}
        self._open_until: dict[RouteKey, datetime] = {}

    def is_open(self, route: RouteKey, now: datetime) -> bool:
        """Return whether ``route`` must not be requested. A clock that was set back does not prolong this."""
        left = self._open_until.get(route, _LONG_AGO) - now
        return timedelta(0) < left <= self._open_for

    def note(self, route: RouteKey, answer: Answer, sent_at: datetime, now: datetime) -> None:
        """Open the circuit after a timeout, unless another request had a response since ``sent_at``."""
        if not isinstance(answer, NoAnswer) or answer.fault is not Fault.TIMED_OUT:
            self._responded_at[route] = now
        elif self._responded_at.get(route, _LONG_AGO) < sent_at:
            self._open_until[route] = now + self._open_for
