"""Assembly of the refresh from its adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from fetcher.domain.scheduling import Cadence
from fetcher.ports import NULL_OBSERVER, Clock, Observer, Transport

if TYPE_CHECKING:
    from fetcher.http.gateway import Gateway
    from fetcher.quota import Quota
    from fetcher.refresh.dispatch import Dispatcher
    from fetcher.refresh.service import RefreshService
    from fetcher.store import SqlStore
    from fetcher.upstreams.base import UpstreamRefresh
    from fetcher.upstreams.registry import Upstreams

R = TypeVar("R")


class SystemClock:
    """The system clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Pace:
    """Cadence and wait limits of the refresh."""

    cadence: Cadence = Cadence()
    lease: timedelta = timedelta(minutes=15)
    horizon: timedelta = timedelta(minutes=3)
    """Time for which the dispatcher claims work ahead."""
    max_wait: timedelta = timedelta(0)
    window_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """The assembled refresh. No part of it reads the environment or opens a connection."""

    gateway: Gateway
    service: RefreshService
    dispatcher: Dispatcher
    upstreams: Mapping[str, UpstreamRefresh]
    """The live part of each upstream, by name."""
    identities: Mapping[str, str]
    """The identity whose quota each upstream's requests spend, by the upstream's name."""

    def follow(self, cadence: Cadence) -> None:
        """Set due times by ``cadence`` from now on."""
        self.service.cadence = self.dispatcher.cadence = cadence

    def live(self, kind: type[R]) -> R:
        """Return the live part of the upstream of this kind."""
        return next(one for one in self.upstreams.values() if isinstance(one, kind))


def assemble(  # noqa: PLR0913, PLR0917  (each adapter by its name)
    store: SqlStore,
    transport: Transport,
    quota: Quota,
    clock: Clock,
    upstreams: Upstreams,
    pace: Pace,
    observer: Observer = NULL_OBSERVER,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Assembly:
    """Assemble the refresh from its adapters; ``sleep`` is its wait function."""
    from fetcher.http.circuit_breaker import OPEN_FOR, CircuitBreaker  # noqa: PLC0415
    from fetcher.http.gateway import REJECTED_PAUSE, Gateway  # noqa: PLC0415
    from fetcher.refresh.dispatch import Dispatcher  # noqa: PLC0415
    from fetcher.refresh.service import RefreshService  # noqa: PLC0415
    from fetcher.upstreams.base import Tools  # noqa: PLC0415

    identities = {one.name: one.credential.identity for one in upstreams.all}
    gateway = Gateway(
        transport,
        quota,
        clock,
        identities,
        read_meta={one.name: one.read_meta for one in upstreams.all},
        max_wait=pace.max_wait,
        rejected_pause=REJECTED_PAUSE * pace.window_scale,
        circuit_breaker=CircuitBreaker(OPEN_FOR * pace.window_scale),
        sleep=sleep,
        observer=observer,
    )
    tools = Tools(store, gateway, clock, pace.cadence, identities, quota.forget, sleep)
    live = {one.name: one.connect(tools) for one in upstreams.all}
    return Assembly(
        gateway=gateway,
        service=RefreshService(store.claims, clock, live, pace.cadence, pace.lease, observer),
        dispatcher=Dispatcher(
            store.claims, quota, clock, identities, upstreams.lanes, pace.lease, pace.horizon, pace.cadence
        ),
        upstreams=live,
        identities=identities,
    )
