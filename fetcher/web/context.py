"""Objects that every request uses: settings, store, clock, runtime and sessions."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Generic, Protocol, TypeVar, cast

import structlog
from starlette.requests import Request

from fetcher.broker import redis_client
from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.catalogue_stats import CatalogueStats, stale_before
from fetcher.domain.errors import StoreError
from fetcher.domain.hints import Hint
from fetcher.domain.model import Purpose
from fetcher.domain.pauses import OperatorPause, refuse_if_paused
from fetcher.domain.scheduling import Cadence
from fetcher.domain.views import RecentLag, RequestCount, SubmittedRefresh
from fetcher.hooks.inbox import Inbox, Placed
from fetcher.hooks.signatures import Forge
from fetcher.monitoring import MetricsRecorder, RedisCounters
from fetcher.monitoring.definitions import HookResult
from fetcher.ports import Clock
from fetcher.quota import QuotaStatus
from fetcher.settings import Settings
from fetcher.store import SqlStore
from fetcher.web.following import Followers
from fetcher.web.live import LiveFigures
from fetcher.web.session import Sessions
from fetcher.web.throttle import LoginThrottle
from fetcher.wiring import (
    current_cadence,
    recent_lags,
    recent_requests,
    shared_quota_status,
    stored_counters,
    upstreams_in,
)
from tasks.hints import take_hints
from tasks.inspection import QueueState, queue_states
from tasks.requests import request_refreshes

log = structlog.get_logger(__name__)

T = TypeVar("T")

CACHE_SECONDS = 3.0
"""Seconds for which a queue inspection is reused. An inspection takes about a second, and pages poll."""


HOOK_TIMEOUT = 0.4
"""Seconds for connecting to Redis, and for its response, when a webhook is placed. Forges wait for some seconds."""


class Runtime(Protocol):
    """Queues, workers and quota, which are outside the store. Methods raise ``BrokerError`` if Redis is unavailable."""

    def queues(self) -> Sequence[QueueState]: ...

    def quota_status(self, now: datetime) -> Sequence[QuotaStatus]: ...

    def counters(self) -> Mapping[str, float]:
        """Return the counters that workers have stored: see ``fetcher.monitoring``."""
        ...

    def requests(self, now: datetime) -> Sequence[RequestCount]:
        """Return the number of upstream requests in each slot of the last hour."""
        ...

    def lags(self, now: datetime) -> Sequence[RecentLag]:
        """Return the lags of the last hour by kind of change."""
        ...

    def refresh(self, package_ids: Sequence[int], now: datetime) -> Sequence[SubmittedRefresh]:
        """Request a refresh of each package from the workers."""
        ...

    def place_hint(self, forge: Forge, delivery: tuple[str, str], hint: Hint, now: datetime) -> Placed:
        """Place a webhook's hint in the inbox: see ``fetcher.hooks.inbox``. Raise ``RedisError`` within a second."""
        ...

    def take_hints(self) -> None:
        """Have a worker take the hints."""
        ...

    def count_hook(self, forge: Forge, result: HookResult) -> None:
        """Count a webhook of a forge. It never raises: a lost count must not fail a request."""
        ...


PAUSE_HOURS = ("1", "4", "12", "24")
"""Lengths that the form of a pause offers; without one the pause lasts until it is resumed."""


class TTLCache(Generic[T]):
    """The last result of a slow function, reused for some seconds. Concurrent threads share one call."""

    def __init__(self, load: Callable[[], T], seconds: float = CACHE_SECONDS) -> None:
        self._load = load
        self._seconds = seconds
        self._lock = threading.Lock()
        self._value: T | None = None
        self._expires = 0.0

    def __call__(self) -> T:
        with self._lock:
            if self._value is None or time.monotonic() >= self._expires:
                self._value = self._load()
                self._expires = time.monotonic() + self._seconds
            return self._value


class CeleryRuntime:
    """The production ``Runtime``: Celery's queues, and counters and quota in Redis."""

    def __init__(self, settings: Settings, store: SqlStore) -> None:
        self._settings = settings
        self._store = store
        self.queues: Callable[[], Sequence[QueueState]] = TTLCache(lambda: queue_states(settings))

    def quota_status(self, now: datetime) -> Sequence[QuotaStatus]:
        return asyncio.run(shared_quota_status(self._settings, upstreams_in(self._settings, self._store), now))

    def counters(self) -> Mapping[str, float]:
        return stored_counters(self._settings)

    def requests(self, now: datetime) -> Sequence[RequestCount]:
        return recent_requests(self._settings, now)

    def lags(self, now: datetime) -> Sequence[RecentLag]:
        return recent_lags(self._settings, now)

    def refresh(self, package_ids: Sequence[int], now: datetime) -> Sequence[SubmittedRefresh]:
        return request_refreshes(self._store.requests, package_ids, now)

    def place_hint(self, forge: Forge, delivery: tuple[str, str], hint: Hint, now: datetime) -> Placed:
        return self._inbox.put(forge, delivery, hint, now)

    def take_hints(self) -> None:
        take_hints()

    def count_hook(self, forge: Forge, result: HookResult) -> None:
        counted = MetricsRecorder()
        counted.hook_received(forge, result)
        self._counters.add(counted)

    @cached_property
    def _counters(self) -> RedisCounters:
        return RedisCounters(lambda: redis_client(self._settings, timeout=HOOK_TIMEOUT))

    @cached_property
    def _inbox(self) -> Inbox:
        return Inbox(redis_client(self._settings, timeout=HOOK_TIMEOUT))


@dataclass(frozen=True, slots=True)
class WebContext:
    """Dependencies of the request handlers, created once per process."""

    settings: Settings
    store: SqlStore
    clock: Clock
    runtime: Runtime
    sessions: Sessions
    throttle: LoginThrottle = field(default_factory=LoginThrottle)
    hook_throttle: LoginThrottle = field(default_factory=LoginThrottle)
    live: LiveFigures = field(init=False)
    followers: Followers = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "live", LiveFigures(self.runtime))
        object.__setattr__(self, "followers", Followers(self._last_change))

    def _last_change(self) -> int:
        self.store.changes.renew(self.clock.now())
        return self.store.changes.extent().position

    def cadence(self) -> Cadence:
        """Return the intervals in force."""
        return current_cadence(self.settings, self.store)

    def stats(self, now: datetime) -> CatalogueStats:
        """Return the statistics of the whole catalogue."""
        return self.store.statistics.read(now, self.cadence().longest)

    def stale_before(self, now: datetime) -> datetime:
        """Return the time before which a package's last fetch makes it stale."""
        return stale_before(now, self.cadence().longest)

    def request_refreshes(
        self, package_ids: Sequence[int], action: Action, actor: str, address: str
    ) -> Sequence[SubmittedRefresh]:
        """Request a refresh of each package, and log it. Raise ``PausedWork`` if an operator has paused refreshes."""
        now = self.clock.now()
        refuse_if_paused(self.store.pauses.active(now), Purpose.MANUAL, now)
        submitted = self.runtime.refresh(package_ids, now)
        self.audit([AuditEntry(now, actor, action, one.request.slug, address=address) for one in submitted])
        return submitted

    def audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append to the audit log. If the database is unavailable, the entries are only logged."""
        try:
            self.store.audit.append(entries)
        except StoreError as error:
            log.error("audit entries lost", entries=[str(one.action) for one in entries], reason=str(error))


def pauses(web: WebContext) -> Sequence[OperatorPause]:
    """Return the operators' pauses in force; empty if the database is unavailable."""
    try:
        return web.store.pauses.active(web.clock.now())
    except StoreError:
        return ()


def context_of(request: Request) -> WebContext:
    return cast(WebContext, request.app.state.context)
