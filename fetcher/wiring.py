"""Assembly of the application: settings in, a ready refresh out. Only this module imports every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.exceptions import RedisError

from fetcher import __version__
from fetcher.broker import connect, redis_client, redis_unavailable
from fetcher.catalogue.addresses import parse_project, parse_repo_address
from fetcher.domain.errors import BrokerError, StoreError
from fetcher.domain.model import RepoRef, Unsupported, Upstream
from fetcher.domain.scheduling import Cadence
from fetcher.domain.views import RequestCount
from fetcher.http.circuit_breaker import OPEN_FOR, CircuitBreaker
from fetcher.http.gateway import REJECTED_PAUSE, Gateway
from fetcher.http.transport import HttpTransport
from fetcher.monitoring import read_counters, read_recent_requests
from fetcher.ports import NULL_OBSERVER, Clock, Observer, Transport
from fetcher.quota import Quota, QuotaStatus
from fetcher.quota.limits import Limits
from fetcher.quota.memory import MemoryQuota
from fetcher.quota.redis import RedisQuota
from fetcher.refresh.dispatch import PLANS_AHEAD, Dispatcher, lanes_for
from fetcher.refresh.service import RefreshService
from fetcher.settings import Settings
from fetcher.store import SqlStore, is_current, open_engine, upgrade
from fetcher.upstreams.github.auth import Anonymous, GitHubCredential, Token, credential_from
from fetcher.upstreams.github.batching import BatchSize
from fetcher.upstreams.github.details import DetailsRefresh
from fetcher.upstreams.github.histories import Histories
from fetcher.upstreams.github.identity import account_behind
from fetcher.upstreams.github.readers.classify import read_meta
from fetcher.upstreams.github.requests import Api, api_at
from fetcher.upstreams.github.statistics import StatisticsRefresh
from fetcher.upstreams.github.verify import MergesCheck
from fetcher.upstreams.pypi.projects import ProjectsRefresh
from fetcher.upstreams.pypi.serials_check import SerialsCheck

T = TypeVar("T")

REPOSITORY_CONCURRENCY = 8
PROJECT_CONCURRENCY = 6
"""Concurrent requests of one process to each upstream. Their sum stays below the transport's limit."""

SLOW_LOOKUP, RETRY_LOOKUP_AFTER = timedelta(seconds=5), timedelta(minutes=5)
"""If an unsuccessful identity lookup took longer than the first, wait the second before the next."""


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
    serial_threshold: int = 500
    max_wait: timedelta = timedelta(0)
    window_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Access:
    """Addresses of the upstreams, and the identities that request them."""

    api: Api
    index_root: str = field(repr=False)
    """May contain a mirror's password."""
    identities: dict[Upstream, str]
    anonymous: bool


@dataclass(frozen=True, slots=True)
class Assembly:
    """The assembled refresh. No part of it reads the environment or opens a connection."""

    gateway: Gateway
    service: RefreshService
    dispatcher: Dispatcher
    serials: SerialsCheck
    merges: MergesCheck


def assemble(  # noqa: PLR0913, PLR0917  (each adapter by its name)
    store: SqlStore,
    transport: Transport,
    quota: Quota,
    clock: Clock,
    access: Access,
    pace: Pace,
    observer: Observer = NULL_OBSERVER,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Assembly:
    """Assemble the refresh from its adapters; ``sleep`` is its wait function."""
    api, cadence, anonymous = access.api, pace.cadence, access.anonymous
    gateway = Gateway(
        transport,
        quota,
        clock,
        access.identities,
        read_meta={Upstream.GITHUB: read_meta},
        max_wait=pace.max_wait,
        rejected_pause=REJECTED_PAUSE * pace.window_scale,
        circuit_breaker=CircuitBreaker(OPEN_FOR * pace.window_scale),
        sleep=sleep,
        observer=observer,
    )
    histories = Histories(gateway, api)
    repositories = asyncio.Semaphore(REPOSITORY_CONCURRENCY)
    service = RefreshService(
        store.claims,
        store.checkpoints,
        clock,
        StatisticsRefresh(gateway, clock, api, cadence, anonymous, BatchSize()),
        DetailsRefresh(gateway, clock, api, cadence, anonymous, histories, repositories),
        ProjectsRefresh(gateway, clock, access.index_root, cadence, asyncio.Semaphore(PROJECT_CONCURRENCY)),
        pace.lease,
        observer,
    )
    lanes = lanes_for(anonymous=anonymous)
    return Assembly(
        gateway=gateway,
        service=service,
        dispatcher=Dispatcher(
            store.claims, quota, clock, access.identities, lanes, pace.lease, pace.horizon, pace.interval
        ),
        serials=SerialsCheck(
            store.index_serials,
            store.claims,
            store.checkpoints,
            gateway,
            clock,
            access.index_root,
            cadence,
            pace.serial_threshold,
        ),
        merges=MergesCheck(
            store.claims,
            store.packages,
            store.statistics,
            store.checkpoints,
            gateway,
            clock,
            api,
            histories,
            sleep,
        ),
    )


@dataclass(slots=True)
class Parts:
    """The objects of one process, created inside the event loop that uses them."""

    settings: Settings
    clock: Clock
    store: SqlStore
    credential: GitHubCredential
    access: Access
    quota: Quota
    transport: HttpTransport
    assembly: Assembly
    _redis: redis.asyncio.Redis | None = None
    _identify_at: datetime | None = None

    @property
    def service(self) -> RefreshService:
        return self.assembly.service

    @property
    def gateway(self) -> Gateway:
        return self.assembly.gateway

    @property
    def dispatcher(self) -> Dispatcher:
        return self.assembly.dispatcher

    @property
    def serials(self) -> SerialsCheck:
        return self.assembly.serials

    @property
    def merges(self) -> MergesCheck:
        return self.assembly.merges

    async def identify(self) -> None:
        """Look up the account of the token, unless it is known. Two ledgers would spend its quota twice.

        Every task begins with this. A slow lookup that failed is therefore not repeated by each of them.
        """
        own, now, identities = self.credential.identity, self.clock.now(), self.access.identities
        if not isinstance(self.credential, Token) or identities[Upstream.GITHUB] != own:
            return
        if self._identify_at is not None and now < self._identify_at <= now + RETRY_LOOKUP_AFTER:
            return
        found = await account_behind(own, self.gateway, self.store.checkpoints, self.access.api, now)
        identities[Upstream.GITHUB] = found
        if found != own:
            await self.quota.forget(own)
        took = self.clock.now() - now
        self._identify_at = now + RETRY_LOOKUP_AFTER if took > SLOW_LOOKUP else None

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
        raise StoreError("the database's tables are not those of this version", "Run `fetcher db upgrade`")
    hosts = frozenset({api_at(settings.github_api_url).host})
    index_hosts = frozenset(filter(None, [urlsplit(settings.pypi_url).hostname]))

    def read_repo(text: str | None) -> RepoRef | Unsupported | None:
        return parse_repo_address(text, hosts)

    def read_project(text: str | None) -> str | Unsupported | None:
        return parse_project(text, index_hosts)

    return SqlStore(engine, read_repo=read_repo, read_project=read_project)


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
    store = open_store(settings)
    credential = credential_from(settings)
    api = api_at(settings.github_api_url)
    try:
        connection = connect(settings) if shared else None
    except BrokerError:
        store.close()
        raise
    limits = Limits().scaled(settings.window_scale)
    quota: Quota = RedisQuota(connection, limits) if connection is not None else MemoryQuota(limits)
    transport = HttpTransport(
        credential,
        (settings.github_api_url, api.graphql, settings.pypi_url),
        user_agent=user_agent(settings),
    )
    identities: dict[Upstream, str] = {
        Upstream.GITHUB: credential.identity,
        Upstream.PYPI: f"index:{urlsplit(settings.pypi_url).netloc.rpartition('@')[2]}",
    }
    access = Access(api, settings.pypi_url, identities, isinstance(credential, Anonymous))
    pace = Pace(
        cadence_of(settings),
        settings.lease,
        PLANS_AHEAD * settings.plan_interval,
        settings.refresh_interval,
        settings.serial_threshold,
        max_wait,
        settings.window_scale,
    )
    assembly = assemble(store, transport, quota, clock, access, pace, observer)
    parts = Parts(settings, clock, store, credential, access, quota, transport, assembly, connection)
    await parts.identify()
    return parts


async def shared_quota_status(settings: Settings, now: datetime) -> Sequence[QuotaStatus]:
    """Return the shared ledger's quotas, opening only Redis, or raise ``BrokerError``."""
    connection = connect(settings)
    try:
        return await RedisQuota(connection, Limits().scaled(settings.window_scale)).quota_status(now)
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
