"""Counts by name in Redis over a recent time: one hash for each slot of time, which expires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError


@dataclass(frozen=True, slots=True)
class Bucket:
    """The counts of one slot, which began at ``start``."""

    start: datetime
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BucketedCounter:
    """A counter that all processes share, in slots of ``width``. ``prefix`` begins its keys.

    Slots begin at multiples of ``width`` since 1970, so every process counts in the same ones.
    """

    prefix: str
    width: timedelta
    kept: timedelta
    """Time after which a slot without a further count is deleted."""

    def add(self, pipe: Pipeline, amounts: Mapping[str, int], now: float) -> None:
        """Add ``amounts`` to the slot of ``now``, in seconds since 1970, when ``pipe`` is executed."""
        if not amounts:
            return
        key = self._key(self._slot(now))
        for name, amount in amounts.items():
            pipe.hincrby(key, name, amount)
        pipe.expire(key, self.kept)

    def read(self, client: Redis, count: int, now: float) -> list[Bucket]:
        """Return the newest ``count`` slots, oldest first. The last one is that of ``now``, which is incomplete.

        Raise ``RedisError`` if Redis does not respond.
        """
        last = self._slot(now)
        slots = range(last - count + 1, last + 1)
        with client.pipeline(transaction=False) as pipe:
            for slot in slots:
                pipe.hgetall(self._key(slot))
            stored: list[Mapping[bytes, bytes]] = pipe.execute()
        if len(stored) != count:
            raise RedisError("the response lacks some slots")
        return [Bucket(self._start(slot), _counts(found)) for slot, found in zip(slots, stored, strict=True)]

    def _slot(self, now: float) -> int:
        return int(now // self.width.total_seconds())

    def _start(self, slot: int) -> datetime:
        return datetime.fromtimestamp(slot * self.width.total_seconds(), UTC)

    def _key(self, slot: int) -> str:
        return f"{self.prefix}:{slot}"


def _counts(stored: Mapping[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(amount) for name, amount in stored.items()}
