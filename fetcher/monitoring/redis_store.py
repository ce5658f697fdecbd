"""Counts of all processes in one Redis hash, updated once a task in one round trip and read by the exporter."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from redis import Redis
from redis.exceptions import RedisError

from fetcher.monitoring.recent_lags import add_recent_lags
from fetcher.monitoring.recent_requests import add_recent_requests
from fetcher.monitoring.recent_spending import add_recent_spending
from fetcher.monitoring.recorder import MetricsRecorder, holds_latest

KEY = "fetcher:metrics"

SILENT = 5.0
"""Seconds without writes after a failed one. A task waits for a failing Redis at most once in this time."""


class RedisCounters:
    """Writer of a process's tally to the shared counts. It never raises: lost metrics must not fail a refresh.

    Amounts of a failed write are written with the next task's. Redis applies a tally completely or not at all. If only
    the reply is lost, the tally is counted twice. A killed process loses the counts since its last task.
    """

    def __init__(self, connect: Callable[[], Redis], clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._redis: Redis | None = None
        self._silent_until = float("-inf")

    def add(self, recorder: MetricsRecorder) -> bool:
        """Write the contents of ``recorder`` to Redis; return whether it succeeded."""
        if self._clock() < self._silent_until:
            return False
        taken = recorder.take()
        if not taken:
            return True
        try:
            self._write(taken)
        except Exception:  # noqa: BLE001  (a closed connection, a full Redis or a soft time limit costs metrics only)
            recorder.give_back(taken)
            self._silent_until = self._clock() + SILENT
            return False
        return True

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()

    def _write(self, amounts: Mapping[str, float]) -> None:
        if self._redis is None:
            self._redis = self._connect()
        with self._redis.pipeline(transaction=True) as pipe:
            for field, amount in amounts.items():
                if holds_latest(field):
                    pipe.hset(KEY, field, str(amount))
                else:
                    pipe.hincrbyfloat(KEY, field, amount)
            add_recent_requests(pipe, amounts, time.time())
            add_recent_lags(pipe, amounts, time.time())
            add_recent_spending(pipe, amounts, time.time())
            pipe.execute()


def read_counters(client: Redis) -> dict[str, float]:
    """Return all stored amounts by field; raise ``RedisError`` if Redis does not respond."""
    stored = client.hgetall(KEY)
    if not isinstance(stored, dict):
        raise RedisError("no hash")
    return {_text(field): float(amount) for field, amount in stored.items()}


def _text(value: bytes | str) -> str:
    """Decode ``value``, unless the client has decoded it."""
    return value.decode() if isinstance(value, bytes) else value
