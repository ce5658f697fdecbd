"""Figures that live in Redis alone: quotas, counters, recent requests and lags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import redis

    from fetcher.domain.views import RecentLag, RequestCount
    from fetcher.quota import QuotaStatus
    from fetcher.settings import Settings
    from fetcher.upstreams.registry import Upstreams

T = TypeVar("T")


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
        raise redis_unavailable(error, settings) from None
    finally:
        client.close()
