"""Figures of Redis for the pages: read within a short time, otherwise the last known ones with their age."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from fetcher.domain.errors import FetcherError
from fetcher.domain.views import RecentLag, RequestCount
from fetcher.quota import QuotaStatus
from tasks.inspection import QueueState

T = TypeVar("T")

PATIENCE = 1.6
"""Seconds that a page waits for all figures of Redis together. A frozen Redis would delay it by ten seconds."""

CURRENT = timedelta(seconds=20)
"""Age up to which figures are shown without a fault, if a response takes longer than ``PATIENCE``."""


@dataclass(frozen=True, slots=True)
class Figure(Generic[T]):
    """A value with the time at which it was read. ``fault`` is the reason that it is not current."""

    value: T | None
    read_at: datetime | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class Live:
    """All figures of one page."""

    queues: Figure[Sequence[QueueState]]
    quota: Figure[Sequence[QuotaStatus]]
    requests: Figure[Sequence[RequestCount]]
    lags: Figure[Sequence[RecentLag]]

    @property
    def fault(self) -> str | None:
        """The reason that a figure is not current."""
        return next((one.fault for one in self._all if one.fault), None)

    @property
    def read_at(self) -> datetime | None:
        """Time of the oldest figure."""
        return min((one.read_at for one in self._all if one.read_at), default=None)

    @property
    def _all(self) -> tuple[Figure[Any], ...]:
        return (self.queues, self.quota, self.requests, self.lags)


class Runtime(Protocol):
    """The queues, the quota and the recent requests of ``fetcher.web.context.Runtime``."""

    def queues(self) -> Sequence[QueueState]: ...

    def quota_status(self, now: datetime) -> Sequence[QuotaStatus]: ...

    def requests(self, now: datetime) -> Sequence[RequestCount]: ...

    def lags(self, now: datetime) -> Sequence[RecentLag]: ...


@dataclass(slots=True)
class _Reading(Generic[T]):
    """One call of a slow function, which several pages may wait for."""

    started_at: datetime
    done: threading.Event = field(default_factory=threading.Event)
    value: T | None = None
    fault: str | None = None


class Latest(Generic[T]):
    """The last result of a function that may block. At most one call runs at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading: _Reading[T] | None = None
        self._known: tuple[T, datetime] | None = None

    def start(self, load: Callable[[], T], now: datetime) -> _Reading[T]:
        """Call ``load`` in a thread of its own, unless a call is running."""
        with self._lock:
            if self._reading is None:
                self._reading = _Reading(now)
                threading.Thread(target=self._run, args=(load, self._reading), daemon=True).start()
            return self._reading

    def figure(self, reading: _Reading[T], now: datetime, seconds: float) -> Figure[T]:
        """Return the result of ``reading``, or the last known one if there is none after ``seconds``."""
        late = not reading.done.wait(seconds)
        value, read_at = self._known or (None, None)
        fault = reading.fault
        if late and (read_at is None or now - read_at > CURRENT):
            fault = f"Redis did not respond within {PATIENCE:g} seconds"
        return Figure(value, read_at, fault)

    def _run(self, load: Callable[[], T], reading: _Reading[T]) -> None:
        try:
            reading.value = load()
            self._known = reading.value, reading.started_at
        except FetcherError as error:
            reading.fault = str(error)
        except Exception:
            reading.fault = "Redis returned a response that cannot be read"
            raise
        finally:
            with self._lock:
                self._reading = None
            reading.done.set()


class LiveFigures:
    """The figures of one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._queues: Latest[Sequence[QueueState]] = Latest()
        self._quota: Latest[Sequence[QuotaStatus]] = Latest()
        self._requests: Latest[Sequence[RequestCount]] = Latest()
        self._lags: Latest[Sequence[RecentLag]] = Latest()

    def read(self, now: datetime) -> Live:
        """Read all figures at once, for ``PATIENCE`` at most."""
        queues = self._queues.start(self._runtime.queues, now)
        quota = self._quota.start(lambda: self._runtime.quota_status(now), now)
        requests = self._requests.start(lambda: self._runtime.requests(now), now)
        lags = self._lags.start(lambda: self._runtime.lags(now), now)
        end = time.monotonic() + PATIENCE

        def left() -> float:
            return max(end - time.monotonic(), 0)

        return Live(
            self._queues.figure(queues, now, left()),
            self._quota.figure(quota, now, left()),
            self._requests.figure(requests, now, left()),
            self._lags.figure(lags, now, left()),
        )
