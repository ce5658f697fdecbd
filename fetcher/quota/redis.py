"""The ledger in Redis: every worker on every machine reserves from the same account.

An account is one value with a random version. A process reads it, applies the rules in Python, and writes it back if
its version is still the same (compare-and-set); after a conflict it applies the rules to the newer value. The calls of
a process that wait for each other are committed together, so a busy process conflicts no more often than an idle one.
``benchmarks/README.md`` compares this with the rules as a Lua script.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from fetcher.quota.account import Account, account_name
from fetcher.quota.base import QuotaRequest, QuotaStatus, Reservation, RetryAt, Usage
from fetcher.quota.encoding import FORMAT, decode, encode
from fetcher.quota.estimate import capacity, quota_status
from fetcher.quota.limits import (
    EffectiveLimits,
    Policies,
    effective_limits,
    from_ms,
    seconds_ms,
    span_ms,
    to_ms,
)
from fetcher.quota.recovery import recover
from fetcher.quota.reserve import CONTENTION, Refusal, reserve
from fetcher.quota.settle import settle, usage_ms

log = logging.getLogger(__name__)

T = TypeVar("T")

UNREACHABLE: Final = "the quota ledger does not answer"
PREFIX: Final = f"fetcher:quota:{FORMAT}:"
"""Prefix of all keys, with the version of the stored form. Keys of older versions expire within hours."""
ATTEMPTS: Final = 200
"""Compare-and-set attempts of one commit. Fewer refuse requests under contention; more only matter beyond the timeout.
Eight processes without a pause need about three."""
_LIFETIME: Final = 3
"""Longest hours of an upstream until an unused account expires: longer than the upstream's longest window."""
_VERSION: Final = 16
"""Characters of the version in front of a stored account; the script repeats this number."""
_LOST_CALLS: Final = (RedisError, OSError, TimeoutError)
_MOST_UNSETTLED: Final = 1_000
"""Usages kept for later while Redis is unavailable; beyond it the oldest is dropped and its reservation expires."""

_COMPARE_AND_SET: Final = """
local stored = redis.call('GET', KEYS[1])
if (stored and string.sub(stored, 1, 16) or '') ~= ARGV[1] then return stored or '' end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
"""KEYS[1]: the account. ARGV: the expected version, "" for none; the new value; ms to live. Returns 1, or the stored
value if its version is another."""


class TooManyConflicts(RedisError):
    """A commit that other processes prevented ``attempts`` times."""


@dataclass(slots=True, eq=False)
class _Change:
    """A change of an account that waits for its commit."""

    apply: Callable[[Account], Any]
    result: Any = None
    committed: bool = False


@dataclass(slots=True)
class _Ledger:
    """One account as this process knows it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Change] = field(default_factory=list)
    epoch: str = ""
    """Identifies the stored ledger; another epoch shows that Redis has lost its data."""
    account: Account | None = None
    """The account as last committed, for recovery."""
    at: int = 0
    """The time of the last commit, in ms."""
    listed_at: int = 0


class RedisQuota:
    """A ``Quota`` shared through Redis (6.2 or later) or Valkey.

    It fails closed: while Redis is unavailable, reservations are refused and usages are settled later. If Redis loses
    its data, each process restores the pauses it knows of. The epoch it has seen shows that a ledger was lost.
    """

    def __init__(
        self,
        redis: Redis,
        policies: Policies,
        prefix: str = PREFIX,
        timeout: timedelta = timedelta(seconds=5),
        attempts: int = ATTEMPTS,
    ) -> None:
        self._redis = redis
        self.adopt(policies)
        self._prefix = prefix
        self._timeout = timeout.total_seconds()
        self._attempts = attempts
        self._compare_and_set = redis.register_script(_COMPARE_AND_SET)
        self._ledgers: dict[str, _Ledger] = {}
        self._unsettled: deque[tuple[Reservation, Usage]] = deque(maxlen=_MOST_UNSETTLED)
        self.commits = 0
        """Accounts written, for benchmarks."""
        self.conflicts = 0
        """Compare-and-set attempts that found another version, for benchmarks."""

    def adopt(self, policies: Policies) -> None:
        """Replace the policies after an upstream was added. Accounts stay."""
        self._policies = policies
        hour = max(span_ms(policy.hour) for policy in policies.values())
        self._life = _LIFETIME * hour
        self._list_every = hour // 60

    async def reserve(self, request: QuotaRequest, now: datetime) -> Reservation | RetryAt:
        """See ``Quota``."""
        at, ms, key = to_ms(now), seconds_ms(request.seconds), os.urandom(9).hex()
        limits = self._effective(request)
        try:
            await self._settle_late(now)
            found = await self._commit(
                request, at, lambda account: reserve(account, limits, key, request.points, ms, at)
            )
        except _LOST_CALLS as error:
            wait = self._policies[request.upstream].outage_retry
            log.warning("%s (%s): trying again in %s", UNREACHABLE, type(error).__name__, wait)
            return RetryAt(now + wait, f"{UNREACHABLE} ({type(error).__name__})")
        if isinstance(found, Refusal):
            return RetryAt(from_ms(found.until), found.reason, found.reason in CONTENTION)
        return Reservation(key, request, from_ms(found))

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
        at, ms = to_ms(now), seconds_ms(request.seconds)
        try:
            async with asyncio.timeout(self._timeout):
                account = await self._read(account_name(request.identity, request.upstream), at)
        except _LOST_CALLS as error:
            log.warning("%s (%s): no capacity", UNREACHABLE, type(error).__name__)
            return 0
        return capacity(account, self._effective(request), request.points, ms, span_ms(horizon), at)

    async def quota_status(self, now: datetime) -> Sequence[QuotaStatus]:
        """See ``Quota``."""
        at, found = to_ms(now), list[QuotaStatus]()
        try:
            async with asyncio.timeout(self._timeout):
                for name in sorted(_text(name) for name in await self._redis.smembers(self._index)):
                    account = await self._read(name, at)
                    if not account.meters:
                        await self._redis.srem(self._index, name)
                    found.extend(quota_status(account, name, self._policies, at))
        except _LOST_CALLS as error:
            log.warning("%s (%s): no quota status", UNREACHABLE, type(error).__name__)
            return []
        return found

    async def forget(self, identity: str) -> None:
        """See ``Quota``. Only the listing is removed: requests in flight are still settled, and the account expires."""
        names = [account_name(identity, upstream) for upstream in self._policies]
        try:
            async with asyncio.timeout(self._timeout):
                await self._redis.srem(self._index, *names)
        except _LOST_CALLS as error:
            log.warning("%s (%s): %s stays in the quota status", UNREACHABLE, type(error).__name__, identity)
        for name in names:
            if ledger := self._ledgers.get(name):
                ledger.listed_at = 0

    @property
    def _index(self) -> str:
        """Return the key that lists the accounts. In a cluster it may lie on another node than an account."""
        return f"{self._prefix}accounts"

    def _effective(self, request: QuotaRequest) -> EffectiveLimits:
        return effective_limits(self._policies[request.upstream], request.resource, request.purpose, request.identity)

    async def _settle(self, reservation: Reservation, usage: Usage, at: int) -> None:
        request, limits = reservation.request, self._effective(reservation.request)
        entry, sent = usage_ms(usage, request.resource, self._policies[request.upstream]), to_ms(reservation.at)
        await self._commit(request, at, lambda account: settle(account, limits, reservation.id, sent, entry, at))

    async def _settle_late(self, now: datetime) -> None:
        """Settle the usages kept during an outage; one that fails again is kept."""
        while self._unsettled:
            reservation, usage = self._unsettled.popleft()
            try:
                await self._settle(reservation, usage, to_ms(now))
            except _LOST_CALLS:
                self._unsettled.appendleft((reservation, usage))
                raise

    async def _commit(self, request: QuotaRequest, at: int, apply: Callable[[Account], T]) -> T:
        """Apply a change to the request's account and return its result once it is stored.

        The call that holds the lock commits all waiting changes. A change whose call has timed out may still be
        stored: a reservation then expires as spent, and a usage is counted twice, which is safe.
        """
        name = account_name(request.identity, request.upstream)
        ledger = self._ledgers.setdefault(name, _Ledger())
        change = _Change(apply)
        ledger.waiting.append(change)
        try:
            async with asyncio.timeout(self._timeout), ledger.lock:
                if not change.committed:
                    await self._commit_waiting(name, ledger, self._effective(request), at)
        finally:
            ledger.waiting = [each for each in ledger.waiting if each is not change]
        result: T = change.result
        return result

    async def _commit_waiting(self, name: str, ledger: _Ledger, limits: EffectiveLimits, at: int) -> None:
        changes = list(ledger.waiting)
        stored = await self._redis.get(self._prefix + name)
        for _ in range(self._attempts):
            account, epoch = _decoded(stored) if stored else (Account(clock=at), os.urandom(8).hex())
            if ledger.account is not None and epoch != ledger.epoch and abs(at - ledger.at) < self._life:
                recover(account, ledger.account, ledger.at, limits, at)
            results = [each.apply(account) for each in changes]
            stored = await self._write(name, _text(stored or "")[:_VERSION], account, epoch)
            if stored == 1:
                self.commits += 1
                if epoch != ledger.epoch:
                    ledger.listed_at = 0
                ledger.account, ledger.epoch, ledger.at = account, epoch, at
                for each, result in zip(changes, results, strict=True):
                    each.result, each.committed = result, True
                ledger.waiting = [each for each in ledger.waiting if not each.committed]
                await self._list(name, ledger, at)
                return
            self.conflicts += 1
        raise TooManyConflicts

    async def _write(self, name: str, version: str, account: Account, epoch: str) -> Any:
        """Store an account in place of ``version``; return 1, or the stored value if its version is another."""
        value = os.urandom(_VERSION // 2).hex() + encode(account, epoch)
        life = self._life + max(0, account.paused_until - account.clock)
        return await self._compare_and_set(keys=[self._prefix + name], args=[version, value, life])

    async def _list(self, name: str, ledger: _Ledger, at: int) -> None:
        """Add the account to the index that ``quota_status`` reads, once a minute."""
        if abs(at - ledger.listed_at) <= self._list_every:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.sadd(self._index, name)
            pipe.pexpire(self._index, self._life)
            await pipe.execute()
        ledger.listed_at = at

    async def _read(self, name: str, at: int) -> Account:
        stored = await self._redis.get(self._prefix + name)
        return _decoded(stored)[0] if stored else Account(clock=at)


def _decoded(stored: bytes | str) -> tuple[Account, str]:
    return decode(_text(stored)[_VERSION:])


def _text(value: bytes | str) -> str:
    """Return text, whether or not the client decodes responses."""
    return value.decode() if isinstance(value, bytes) else value
