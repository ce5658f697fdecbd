"""The inbox of hints in Redis: it remembers deliveries, collapses floods and limits them, in one atomic script.

All keys end by themselves, or are emptied by a worker. A lost Redis costs hints only: the next sweep finds the change.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, cast

from redis import Redis

from fetcher.domain.hints import Hint
from fetcher.domain.model import Source
from fetcher.hooks.signatures import Forge

REMEMBERED: Final = timedelta(days=3)
"""Time for which a delivery's id is remembered. GitHub redelivers on demand within three days."""

SAME_BODY: Final = timedelta(hours=1)
"""Time for which an equal event counts as a replay. The id is not signed, so a replay can have another one."""

A_MINUTE: Final = 3000
"""Most hints accepted a minute. Others are refused, and the next sweep finds the changes."""

WAITING: Final = 10_000
"""Most repositories that wait for a worker."""

_PREFIX = "fetcher:hooks"

_PUT = """
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local taken = redis.call('INCR', KEYS[3])
if taken == 1 then redis.call('EXPIRE', KEYS[3], 120) end
if taken > tonumber(ARGV[3]) or redis.call('HLEN', KEYS[4]) >= tonumber(ARGV[4]) then return 1 end
redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
redis.call('HSETNX', KEYS[4], ARGV[5], ARGV[6])
if redis.call('SET', KEYS[5], '1', 'NX', 'EX', 30) then return 3 end
return 2
"""

_TAKE = """
redis.call('DEL', KEYS[2])
local taken = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if #taken >= tonumber(ARGV[1]) then break end
    table.insert(taken, field)
end
if #taken > 0 then redis.call('HDEL', KEYS[1], unpack(taken)) end
return taken
"""


class Placed(IntEnum):
    """Result of placing a hint."""

    REPLAYED = 0
    """The delivery is known."""
    REFUSED = 1
    """Too many hints came within the minute, or wait."""
    JOINED = 2
    """The hint waits for a worker that has a message already."""
    FIRST = 3
    """The hint waits, and a worker needs a message."""


class Inbox:
    """Hints between the web process and the workers."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._put = redis.register_script(_PUT)
        self._take = redis.register_script(_TAKE)

    def put(self, forge: Forge, delivery: tuple[str, str], hint: Hint, now: datetime) -> Placed:
        """Place a hint, unless its delivery is known or too many came. Raise ``RedisError`` if Redis is unavailable."""
        stated, digest = delivery
        keys = [
            f"{_PREFIX}:delivery:{forge}:{stated}",
            f"{_PREFIX}:body:{forge}:{digest}",
            f"{_PREFIX}:minute:{int(now.timestamp() // 60)}",
            f"{_PREFIX}:waiting",
            f"{_PREFIX}:sent",
        ]
        ends = [int(REMEMBERED.total_seconds()), int(SAME_BODY.total_seconds())]
        arguments: list[str | int] = [*ends, A_MINUTE, WAITING, _encoded(hint), now.isoformat()]
        return Placed(cast(int, self._put(keys, arguments)))

    def take(self, most: int) -> list[Hint]:
        """Remove and return at most ``most`` hints. A worker that is lost with them loses them."""
        taken = cast("list[bytes]", self._take([f"{_PREFIX}:waiting", f"{_PREFIX}:sent"], [most]))
        return [hint for field in taken if (hint := _decoded(field)) is not None]

    def waiting(self) -> int:
        """Return the number of hints that wait for a worker."""
        return self._redis.hlen(f"{_PREFIX}:waiting")

    def may_plan(self) -> bool:
        """Return whether a plan may be sent for hints: once in five seconds, because beat sends one each minute."""
        return bool(self._redis.set(f"{_PREFIX}:planned", "1", nx=True, ex=5))


def _encoded(hint: Hint) -> str:
    return json.dumps([hint.host, hint.paths, hint.repository_id, hint.sources])


def _decoded(field: bytes) -> Hint | None:
    """Return the hint of a field; ``None`` for one that another version wrote."""
    try:
        host, paths, repository_id, sources = json.loads(field)
        return Hint(str(host), tuple(paths), repository_id, tuple(Source(one) for one in sources))
    except (ValueError, TypeError):
        return None
