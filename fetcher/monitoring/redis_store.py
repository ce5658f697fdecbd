"""All processes' counts as one hash in Redis: added to once a task, in one round trip, and read by the exporter."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from redis import Redis
from redis.exceptions import RedisError

from fetcher.monitoring.recent_requests import add_lately
from fetcher.monitoring.recorder import Tally, holds_latest

KEY = "fetcher:metrics"

SILENT = 5.0
"""Seconds for which nothing is told after Redis did not answer: no task waits for a figure more than once in them."""


class RedisCounters:
    """Adds a process's tally to everybody's, and never raises: a refresh does not fail for want of a figure.

    What could not be told is told with the next task's. Redis applies a tally as a whole or not at all; one of which
    only the reply was lost is told twice. A killed process takes with it what it counted since its last task.
    """

    def __init__(self, connect: Callable[[], Redis], clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._redis: Redis | None = None
        self._silent_until = float("-inf")

    def add(self, tally: Tally) -> bool:
        """Tell what is in ``tally``; returns whether it has been told."""
        if self._clock() < self._silent_until:
            return False
        taken = tally.take()
        if not taken:
            return True
        try:
            self._tell(taken)
        except Exception:  # noqa: BLE001  (a closed connection, a full Redis, a soft time limit: all cost figures only)
            tally.give_back(taken)
            self._silent_until = self._clock() + SILENT
            return False
        return True

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()

    def _tell(self, amounts: Mapping[str, float]) -> None:
        if self._redis is None:
            self._redis = self._connect()
        with self._redis.pipeline(transaction=True) as pipe:
            for field, amount in amounts.items():
                if holds_latest(field):
                    pipe.hset(KEY, field, str(amount))
                else:
                    pipe.hincrbyfloat(KEY, field, amount)
            add_lately(pipe, amounts, time.time())
            pipe.execute()


def read_counters(client: Redis) -> dict[str, float]:
    """Everything that was ever told, by field; raises ``RedisError`` if Redis does not answer."""
    stored = client.hgetall(KEY)
    if not isinstance(stored, dict):
        raise RedisError("no hash")
    return {_text(field): float(amount) for field, amount in stored.items()}


def _text(value: bytes | str) -> str:
    """The client may or may not decode."""
    return value.decode() if isinstance(value, bytes) else value
