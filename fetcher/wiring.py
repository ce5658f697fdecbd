"""The parts, put together once: settings in, a ready conductor out. The only module that knows every adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import Engine

from fetcher import __version__
from fetcher.addresses import parse_project, parse_repo_address
from fetcher.budget.memory import MemoryBudget
from fetcher.budget.redis_keeper import RedisBudget
from fetcher.budget.rules import Limits
from fetcher.errors import BrokerError, StoreError
from fetcher.exchange import Exchange, Silences
from fetcher.github.requests import Api, api_at
from fetcher.github_auth import Anonymous, GitHubCredential, Token, credential_from
from fetcher.identity import account_behind
from fetcher.metrics import read_counters, read_lately
from fetcher.model import RepoRef, Unsupported, Upstream
from fetcher.overview import RequestCount
from fetcher.planner import Cadence
from fetcher.ports import UNWATCHED, Budget, Clock, Standing, Watch
from fetcher.refresh.batches import BatchSize
from fetcher.refresh.conductor import Conductor
from fetcher.refresh.details import DetailsRefresh
from fetcher.refresh.histories import FIRST_SIZE, Histories
from fetcher.refresh.plan import PLANS_AHEAD, Planner, lanes_for
from fetcher.refresh.projects import ProjectsRefresh
from fetcher.refresh.serials import SerialsCheck
from fetcher.refresh.statistics import StatisticsRefresh
from fetcher.refresh.verify import MergesCheck
from fetcher.settings import Settings
from fetcher.store import SqlStore, is_current, open_engine, upgrade
from fetcher.transport import HttpTransport

T = TypeVar("T")

REPOSITORIES_ABREAST = 8
PROJECTS_ABREAST = 6
"""Requests at once of one process to each upstream; together they stay below the transport's own bound."""

SLOW_TO_TELL, TOLD_LATER = timedelta(seconds=5), timedelta(minutes=5)
"""A GitHub that took longer than this to not say whose a token is gets asked again after that."""

_REDIS_REMEDY = "Start `fetcher up`, or set FETCHER_REDIS_URL to a server that runs (redis://host:6379/0)"


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(slots=True)
class Parts:
    """What one process works with. Made inside the event loop that uses it."""

    settings: Settings
    clock: Clock
    store: SqlStore
    engine: Engine
    credential: GitHubCredential
    api: Api
    budget: Budget
    exchange: Exchange
    conductor: Conductor
    planner: Planner
    serials: SerialsCheck
    merges: MergesCheck
    transport: HttpTransport
    identities: dict[Upstream, str]
    """Whose quota is spent; the exchange and the planner look it up here, too."""
    _redis: redis.asyncio.Redis | None = None
    _identify_at: datetime | None = None

    async def identify(self) -> None:
        """Learn whose quota the token spends, unless it is known: two ledgers for one account would spend it twice.

        Every task begins with this, so a GitHub that hangs is not waited for by each of them.
        """
        own, now = self.credential.identity, self.clock.now()
        if not isinstance(self.credential, Token) or self.identities[Upstream.GITHUB] != own:
            return
        if self._identify_at is not None and now < self._identify_at <= now + TOLD_LATER:
            return
        told = self.identities[Upstream.GITHUB] = await account_behind(own, self.exchange, self.store, self.api, now)
        if told != own:
            await self.budget.forget(own)
        took = self.clock.now() - now
        self._identify_at = now + TOLD_LATER if took > SLOW_TO_TELL else None

    async def aclose(self) -> None:
        """Close every connection."""
        await self.transport.aclose()
        if self._redis is not None:
            await self._redis.aclose()
        self.engine.dispose()


def embedded_socket(settings: Settings) -> Path:
    """Where the embedded Redis listens: a socket that only this user can open."""
    return settings.data_dir.absolute() / "redis" / "redis.sock"


def redis_address(settings: Settings) -> str:
    """The address of Redis as redis-py reads it."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    return f"unix://{embedded_socket(settings)}"


def embedded_redis_runs(settings: Settings) -> bool:
    """Whether ``fetcher up`` has its Redis running on this data folder."""
    path = embedded_socket(settings)
    if not path.exists():
        return False
    client = redis.Redis(unix_socket_path=str(path), socket_timeout=2, retry=Retry(NoBackoff(), 0))
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()


def redis_client(settings: Settings, timeout: float = 5) -> redis.Redis:
    """A client that says at once what it finds, where redis-py by itself would try for seconds; or ``BrokerError``."""
    try:
        return redis.Redis.from_url(
            redis_address(settings),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise BrokerError("FETCHER_REDIS_URL is not an address of Redis", _REDIS_REMEDY) from None


def redis_away(error: BaseException) -> BrokerError:
    """What somebody is told whom ``error`` kept from Redis."""
    return BrokerError(f"Redis cannot be reached ({type(error).__name__})", _REDIS_REMEDY)


def check_redis(settings: Settings) -> str:
    """What Redis says of itself, or ``BrokerError``; one that may throw queued work away is refused."""
    client = redis_client(settings)
    try:
        info: dict[str, object] = client.info()
    except (RedisError, OSError) as error:
        raise redis_away(error) from None
    finally:
        client.close()
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise BrokerError(f"Redis may drop queued work: its maxmemory-policy is {policy}", "Set it to noeviction")
    return f"version {info.get('valkey_version') or info.get('redis_version')}, {info.get('used_memory_human')} used"


def broker_address(settings: Settings) -> str:
    """The address of Redis as Celery reads it, which has its own scheme for a socket.

    Over TLS, kombu verifies no certificate unless it is told to; redis-py always does.
    """
    address = redis_address(settings)
    if address.startswith("rediss://") and "ssl_cert_reqs=" not in address:
        return f"{address}{'&' if '?' in address else '?'}ssl_cert_reqs=required"
    return address.replace("unix://", "redis+socket://", 1) if address.startswith("unix://") else address


def open_store(settings: Settings) -> tuple[SqlStore, Engine]:
    """The store, migrated: by itself if it is the embedded default, else it must have been."""
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

    return SqlStore(engine, read_repo=read_repo, read_project=read_project), engine


async def open_parts(
    settings: Settings,
    *,
    patience: timedelta = timedelta(0),
    shared: bool = True,
    clock: Clock | None = None,
    watch: Watch = UNWATCHED,
) -> Parts:
    """Everything for refreshing. ``shared``: the ledger is Redis's; else it is this process's own.

    ``clock`` stands in for the machine's where days have to pass faster than they do, as in the benchmarks. ``watch``
    counts what is asked and refreshed.
    """
    clock = clock or SystemClock()
    store, engine = open_store(settings)
    credential = credential_from(settings)
    api = api_at(settings.github_api_url)
    try:
        connection = _connect(settings) if shared else None
    except BrokerError:
        engine.dispose()
        raise
    limits = Limits().scaled(settings.window_scale)
    budget: Budget = RedisBudget(connection, limits) if connection is not None else MemoryBudget(limits)
    transport = HttpTransport(
        credential,
        (settings.github_api_url, api.graphql, settings.pypi_url),
        user_agent=user_agent(settings),
    )
    identities: dict[Upstream, str] = {
        Upstream.GITHUB: credential.identity,
        Upstream.PYPI: f"index:{urlsplit(settings.pypi_url).netloc.rpartition('@')[2]}",
    }
    cadence = cadence_of(settings)
    silences = Silences().scaled(settings.window_scale)
    exchange = Exchange(transport, budget, clock, identities, patience=patience, silences=silences, watch=watch)
    anonymous = isinstance(credential, Anonymous)
    repositories = asyncio.Semaphore(REPOSITORIES_ABREAST)
    histories = Histories(exchange, api, BatchSize(FIRST_SIZE))
    conductor = Conductor(
        store,
        clock,
        StatisticsRefresh(exchange, clock, api, cadence, anonymous, BatchSize()),
        DetailsRefresh(exchange, clock, api, cadence, anonymous, histories, repositories),
        ProjectsRefresh(exchange, clock, settings.pypi_url, cadence, asyncio.Semaphore(PROJECTS_ABREAST)),
        settings.lease,
        watch,
    )
    parts = Parts(
        settings=settings,
        clock=clock,
        store=store,
        engine=engine,
        credential=credential,
        api=api,
        budget=budget,
        exchange=exchange,
        conductor=conductor,
        planner=Planner(
            store,
            budget,
            clock,
            identities,
            lanes_for(anonymous=anonymous),
            settings.lease,
            PLANS_AHEAD * settings.plan_interval,
            settings.refresh_interval,
        ),
        serials=SerialsCheck(store, exchange, clock, settings.pypi_url, cadence, settings.serial_threshold),
        merges=MergesCheck(store, exchange, clock, api, histories),
        transport=transport,
        identities=identities,
        _redis=connection,
    )
    await parts.identify()
    return parts


async def ledger_standings(settings: Settings, now: datetime) -> Sequence[Standing]:
    """What the shared ledger knows of every quota, read without opening anything else; or ``BrokerError``."""
    connection = _connect(settings)
    try:
        return await RedisBudget(connection, Limits().scaled(settings.window_scale)).standings(now)
    finally:
        await connection.aclose()


def stored_counters(settings: Settings) -> dict[str, float]:
    """What all workers have counted so far, by ``fetcher.metrics``'s fields; or ``BrokerError``."""
    return _read_redis(settings, read_counters)


def lately_asked(settings: Settings, now: datetime) -> list[RequestCount]:
    """The requests of the last hour; or ``BrokerError``."""
    return _read_redis(settings, lambda client: read_lately(client, now))


def _read_redis(settings: Settings, read: Callable[[redis.Redis], T]) -> T:
    client = redis_client(settings)
    try:
        return read(client)
    except (RedisError, OSError) as error:
        raise redis_away(error) from None
    finally:
        client.close()


def cadence_of(settings: Settings) -> Cadence:
    """How often things are asked; where GitHub's windows are compressed, the pauses are too."""
    return Cadence(settings.refresh_interval, settings.recheck_interval).with_pauses_scaled(settings.window_scale)


def user_agent(settings: Settings) -> str:
    """A name of our own, with whom to turn to: what both upstreams ask of a client."""
    return f"fetcher/{__version__} ({settings.contact or 'no contact given; set FETCHER_CONTACT'})"


def _connect(settings: Settings) -> redis.asyncio.Redis:
    """A connection to Redis that answers; one that was cut in the meantime is made again, once."""
    check_redis(settings)
    return redis.asyncio.Redis.from_url(
        redis_address(settings), socket_timeout=5, socket_connect_timeout=5, retry=AsyncRetry(NoBackoff(), 1)
    )
