"""The objects of one process that refreshes packages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fetcher import __version__
from fetcher.domain.errors import FetcherError
from fetcher.domain.forges import FIRST_PAUSE
from fetcher.domain.model import Purpose
from fetcher.domain.pauses import OperatorPause, pause_of
from fetcher.domain.scheduling import Cadence
from fetcher.ports import NULL_OBSERVER, Checkpoint, Clock, Observer
from fetcher.settings import AUTO
from fetcher.wiring.assembly import Assembly, Pace, SystemClock, assemble
from fetcher.wiring.cadence import current_cadence
from fetcher.wiring.sites import open_site, synchronizer
from fetcher.wiring.stores import open_with_upstreams

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis
    import redis.asyncio

    from fetcher.domain.sweeping import SweepPlan
    from fetcher.http.gateway import Gateway
    from fetcher.http.transport import HttpTransport
    from fetcher.quota import Quota
    from fetcher.refresh.dispatch import Dispatcher
    from fetcher.refresh.service import RefreshService
    from fetcher.refresh.sweep_planning import Route, Spent
    from fetcher.refresh.sweeping import Sweeping
    from fetcher.settings import Settings
    from fetcher.sites.base import Site
    from fetcher.sites.synchronizer import Synchronizer
    from fetcher.store import SqlStore
    from fetcher.upstreams.current import CurrentUpstreams
    from fetcher.upstreams.registry import Upstreams

ADDRESSES = "addresses"
"""The checkpoint of the rules by which stored addresses were last parsed."""

INTERVAL, REACHED = "interval", " reached "
"""The checkpoint of the interval setting that due times follow, none for ``auto``, and the word before the id reached.

Until all packages' due times follow it, the id of the last package that does stands at the end.
"""


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
        self._renew_left_addresses()
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
        """Once in a process, parse stored addresses again if they were parsed by other rules or settings.

        A repository whose host another upstream serves now is reset, so that no request names it to the former one.
        """
        if self._rules_checked:
            return
        rules, now = self.upstreams.rules, self.clock.now()
        if self.store.checkpoints.get(ADDRESSES).message != rules:
            hosts = {one.host for one in self.upstreams.hosts.all()}
            self.store.packages.renew_addresses(hosts.union(self.store.packages.moved_hosts()), now)
            self.store.checkpoints.save(Checkpoint(ADDRESSES, observed_at=now, message=rules))
        self._rules_checked = True

    def _renew_left_addresses(self) -> None:
        """Parse the addresses on hosts whose new kind was stored by a process that ended before it had parsed them."""
        now = self.clock.now()
        left = self.store.forges.claim_unparsed(now, now + FIRST_PAUSE)
        if left:
            self.store.packages.renew_addresses(left, now)

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

    async def place_sweeps(self) -> None:
        """Bring the next packages' due times forward to intervals that have become shorter.

        The first intervals of a catalogue are computed here, so that they hold from its first plan.
        """
        if self.settings.fixed_interval is None:
            if not self.store.sweeps.plans():
                await self.plan_sweeps()
            self._sweeping().place()
        self._follow_setting()

    def _follow_setting(self) -> None:
        """Bring the next packages' due times forward after a change of ``FETCHER_REFRESH_INTERVAL``."""
        stated = str(self.settings.refresh_interval)
        known, _, reached = (self.store.checkpoints.get(INTERVAL).message or AUTO).partition(REACHED)
        if known == stated and not reached:
            return
        after, now = int(reached) if known == stated else 0, self.clock.now()
        last = self.store.sweeps.follow(self.cadence.interval_of, after, now)
        message = stated if last is None else f"{stated}{REACHED}{last}"
        self.store.checkpoints.save(Checkpoint(INTERVAL, observed_at=now, message=message))

    def _sweeping(self) -> Sweeping:
        from fetcher.refresh.sweep_planning import Account, Terms  # noqa: PLC0415
        from fetcher.refresh.sweeping import Sweeping  # noqa: PLC0415

        scale, identities = self.settings.window_scale, self.assembly.identities
        terms = Terms(self.settings.quota_share, self.settings.plan_interval / scale, scale)
        accounts = [Account(one.name, one.lanes, one.quota, identities[one.name]) for one in self.upstreams.all]
        return Sweeping(self.store.sweeps, self.quota, self.clock, accounts, terms, self._spent)

    def _spent(self, now: datetime) -> Mapping[Route, Spent]:
        """Return the points spent in the last hour; none while the metrics in Redis are unavailable."""
        from redis.exceptions import RedisError  # noqa: PLC0415

        from fetcher.broker import redis_client  # noqa: PLC0415
        from fetcher.monitoring.recent_spending import read_recent_spending  # noqa: PLC0415

        if self._redis is None:
            return {}
        client = redis_client(self.settings, timeout=1)
        try:
            return read_recent_spending(client, now, timedelta(hours=1) * self.settings.window_scale)
        except RedisError:
            return {}
        finally:
            client.close()

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
        """Return the passes over the site's database, which is opened once. Without one, or paused: ``None``."""
        if self.settings.site_url is None or self.pause(Purpose.BACKGROUND) is not None:
            return None
        if self._passes is None:
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
    store, current = open_with_upstreams(settings)
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


def user_agent(settings: Settings) -> str:
    """Return the User-Agent: Fetcher's name and a contact, as both upstreams require."""
    return f"fetcher/{__version__} ({settings.contact or 'no contact given; set FETCHER_CONTACT'})"
