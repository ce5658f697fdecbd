"""What the page and the API work with: handed in once, the same for every request."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar, cast

from starlette.requests import Request

from fetcher.domain.catalogue_stats import Figures, stale_before
from fetcher.domain.views import Asked, RequestCount
from fetcher.ports import Clock, Store
from fetcher.quota import QuotaStatus
from fetcher.settings import Settings
from fetcher.web.session import Sessions
from fetcher.wiring import lately_asked, shared_quota_status, stored_counters
from tasks.inspection import QueueState, queue_states
from tasks.requests import request_refreshes

T = TypeVar("T")

REMEMBERED = 3.0
"""Seconds for which what the workers said is shown again: asking them takes a second, and a page is looked at often."""


class Workings(Protocol):
    """What is not in the store: queues, workers and quota. Each method raises ``BrokerError`` without Redis."""

    def queues(self) -> Sequence[QueueState]: ...

    def quota_status(self, now: datetime) -> Sequence[QuotaStatus]: ...

    def counters(self) -> Mapping[str, float]:
        """What workers have added up: see ``fetcher.monitoring``."""
        ...

    def requests(self, now: datetime) -> Sequence[RequestCount]:
        """How many requests were sent in the last hour, slot by slot."""
        ...

    def refresh(self, package_ids: Sequence[int], now: datetime) -> Sequence[Asked]:
        """Ask for a refresh of each package, by the workers."""
        ...


class Remembered(Generic[T]):
    """What a slow question answered last, for as long as it may be shown again. Threads wait for one answer."""

    def __init__(self, ask: Callable[[], T], seconds: float = REMEMBERED) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._answer: T | None = None
        self._until = 0.0

    def __call__(self) -> T:
        with self._lock:
            if self._answer is None or time.monotonic() >= self._until:
                self._answer = self._ask()
                self._until = time.monotonic() + self._seconds
            return self._answer


class CeleryWorkings:
    """The real ones: Celery's queues and the ledger in Redis."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self.queues: Callable[[], Sequence[QueueState]] = Remembered(lambda: queue_states(settings))

    def quota_status(self, now: datetime) -> Sequence[QuotaStatus]:
        return asyncio.run(shared_quota_status(self._settings, now))

    def counters(self) -> Mapping[str, float]:
        return stored_counters(self._settings)

    def requests(self, now: datetime) -> Sequence[RequestCount]:
        return lately_asked(self._settings, now)

    def refresh(self, package_ids: Sequence[int], now: datetime) -> Sequence[Asked]:
        return request_refreshes(self._store, package_ids, now)


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that a request may need."""

    settings: Settings
    store: Store
    clock: Clock
    workings: Workings
    sessions: Sessions

    def figures(self, now: datetime) -> Figures:
        """How the whole catalogue stands."""
        return self.store.figures(now, self.settings.refresh_interval)

    def stale_before(self, now: datetime) -> datetime:
        """Packages last fetched before this are stale."""
        return stale_before(now, self.settings.refresh_interval)


def site_of(request: Request) -> Site:
    return cast(Site, request.app.state.site)
