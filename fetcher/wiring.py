"""Assembly of the application: settings in, a ready refresh out. Only this module imports every adapter.

Each function imports the adapters that it opens, so that a command that only reads the database imports no HTTP client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from fetcher import __version__
from fetcher.data_folder import make_private, make_private_file
from fetcher.domain.errors import ConfigError, FetcherError, StoreError
from fetcher.domain.model import Purpose
from fetcher.domain.pauses import OperatorPause, pause_of
from fetcher.domain.scheduling import Cadence
from fetcher.domain.sites import GonePolicy
from fetcher.ports import NULL_OBSERVER, Checkpoint, Clock, Observer, Transport

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from fetcher.domain.forges import ForgeKind
    from fetcher.domain.model import CatalogueEntry
    from fetcher.domain.sweeping import SweepPlan
    from fetcher.domain.views import RecentLag, RequestCount
    from fetcher.http.gateway import Gateway
    from fetcher.http.transport import HttpTransport
    from fetcher.quota import Quota, QuotaStatus
    from fetcher.refresh.dispatch import Dispatcher
    from fetcher.refresh.service import RefreshService
    from fetcher.refresh.sweeping import Sweeping
    from fetcher.settings import Settings
    from fetcher.sites.base import Site
    from fetcher.sites.synchronizer import Synchronizer
    from fetcher.store import SqlStore
    from fetcher.sync.service import Synchronization
    from fetcher.upstreams.base import UpstreamRefresh
    from fetcher.upstreams.current import CurrentUpstreams
    from fetcher.upstreams.registry import Upstreams
    from fetcher.webhooks.sender import Sender

DAY = timedelta(days=1)
"""Interval of projects without ``FETCHER_REFRESH_INTERVAL``, and of forges whose intervals are not computed yet."""

R = TypeVar("R")
T = TypeVar("T")

ADDRESSES = "addresses"
"""The checkpoint of the rules by which stored addresses were last parsed."""


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
    _pace: Pace
    _observer: Observer
    _current: CurrentUpstreams
    _generation: int
    _redis: redis.asyncio.Redis | None = None
    _rules_checked: bool = False
    _site: Site | None = None
    _passes: Synchronizer | None = None

    @property
    def cadence(self) -> Cadence:
        """The cadence by which due times are set."""
        return self.assembly.service.cadence

    @property
    def service(self) -> RefreshService:
        return self.assembly.service

    @property
    def gateway(self) -> Gateway:
        return self.assembly.gateway

    @property
    def dispatcher(self) -> Dispatcher:
        return self.assembly.dispatcher

    async def begin(self) -> None:
        """Take up hosts that were added or detected since, and look up unknown accounts. Every task begins with this.

        A process runs for months, and an import in another process adds hosts.
        """
        self._renew_addresses()
        self._follow_hosts()
        if self.pause(Purpose.BACKGROUND) is None:
            await self._detect_hosts()
        for one in self.assembly.upstreams.values():
            await one.identify()
        self.follow_sweeps()

    def _follow_hosts(self) -> None:
        """Assemble the refresh again if the stored hosts have changed."""
        self._current.renew()
        self.upstreams = self._current.get()
        if self._current.generation == self._generation:
            return
        self._generation = self._current.generation
        self.quota.adopt(self.upstreams.policies(self._pace.window_scale))
        self.transport.adopt(self.upstreams.sites())
        self.assembly = assemble(
            self.store, self.transport, self.quota, self.clock, self.upstreams, self._pace, self._observer
        )

    async def _detect_hosts(self) -> None:
        """Detect hosts that are due, and parse the addresses on those whose kind has changed by its grammar."""
        from fetcher.refresh.forges import ForgeDetection  # noqa: PLC0415

        detection = ForgeDetection(self.store.forges, self.gateway, self.clock)
        changed = await detection.run(self.upstreams.hosts, Purpose.BACKGROUND)
        if changed:
            self._follow_hosts()
            self.store.packages.renew_addresses(changed, self.clock.now())

    def _renew_addresses(self) -> None:
        """Once in a process, parse stored addresses again if they were parsed by other rules or settings."""
        if self._rules_checked:
            return
        rules, now = self.upstreams.hosts.rules, self.clock.now()
        if self.store.checkpoints.get(ADDRESSES).message != rules:
            self.store.packages.renew_addresses([one.host for one in self.upstreams.hosts.all()], now)
            self.store.checkpoints.save(Checkpoint(ADDRESSES, observed_at=now, message=rules))
        self._rules_checked = True

    def pause(self, purpose: Purpose) -> OperatorPause | None:
        """Return the operator's pause that stops requests of ``purpose``, or ``None``."""
        return pause_of(self.store.pauses.active(self.clock.now()), purpose)

    def follow_sweeps(self) -> None:
        """Use the intervals that were computed last."""
        self.assembly.follow(current_cadence(self.settings, self.store))

    async def plan_sweeps(self) -> list[SweepPlan]:
        """Compute each upstream's intervals from its quota and the catalogue; none if the interval is fixed."""
        found = [] if self.settings.fixed_interval else await self._sweeping().compute()
        self.follow_sweeps()
        return found

    def place_sweeps(self) -> None:
        """Bring the next packages' due times forward to intervals that have become shorter."""
        if self.settings.fixed_interval is None:
            self._sweeping().place()

    def _sweeping(self) -> Sweeping:
        from fetcher.refresh.sweep_planning import Account, Terms  # noqa: PLC0415
        from fetcher.refresh.sweeping import Sweeping  # noqa: PLC0415

        scale, identities = self.settings.window_scale, self.assembly.identities
        terms = Terms(self.settings.quota_share, self.settings.plan_interval / scale, scale)
        accounts = [Account(one.name, one.lanes, one.quota, identities[one.name]) for one in self.upstreams.all]
        return Sweeping(self.store.sweeps, self.quota, self.clock, accounts, terms)

    async def find_changes(self) -> None:
        """Find changed packages in the upstreams' own lists of changes, where one is due. Paused: do nothing."""
        if self.pause(Purpose.BACKGROUND) is not None:
            return
        for one in self.assembly.upstreams.values():
            await one.find_changes()

    async def read_feeds(self) -> bool:
        """Poll the upstreams' feeds of changes, where one is due; returns whether any package was made due.

        Paused: do nothing.
        """
        if self.pause(Purpose.BACKGROUND) is not None:
            return False
        return any([await one.read_feed() for one in self.assembly.upstreams.values()])

    async def verify(self) -> None:
        """Compare a sample of stored values with the upstreams' own, where a comparison is due. Paused: do nothing."""
        if self.pause(Purpose.BACKGROUND) is not None:
            return
        for one in self.assembly.upstreams.values():
            await one.verify(self.cadence.longest)

    def site_passes(self) -> Synchronizer | None:
        """Return the passes over the site's database; ``None`` if the settings name none. It is opened once."""
        if self._passes is None and self.settings.site_url is not None:
            self._site = open_site(self.settings)
            self._passes = synchronizer(self.settings, self._site, self.store)
        return self._passes

    async def aclose(self) -> None:
        """Close every connection."""
        if self._site is not None:
            self._site.close()
        await self.transport.aclose()
        if self._redis is not None:
            await self._redis.aclose()
        self.store.close()


def open_store(settings: Settings) -> SqlStore:
    """Return the store after migrating the embedded default database; ``StoreError`` if another one is outdated.

    The caller closes it, by ``with`` or ``close``.
    """
    return _open(settings)[0]


def upstreams_in(settings: Settings, store: SqlStore) -> Upstreams:
    """Return the upstreams of the settings and of the catalogue's hosts."""
    from fetcher.upstreams.registry import upstreams_of  # noqa: PLC0415

    return upstreams_of(settings, store.forges.all())


def _open(settings: Settings) -> tuple[SqlStore, CurrentUpstreams]:
    """Return the store, and the upstreams by which it parses addresses."""
    from fetcher.store import SqlStore, is_current, open_engine, upgrade  # noqa: PLC0415
    from fetcher.store.forges import ForgeRules  # noqa: PLC0415
    from fetcher.upstreams.current import CurrentUpstreams  # noqa: PLC0415

    if settings.embedded_database:
        database = settings.data_dir / "fetcher.db"
        if not database.exists():  # an existing one may be another user's, who lets this one read it
            make_private(settings.data_dir)
            make_private_file(database)
    engine = open_engine(settings.database)
    if settings.embedded_database:
        upgrade(engine)
    elif not is_current(engine):
        engine.dispose()
        raise StoreError("the database schema is out of date, or newer than this version", "Run `fetcher db upgrade`")

    store = SqlStore(
        engine,
        read_repo=lambda text: current.get().repository(text),
        read_project=lambda text: current.get().project(text),
        serving=lambda source, host: current.get().of(source, host),
        rules=ForgeRules(
            stated=_stated_kinds,
            lists=lambda host: current.get().lists(host),
            changed=lambda: current.renew(),  # noqa: PLW0108  (assigned below)
        ),
    )
    current = CurrentUpstreams(settings, store.forges.all)
    return store, current


def _stated_kinds(entries: Iterable[CatalogueEntry]) -> Mapping[str, ForgeKind]:
    from fetcher.upstreams.hosted.hosts import stated_kinds  # noqa: PLC0415

    return stated_kinds(entries)


def open_site(settings: Settings, *, read_only: bool = False) -> Site:
    """Return the site's database that the settings name; ``ConfigError`` if they name none. The caller closes it.

    ``read_only``: its server rejects every write.
    """
    from fetcher.sites.django_packages.site import DjangoPackages  # noqa: PLC0415

    if settings.site_url is None:
        raise ConfigError("no site is configured", "Set FETCHER_SITE_URL to the PostgreSQL address of its database")
    return DjangoPackages(
        settings.site_url.get_secret_value(), gone=GonePolicy(settings.site_gone), read_only=read_only
    )


def synchronizer(settings: Settings, site: Site, store: SqlStore) -> Synchronizer:
    """Return the passes over a site with the cadence of the settings."""
    from fetcher.sites.synchronizer import Synchronizer  # noqa: PLC0415

    return Synchronizer(site, store, settings.recheck_interval)


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
    from fetcher.broker import connect  # noqa: PLC0415
    from fetcher.http.transport import HttpTransport  # noqa: PLC0415
    from fetcher.quota.memory import MemoryQuota  # noqa: PLC0415
    from fetcher.quota.redis import RedisQuota  # noqa: PLC0415
    from fetcher.upstreams.base import PLANS_AHEAD  # noqa: PLC0415

    clock = clock or SystemClock()
    store, current = _open(settings)
    try:
        upstreams = current.get()
        sites = upstreams.sites()
        connection = connect(settings) if shared else None
    except FetcherError:
        store.close()
        raise
    policies = upstreams.policies(settings.window_scale)
    quota: Quota = RedisQuota(connection, policies) if connection is not None else MemoryQuota(policies)
    transport = HttpTransport(sites, user_agent=user_agent(settings))
    pace = Pace(
        current_cadence(settings, store),
        settings.lease,
        PLANS_AHEAD * settings.plan_interval,
        max_wait,
        settings.window_scale,
    )
    assembly = assemble(store, transport, quota, clock, upstreams, pace, observer)
    parts = Parts(
        settings,
        clock,
        store,
        upstreams,
        quota,
        transport,
        assembly,
        pace,
        observer,
        current,
        current.generation,
        connection,
    )
    await parts.begin()
    return parts


def synchronization(store: SqlStore, source: str, clock: Clock, max_loss: float) -> Synchronization:
    """Return a synchronization with a source that has not begun."""
    from fetcher.sync.service import Synchronization  # noqa: PLC0415

    return Synchronization(source, store.packages, store.synced, clock, max_loss)


@asynccontextmanager
async def webhook_sender(
    settings: Settings, store: SqlStore, clock: Clock, observe: Callable[[str], None]
) -> AsyncIterator[Sender]:
    """Open a sender of webhooks, whose client is closed at the end. ``observe`` receives each attempt's result."""
    from fetcher.webhooks.addresses import hosts_of  # noqa: PLC0415
    from fetcher.webhooks.client import WebhookClient  # noqa: PLC0415
    from fetcher.webhooks.sender import Sender  # noqa: PLC0415

    client = WebhookClient(user_agent(settings), hosts_of(settings.webhook_hosts))
    try:
        yield Sender(store.webhooks, client, clock, store.changes.number, observe)
    finally:
        await client.aclose()


async def shared_quota_status(settings: Settings, upstreams: Upstreams, now: datetime) -> Sequence[QuotaStatus]:
    """Return the shared ledger's quotas of ``upstreams``, opening only Redis, or raise ``BrokerError``."""
    from fetcher.broker import connect  # noqa: PLC0415
    from fetcher.quota.redis import RedisQuota  # noqa: PLC0415

    connection = connect(settings)
    try:
        return await RedisQuota(connection, upstreams.policies(settings.window_scale)).quota_status(now)
    finally:
        await connection.aclose()


def stored_counters(settings: Settings) -> dict[str, float]:
    """Return all workers' counters by the fields of ``fetcher.monitoring``, or raise ``BrokerError``."""
    from fetcher.monitoring import read_counters  # noqa: PLC0415

    return _read_redis(settings, read_counters)


def recent_requests(settings: Settings, now: datetime) -> list[RequestCount]:
    """Return the requests of the last hour, or raise ``BrokerError``."""
    from fetcher.monitoring import read_recent_requests  # noqa: PLC0415

    return _read_redis(settings, lambda client: read_recent_requests(client, now))


def recent_lags(settings: Settings, now: datetime) -> list[RecentLag]:
    """Return the lags of the last hour, or raise ``BrokerError``."""
    from fetcher.monitoring import read_recent_lags  # noqa: PLC0415

    return _read_redis(settings, lambda client: read_recent_lags(client, now))


def _read_redis(settings: Settings, read: Callable[[redis.Redis], T]) -> T:
    from redis.exceptions import RedisError  # noqa: PLC0415

    from fetcher.broker import redis_client, redis_unavailable  # noqa: PLC0415

    client = redis_client(settings)
    try:
        return read(client)
    except (RedisError, OSError) as error:
        raise redis_unavailable(error) from None
    finally:
        client.close()


def cadence_of(settings: Settings) -> Cadence:
    """Return the settings' cadence, without computed intervals. If quota windows are compressed, so are the delays."""
    cadence = Cadence(settings.fixed_interval or DAY, settings.recheck_interval)
    return cadence.with_pauses_scaled(settings.window_scale)


def current_cadence(settings: Settings, store: SqlStore) -> Cadence:
    """Return the cadence with the intervals that were last computed, unless the settings fix the interval."""
    cadence = cadence_of(settings)
    if settings.fixed_interval is not None:
        return cadence
    return replace(cadence, sweeps={plan.upstream: plan.sweep for plan in store.sweeps.plans()})


def user_agent(settings: Settings) -> str:
    """Return the User-Agent: Fetcher's name and a contact, as both upstreams require."""
    return f"fetcher/{__version__} ({settings.contact or 'no contact given; set FETCHER_CONTACT'})"
