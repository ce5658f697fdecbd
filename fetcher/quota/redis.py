"""The ledger in Redis: every worker on every machine reserves from the same account, by one atomic script."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, NamedTuple, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import RedisError

from fetcher.http.messages import Resource
from fetcher.quota.account import Account, Meter, ReservationMs, Step
from fetcher.quota.base import QuotaRequest, QuotaStatus, Reservation, RetryAt, Usage
from fetcher.quota.estimate import capacity, quota_status
from fetcher.quota.limits import (
    DOCUMENTED,
    EffectiveLimits,
    Limits,
    account_name,
    account_names,
    effective_limits,
    from_ms,
    seconds_ms,
    span_ms,
    to_ms,
)
from fetcher.quota.reserve import CONTENTION
from fetcher.quota.settle import usage_ms

log = logging.getLogger(__name__)

UNREACHABLE: Final = "the quota ledger does not answer"
PREFIX: Final = "fetcher:quota:1:"
"""Prefix of all keys. The number is the version of the stored format: a worker never reads another version's ledger.
Increase it whenever a stored field is renamed or changes its meaning; the old keys expire within hours."""
_LOST_CALLS: Final = (RedisError, OSError, TimeoutError)
_MOST_UNSETTLED: Final = 1_000
"""Usages kept for later while Redis is unavailable; beyond it the oldest is dropped and its reservation expires."""
_RESOURCE, _ACCOUNT = 1, 2
"""What an upstream's pause applies to, as ``ledger.lua`` returns it."""

_Arg: TypeAlias = str | int


class _Reply(NamedTuple):
    """The script's reply: the ledger's epoch, and until when to wait and why."""

    epoch: str
    moment: int
    reason: str
    level: int
    """0, ``_RESOURCE`` or ``_ACCOUNT``."""
    cause: str


class _KnownPause(NamedTuple):
    """A pause demanded by an upstream, and when this process learnt of it."""

    at: int
    until: int
    cause: str
    reason: str


@dataclass(slots=True)
class _Memory:
    """What this process knows of an account, in case Redis loses its data."""

    epoch: str = ""
    at: int = 0
    listed_at: int = 0
    account: _KnownPause | None = None
    resources: dict[Resource, _KnownPause] = field(default_factory=dict)

    def learn(self, resource: Resource, reply: _Reply, at: int) -> None:
        """Keep the epoch and any pause of a reply."""
        pause = _KnownPause(at, reply.moment, reply.cause, reply.reason)
        if reply.epoch != self.epoch:
            self.listed_at = 0
        self.epoch, self.at = reply.epoch, at
        if reply.level == _ACCOUNT:
            self.account = pause
        elif reply.level == _RESOURCE:
            self.resources[resource] = pause

    def encoded(self, resource: Resource, at: int, skew: int) -> str:
        """Return the epoch and the pauses that still hold, for the script. A clock that was set back voids a pause."""
        known: dict[str, object] = {"epoch": self.epoch, "at": self.at}
        for name, pause in (("account", self.account), ("resource", self.resources.get(resource))):
            if pause is not None and pause.at - skew < at < pause.until:
                known[name] = {"until": pause.until, "cause": pause.cause, "reason": pause.reason}
        return json.dumps(known)


class RedisQuota:
    """A ``Quota`` shared through Redis (6.2 or later) or Valkey.

    It fails closed: while Redis is unavailable, reservations are refused and usages are settled later. If Redis loses
    its data, each process still knows the pauses it received. The epoch it has seen shows the new ledger that an
    earlier one was lost.
    """

    def __init__(
        self,
        redis: Redis,
        limits: Limits = DOCUMENTED,
        prefix: str = PREFIX,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._redis = redis
        self._limits = limits
        self._prefix = prefix
        self._timeout = timeout.total_seconds()
        self._script = redis.register_script(_script_text())
        self._memories: dict[str, _Memory] = {}
        self._unsettled: deque[tuple[Reservation, Usage]] = deque(maxlen=_MOST_UNSETTLED)

    async def reserve(self, request: QuotaRequest, now: datetime) -> Reservation | RetryAt:
        """See ``Quota``."""
        at = to_ms(now)
        key = os.urandom(9).hex()
        try:
            await self._settle_late(now)
            reply = await self._call("reserve", request, key, (request.points, seconds_ms(request.seconds)), at)
        except _LOST_CALLS as error:
            wait = self._limits.outage_retry
            log.warning("%s (%s): trying again in %s", UNREACHABLE, type(error).__name__, wait)
            return RetryAt(now + wait, f"{UNREACHABLE} ({type(error).__name__})")
        if reply.reason:
            return RetryAt(from_ms(reply.moment), reply.reason, reply.reason in CONTENTION)
        return Reservation(key, request, from_ms(reply.moment))

    async def settle(self, reservation: Reservation, usage: Usage, now: datetime) -> None:
        """See ``Quota``. While Redis is unavailable the usage is kept and settled with a later call."""
        try:
            await self._settle_late(now)
            await self._settle(reservation, usage, to_ms(now))
        except _LOST_CALLS as error:
            self._unsettled.append((reservation, usage))
            log.warning("%s (%s): %d usages to settle later", UNREACHABLE, type(error).__name__, len(self._unsettled))

    async def capacity(self, request: QuotaRequest, horizon: timedelta, now: datetime) -> int:
        """See ``Quota``. 0 while Redis is unavailable."""
        at = to_ms(now)
        try:
            async with asyncio.timeout(self._timeout):
                account = await self._read(account_name(request.identity, request.resource), at)
        except _LOST_CALLS as error:
            log.warning("%s (%s): no capacity", UNREACHABLE, type(error).__name__)
            return 0
        ms = seconds_ms(request.seconds)
        return capacity(account, self._effective(request), request.points, ms, span_ms(horizon), at)

    async def quota_status(self, now: datetime) -> Sequence[QuotaStatus]:
        """See ``Quota``."""
        at, index, found = to_ms(now), f"{self._prefix}accounts", list[QuotaStatus]()
        try:
            async with asyncio.timeout(self._timeout):
                for name in sorted(_text(name) for name in await self._redis.smembers(index)):
                    account = await self._read(name, at)
                    if not account.meters:
                        await self._redis.srem(index, name)
                    found.extend(quota_status(account, name, self._limits, at))
        except _LOST_CALLS as error:
            log.warning("%s (%s): no quota status", UNREACHABLE, type(error).__name__)
            return []
        return found

    async def forget(self, identity: str) -> None:
        """See ``Quota``. Only the listing is removed: requests in flight are still settled, and the account expires."""
        names = account_names(identity)
        try:
            async with asyncio.timeout(self._timeout):
                await self._redis.srem(f"{self._prefix}accounts", *names)
        except _LOST_CALLS as error:
            log.warning("%s (%s): %s stays in the quota status", UNREACHABLE, type(error).__name__, identity)
        for name in names:
            if memory := self._memories.get(name):
                memory.listed_at = 0

    def _effective(self, request: QuotaRequest) -> EffectiveLimits:
        return effective_limits(self._limits, request.resource, request.purpose, request.identity)

    async def _settle(self, reservation: Reservation, usage: Usage, at: int) -> None:
        request = reservation.request
        entry = json.dumps(asdict(usage_ms(usage, request.resource, self._limits)))
        await self._call("settle", request, reservation.id, (to_ms(reservation.at), entry), at)

    async def _settle_late(self, now: datetime) -> None:
        """Settle the usages kept during an outage; one that fails again is kept."""
        while self._unsettled:
            reservation, usage = self._unsettled.popleft()
            try:
                await self._settle(reservation, usage, to_ms(now))
            except _LOST_CALLS:
                self._unsettled.appendleft((reservation, usage))
                raise

    async def _call(self, operation: str, request: QuotaRequest, key: str, extra: tuple[_Arg, _Arg], at: int) -> _Reply:
        name = account_name(request.identity, request.resource)
        minute, life = span_ms(self._limits.minute), 3 * span_ms(self._limits.hour)
        memory = self._memories.setdefault(name, _Memory())
        known = memory.encoded(request.resource, at, span_ms(self._limits.skew)) if abs(at - memory.at) < life else ""
        head = (operation, at, _limits_json(self._effective(request)), key, life, known)
        async with asyncio.timeout(self._timeout):
            returned = await self._script(keys=[self._prefix + name], args=[*head, *extra])
            epoch, moment, reason, level, cause = returned
            reply = _Reply(_text(epoch), int(moment), _text(reason), int(level), _text(cause))
            memory.learn(request.resource, reply, at)
            if abs(at - memory.listed_at) > minute:
                await self._list(name, life)
                memory.listed_at = at
        return reply

    async def _list(self, name: str, life: int) -> None:
        """Add the account to the index that ``quota_status`` reads.

        The index is another key. In a cluster it may lie on another node, so the script cannot write it.
        """
        index = f"{self._prefix}accounts"
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.sadd(index, name)
            pipe.pexpire(index, life)
            await pipe.execute()

    async def _read(self, name: str, at: int) -> Account:
        stored = await self._redis.hgetall(self._prefix + name)
        return _account({_text(field): json.loads(value) for field, value in stored.items()}, at)


def _account(stored: Mapping[str, Any], at: int) -> Account:
    """Return a copy of the stored account; changes to it are not written."""
    head = {key: value for key, value in stored.get("account", {"clock": at}).items() if key != "epoch"}
    account = Account(**head)
    for name, value in stored.items():
        kind, _, rest = name.partition(":")
        if kind == "meter":
            flat = list(value.pop("log"))
            account.meters[rest] = Meter(**value, log=[Step(*flat[i : i + 3]) for i in range(0, len(flat), 3)])
        elif kind == "reservation":
            account.reservations[rest] = ReservationMs(**value)
    return account


@lru_cache(maxsize=256)
def _limits_json(limits: EffectiveLimits) -> str:
    return json.dumps(asdict(limits))


@lru_cache(maxsize=1)
def _script_text() -> str:
    return files("fetcher.quota").joinpath("ledger.lua").read_text("utf-8")


def _text(value: bytes | str) -> str:
    """Return text, whether or not the client decodes responses."""
    return value.decode() if isinstance(value, bytes) else value
