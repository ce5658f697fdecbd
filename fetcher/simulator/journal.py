"""The log of requests and responses, in which tests and benchmarks count."""

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

ENTRIES_KEPT = 200_000
ASKED_WHILE_WAITING = "asked while told to wait"


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request. ``points`` are those of the hour's quota, ``reason`` is the limit that it exceeded."""

    at: datetime
    upstream: str
    route: str
    method: str
    status: int
    identity: str
    points: int
    packages: tuple[str, ...]
    operation: str = ""
    """The name of the GraphQL operation."""
    took: timedelta | None = None
    """None until the response is sent."""
    reason: str = ""
    fault: str = ""

    def as_json(self) -> dict[str, Any]:
        seconds = None if self.took is None else self.took.total_seconds()
        return asdict(self) | {"at": self.at.isoformat(), "took": seconds}


@dataclass(slots=True)
class Journal:
    """The newest requests in full, and counts of all requests."""

    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=ENTRIES_KEPT))
    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    bytes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Bytes of the bodies sent, by upstream and route."""
    in_flight: Counter[str] = field(default_factory=Counter)
    most_in_flight: Counter[str] = field(default_factory=Counter)

    def arrived(self, upstream: str) -> None:
        self.in_flight[upstream] += 1
        self.most_in_flight[upstream] = max(self.most_in_flight[upstream], self.in_flight[upstream])

    def answered(self, entry: Entry, resource: str) -> None:
        self.entries.append(entry)
        self.requests[entry.upstream, entry.route, entry.status] += 1
        self.points[resource] += entry.points
        if entry.reason:
            self.reasons[entry.reason] += 1
        if entry.fault:
            self.faults[entry.fault] += 1

    def left(self, entry: Entry, took: timedelta) -> None:
        entry.took = took
        self.in_flight[entry.upstream] -= 1

    def clear(self) -> None:
        """Delete the entries and reset all counts; requests in flight still count as in flight."""
        for counter in (self.requests, self.points, self.reasons, self.faults, self.bytes, self.most_in_flight):
            counter.clear()
        self.entries.clear()

    def count(self, route: str | None = None, status: int | None = None, upstream: str | None = None) -> int:
        """Return the number of requests of a route, a status, an upstream; None is any."""
        return sum(
            number
            for (one_upstream, one_route, one_status), number in self.requests.items()
            if route in (None, one_route) and status in (None, one_status) and upstream in (None, one_upstream)
        )

    def summary(self) -> dict[str, Any]:
        """Return counts by route and status, bytes by route, points by quota, exceeded limits, most in flight."""
        routes: dict[str, dict[str, int]] = {}
        for (upstream, route, status), number in sorted(self.requests.items()):
            routes.setdefault(f"{upstream} {route}", {})[str(status)] = number
        return {
            "requests": sum(self.requests.values()),
            "routes": routes,
            "bytes": {f"{upstream} {route}": number for (upstream, route), number in sorted(self.bytes.items())},
            "points": dict(self.points),
            "limits_tripped": dict(self.reasons),
            "asked_while_told_to_wait": self.reasons[ASKED_WHILE_WAITING],
            "faults": dict(self.faults),
            "most_in_flight": dict(self.most_in_flight),
        }
