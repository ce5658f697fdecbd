"""The expected response time of each upstream's routes, for the ledger's limits on response seconds."""

from __future__ import annotations

from fetcher.http.messages import RouteKey

_FIRST_GUESS = 0.5
"""Seconds that the first request of a route is expected to take."""

_SMOOTHING = 0.3
"""Weight of the latest response in the estimate."""


class LatencyEstimate:
    """An exponentially smoothed response time for each route, in seconds."""

    def __init__(self) -> None:
        self._seconds: dict[RouteKey, float] = {}

    def of(self, route: RouteKey) -> float:
        """Return the expected response time of ``route``."""
        return self._seconds.get(route, _FIRST_GUESS)

    def note(self, route: RouteKey, seconds: float) -> None:
        """Take a measured response time into account."""
        known = self._seconds.get(route, seconds)
        self._seconds[route] = known + _SMOOTHING * (seconds - known)
