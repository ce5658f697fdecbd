"""A limit of requests in a sliding window, as forges and the proxies before them enforce it."""

from collections import defaultdict, deque
from datetime import datetime, timedelta


class SlidingWindow:
    """At most ``limit`` requests of each sender in any ``window``; 0 is no limit. Refused requests do not count."""

    def __init__(self, limit: int, window: timedelta) -> None:
        self.limit = limit
        self.window = window
        self._admitted: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def admit(self, sender: str, now: datetime) -> timedelta | None:
        """Admit a request and return None, or return the time until the next one is admitted."""
        admitted = self._admitted[sender]
        while admitted and admitted[0] <= now - self.window:
            admitted.popleft()
        if self.limit and len(admitted) >= self.limit:
            return admitted[0] + self.window - now
        admitted.append(now)
        return None

    def remaining(self, sender: str) -> int:
        """Return the requests that are left to a sender, as of its last one."""
        return max(0, self.limit - len(self._admitted[sender]))
