"""Assembly of the application: settings in, a ready refresh out. Only this module imports every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import redis
import redis.asyncio
from redis.exceptions import RedisError

from fetcher import __version__
from fetcher.broker import connect, redis_client, redis_unavailable
from fetcher.domain.errors import BrokerError, StoreError
from fetcher.domain.scheduling import Cadence
from fetcher.domain.views import RequestCount
from fetcher.http.circuit_breaker import OPEN_FOR, CircuitBreaker
from fetcher.http.gateway import REJECTED_PAUSE, Gateway
from fetcher.http.transport import HttpTransport
from fetcher.monitoring import read_counters, read_recent_requests
from fetcher.ports import NULL_OBSERVER, Clock, Observer, Transport
from fetcher.quota import Quota, QuotaStatus
from fetcher.quota.memory import MemoryQuota
from fetcher.quota.redis import RedisQuota
from fetcher.refresh.dispatch import Dispatcher
from fetcher.refresh.service import RefreshService
from fetcher.settings import Settings
from fetcher.store import SqlStore, is_current, open_engine, upgrade
from fetcher.upstreams.base import PLANS_AHEAD, Tools, UpstreamRefresh
from fetcher.upstreams.registry import Upstreams, upstreams_of

R = TypeVar("R")
T = TypeVar("T")


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
    interval: timedelta = timedelta(days=1)
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
            store.claims, quota, clock, identities, upstreams.lanes, pace.lease, pace.horizon, pace.interval
        ),
        upstreams=live,
        identities=identities,
    )


@dataclass(slots=True)
class Parts:
    """The objects of one process, created inside the event loop that uses them."""

    settings: Settings
    clock: Clock
    store: SqlStore
    upstreams: Upstreams
    quota: Quota
    transport: HttpTransport
    assembly: Assembly
    _redis: redis.asyncio.Redis | None = None

    @property
    def service(self) -> RefreshService:
        return self.assembly.service

    @property
    def gateway(self) -> Gateway:
        return self.assembly.gateway

    @property
    def dispatcher(self) -> Dispatcher:
        return self.assembly.dispatcher

    async def identify(self) -> None:
        """Look up the accounts behind the credentials, unless they are known. Every task begins with this."""
        for one in self.assembly.upstreams.values():
            await one.identify()

    async def find_changes(self) -> None:
        """Find changed packages in the upstreams' own lists of changes, where one is due."""
        for one in self.assembly.upstreams.values():
            await one.find_changes()

    async def verify(self) -> None:
        """Compare a sample of stored values with the upstreams' own, where a comparison is due."""
        for one in self.assembly.upstreams.values():
            await one.verify(self.settings.refresh_interval)

    async def aclose(self) -> None:
        """Close every connection."""
        await self.transport.aclose()
        if self._redis is not None:
            await self._redis.aclose()
        self.store.close()


def open_store(settings: Settings) -> SqlStore:
    """Return the store after migrating the embedded default database; ``StoreError`` if another one is outdated.

    The caller closes it, by ``with`` or ``close``.
    """
    engine = open_engine(settings.database)
    if settings.embedded_database:
        upgrade(engine)
    elif not is_current(engine):
        engine.dispose()
        raise StoreError("the database schema is out of date, or newer than this version", "Run `fetcher db upgrade`")
    upstreams = upstreams_of(settings)
    return SqlStore(engine, read_repo=upstreams.repository, read_project=upstreams.project, serving=upstreams.of)


async def open_parts(
    settings: Settings,
    *,
    max_wait: timedelta = timedelta(0),
    shared: bool = True,
    clock: Clock | None = None,
    observer: Observer = NULL_OBSERVER,
) -> Parts:
    """Open all parts of a refresh. ``shared`` selects the ledger in Redis instead of one in this process.

    ``clock`` replaces the system clock where days must pass faster, as in the benchmarks.
    """
    clock = clock or SystemClock()
    upstreams = upstreams_of(settings)
    sites = upstreams.sites()
    store = open_store(settings)
    try:
        connection = connect(settings) if shared else None
    except BrokerError:
        store.close()
        raise
    policies = upstreams.policies(settings.window_scale)
    quota: Quota = RedisQuota(connection, policies) if connection is not None else MemoryQuota(policies)
    transport = HttpTransport(sites, user_agent=user_agent(settings))
    pace = Pace(
        cadence_of(settings),
        settings.lease,
        PLANS_AHEAD * settings.plan_interval,
        settings.refresh_interval,
        max_wait,
        settings.window_scale,
    )
    assembly = assemble(store, transport, quota, clock, upstreams, pace, observer)
    parts = Parts(settings, clock, store, upstreams, quota, transport, assembly, connection)
    await parts.identify()
    return parts


async def shared_quota_status(settings: Settings, now: datetime) -> Sequence[QuotaStatus]:
    """Return the shared ledger's quotas, opening only Redis, or raise ``BrokerError``."""
    connection = connect(settings)
    try:
        return await RedisQuota(connection, upstreams_of(settings).policies(settings.window_scale)).quota_status(now)
    finally:
        await connection.aclose()


def stored_counters(settings: Settings) -> dict[str, float]:
    """Return all workers' counters by the fields of ``fetcher.monitoring``, or raise ``BrokerError``."""
    return _read_redis(settings, read_counters)


def recent_requests(settings: Settings, now: datetime) -> list[RequestCount]:
    """Return the requests of the last hour, or raise ``BrokerError``."""
    return _read_redis(settings, lambda client: read_recent_requests(client, now))


def _read_redis(settings: Settings, read: Callable[[redis.Redis], T]) -> T:
    client = redis_client(settings)
    try:
        return read(client)
    except (RedisError, OSError) as error:
        raise redis_unavailable(error) from None
    finally:
        client.close()


def cadence_of(settings: Settings) -> Cadence:
    """Return the refresh cadence. If GitHub's windows are compressed, so are the retry delays."""
    return Cadence(settings.refresh_interval, settings.recheck_interval).with_pauses_scaled(settings.window_scale)


def user_agent(settings: Settings) -> str:
    """Return the User-Agent: Fetcher's name and a contact, as both upstreams require."""
    return f"fetcher/{__version__} ({settings.contact or 'no contact given; set FETCHER_CONTACT'})"
