"""Redis: its address, its checks, and clients that report faults at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fetcher.domain.errors import BrokerError

if TYPE_CHECKING:
    import redis
    import redis.asyncio
    from pydantic import SecretStr

    from fetcher.settings import Settings

_FORM = "redis://host:6379/0"
_OWN_REMEDY = f"Start it, or correct or unset FETCHER_REDIS_URL ({_FORM})"
_EMBEDDED_REMEDY = f"Start `fetcher up` with this FETCHER_DATA_DIR, or set FETCHER_REDIS_URL to a server ({_FORM})"
_NUMBERED = re.compile(r"/?\d*")


def embedded_socket(settings: Settings) -> Path:
    """Return the socket of the embedded Redis, which only this user can open."""
    return settings.data_dir.absolute() / "redis" / "redis.sock"


def redis_address(settings: Settings) -> str:
    """Return the address of Redis in redis-py's form."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    return f"unix://{embedded_socket(settings)}"


def embedded_redis_runs(settings: Settings) -> bool:
    """Return whether ``fetcher up`` runs its Redis in this data folder."""
    path = embedded_socket(settings)
    if not path.exists():
        return False
    import redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    client = redis.Redis(unix_socket_path=str(path), socket_timeout=2, retry=Retry(NoBackoff(), 0))
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()


def redis_client(settings: Settings, timeout: float = 5) -> redis.Redis:
    """Return a client that fails at once, without redis-py's retries; ``BrokerError`` for an invalid address."""
    import redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    try:
        return redis.Redis.from_url(
            redis_address(settings),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise BrokerError("FETCHER_REDIS_URL is not an address of Redis", f"Correct or unset it ({_FORM})") from None


def redis_unavailable(error: BaseException, settings: Settings) -> BrokerError:
    """Convert a Redis connection error to a ``BrokerError`` with its place and a remedy."""
    reason = _reason(error)
    if settings.redis_url is None:
        folder = settings.data_dir.absolute()
        return BrokerError(f"Redis cannot be reached: the embedded one of {folder} ({reason})", _EMBEDDED_REMEDY)
    return BrokerError(f"Redis cannot be reached at {_shown(settings.redis_url)} ({reason})", _OWN_REMEDY)


def _reason(error: BaseException) -> str:
    """Return the operating system's reason of a lost connection, otherwise the kind of the error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _shown(url: SecretStr) -> str:
    """Return an address without user, password and options; nothing of one whose password may be in another part."""
    parts = urlsplit(url.get_secret_value())
    is_plain = parts.scheme == "unix" or _NUMBERED.fullmatch(parts.path)
    if not is_plain or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return "the address in FETCHER_REDIS_URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_redis(settings: Settings) -> str:
    """Return Redis's version, or raise ``BrokerError``. A Redis that may evict queued tasks is refused."""
    from redis.exceptions import RedisError  # noqa: PLC0415

    client = redis_client(settings)
    try:
        info: dict[str, object] = client.info()
    except (RedisError, OSError) as error:
        raise redis_unavailable(error, settings) from None
    finally:
        client.close()
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise BrokerError(f"Redis may drop queued work: its maxmemory-policy is {policy}", "Set it to noeviction")
    return f"version {info.get('valkey_version') or info.get('redis_version')}, {info.get('used_memory_human')} used"


def broker_address(settings: Settings) -> str:
    """Return the address of Redis in Celery's form, which has its own words for a socket and its database.

    Over TLS, kombu verifies certificates only if configured to; redis-py always does.
    """
    address = redis_address(settings)
    if address.startswith("rediss://") and "ssl_cert_reqs=" not in address:
        return f"{address}{'&' if '?' in address else '?'}ssl_cert_reqs=required"
    if address.startswith("unix://"):
        return address.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
    return address


def connect(settings: Settings) -> redis.asyncio.Redis:
    """Return a working connection to Redis. A lost connection is reopened once."""
    import redis.asyncio  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    check_redis(settings)
    return redis.asyncio.Redis.from_url(
        redis_address(settings), socket_timeout=5, socket_connect_timeout=5, retry=Retry(NoBackoff(), 1)
    )
