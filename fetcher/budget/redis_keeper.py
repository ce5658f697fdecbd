"""The ledger in Redis: one atomic script, so that every worker of every machine spends from the same account."""

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

from fetcher.budget.account import Account, Hold, Meter, Step
from fetcher.budget.outlook import capacity, standings
from fetcher.budget.reserving import CROWDED
from fetcher.budget.rules import (
    DOCUMENTED,
    Limits,
    Terms,
    account_name,
    account_names,
    from_ms,
    seconds_ms,
    span_ms,
    terms,
    to_ms,
)
from fetcher.budget.settling import charge
from fetcher.ports import Ask, Bill, Grant, Standing, Verdict, Wait
from fetcher.wire import Resource

log = logging.getLogger(__name__)

UNREACHABLE: Final = "the quota ledger does not answer"
_LOST_CALLS: Final = (RedisError, OSError, TimeoutError)
_MOST_OWED: Final = 1_000
_RESOURCE, _ACCOUNT = 1, 2
"""For whom an upstream told to wait, as ``ledger.lua`` says it."""

_Arg: TypeAlias = str | int


class _Reply(NamedTuple):
    """What the script answers: which ledger it is, and how long to wait for what (and whom an upstream told so)."""

    epoch: str
    moment: int
    why: str
    told: int


class _Told(NamedTuple):
    """A pause of which an upstream told, and when this process learnt of it."""

    at: int
    moment: int
    why: str


@dataclass(slots=True)
class _Memory:
    """What this process remembers of an account, should Redis forget it."""

    epoch: str = ""
    at: int = 0
    enlisted: int = 0
    account: _Told | None = None
    resources: dict[Resource, _Told] = field(default_factory=dict)

    def learn(self, resource: Resource, reply: _Reply, at: int) -> None:
        told = _Told(at, reply.moment, reply.why)
        if reply.epoch != self.epoch:
            self.enlisted = 0
        self.epoch, self.at = reply.epoch, at
        if reply.told == _ACCOUNT:
            self.account = told
        elif reply.told == _RESOURCE:
            self.resources[resource] = told

    def words(self, resource: Resource, at: int, skew: int) -> str:
        """For the script: the epoch, and what was told and still holds. A clock that was set back voids it."""
        words: dict[str, object] = {"epoch": self.epoch, "at": self.at}
        for name, told in (("account", self.account), ("resource", self.resources.get(resource))):
            if told is not None and told.at - skew < at < told.moment:
                words[name] = {"moment": told.moment, "why": told.why}
        return json.dumps(words)


class RedisBudget:
    """A ``Budget`` shared through Redis (6.2 or later) or Valkey.

    It fails closed: while Redis does not answer, everybody waits, and bills are owed until it does. Should Redis lose
    its data, each process still knows the pauses that it was told, and the epoch that it saw tells the new ledger that
    it is not the first.
    """

    def __init__(
        self,
        redis: Redis,
        limits: Limits = DOCUMENTED,
        prefix: str = "fetcher:budget:",
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        self._redis = redis
        self._limits = limits
        self._prefix = prefix
        self._patience = patience.total_seconds()
        self._script = redis.register_script(_script_text())
        self._memories: dict[str, _Memory] = {}
        self._owed: deque[tuple[Grant, Bill]] = deque(maxlen=_MOST_OWED)

    async def reserve(self, ask: Ask, now: datetime) -> Verdict:
        at = to_ms(now)
        key = os.urandom(9).hex()
        try:
            await self._pay_debts(now)
            reply = await self._call("reserve", ask, key, (ask.points, seconds_ms(ask.seconds)), at)
        except _LOST_CALLS as error:
            log.warning("%s (%s): asking again in %s", UNREACHABLE, type(error).__name__, self._limits.outage)
            return Wait(now + self._limits.outage, f"{UNREACHABLE} ({type(error).__name__})")
        if reply.why:
            return Wait(from_ms(reply.moment), reply.why, reply.why in CROWDED)
        return Grant(key, ask, from_ms(reply.moment))

    async def settle(self, grant: Grant, bill: Bill, now: datetime) -> None:
        try:
            await self._pay_debts(now)
            await self._settle(grant, bill, to_ms(now))
        except _LOST_CALLS as error:
            self._owed.append((grant, bill))
            log.warning("%s (%s): %d bills are owed", UNREACHABLE, type(error).__name__, len(self._owed))

    async def capacity(self, ask: Ask, horizon: timedelta, now: datetime) -> int:
        at = to_ms(now)
        try:
            async with asyncio.timeout(self._patience):
                account = await self._read(account_name(ask.identity, ask.resource), at)
        except _LOST_CALLS as error:
            log.warning("%s (%s): no capacity", UNREACHABLE, type(error).__name__)
            return 0
        return capacity(account, self._terms(ask), ask.points, seconds_ms(ask.seconds), span_ms(horizon), at)

    async def standings(self, now: datetime) -> Sequence[Standing]:
        """Empty while Redis does not answer."""
        at, index, found = to_ms(now), f"{self._prefix}accounts", list[Standing]()
        try:
            async with asyncio.timeout(self._patience):
                for name in sorted(_text(name) for name in await self._redis.smembers(index)):
                    account = await self._read(name, at)
                    if not account.meters:
                        await self._redis.srem(index, name)
                    found.extend(standings(account, name, self._limits, at))
        except _LOST_CALLS as error:
            log.warning("%s (%s): no standings", UNREACHABLE, type(error).__name__)
            return []
        return found

    async def forget(self, identity: str) -> None:
        """Strike it off the list only: what is in flight under the name is still settled, and its ledger expires."""
        names = account_names(identity)
        try:
            async with asyncio.timeout(self._patience):
                await self._redis.srem(f"{self._prefix}accounts", *names)
        except _LOST_CALLS as error:
            log.warning("%s (%s): %s stays in the standings", UNREACHABLE, type(error).__name__, identity)
        for name in names:
            if memory := self._memories.get(name):
                memory.enlisted = 0

    def _terms(self, ask: Ask) -> Terms:
        return terms(self._limits, ask.resource, ask.purpose, ask.identity)

    async def _settle(self, grant: Grant, bill: Bill, at: int) -> None:
        ask = grant.ask
        entry = json.dumps(asdict(charge(bill, ask.resource, self._limits)))
        await self._call("settle", ask, grant.id, (to_ms(grant.at), entry), at)

    async def _pay_debts(self, now: datetime) -> None:
        """Settle what could not be settled; a bill that is refused again stays owed."""
        while self._owed:
            grant, bill = self._owed.popleft()
            try:
                await self._settle(grant, bill, to_ms(now))
            except _LOST_CALLS:
                self._owed.appendleft((grant, bill))
                raise

    async def _call(self, operation: str, ask: Ask, key: str, extra: tuple[_Arg, _Arg], at: int) -> _Reply:
        name = account_name(ask.identity, ask.resource)
        minute, life = span_ms(self._limits.minute), 3 * span_ms(self._limits.hour)
        memory = self._memories.setdefault(name, _Memory())
        words = memory.words(ask.resource, at, span_ms(self._limits.skew)) if abs(at - memory.at) < life else ""
        head = (operation, at, _terms_json(self._terms(ask)), key, life, words)
        async with asyncio.timeout(self._patience):
            answer = await self._script(keys=[self._prefix + name], args=[*head, *extra])
            reply = _Reply(_text(answer[0]), int(answer[1]), _text(answer[2]), int(answer[3]))
            memory.learn(ask.resource, reply, at)
            if abs(at - memory.enlisted) > minute:
                await self._enlist(name, life)
                memory.enlisted = at
        return reply

    async def _enlist(self, name: str, life: int) -> None:
        """Name the account where ``standings`` looks: another key, so in a cluster no business of the script's."""
        index = f"{self._prefix}accounts"
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.sadd(index, name)
            pipe.pexpire(index, life)
            await pipe.execute()

    async def _read(self, name: str, at: int) -> Account:
        stored = await self._redis.hgetall(self._prefix + name)
        return _account({_text(field): json.loads(value) for field, value in stored.items()}, at)


def _account(stored: Mapping[str, Any], at: int) -> Account:
    """A copy of what the script keeps; nothing that happens to it is written."""
    head = {key: value for key, value in stored.get("account", {"seen": at}).items() if key != "epoch"}
    account = Account(**head)
    for name, value in stored.items():
        kind, _, rest = name.partition(":")
        if kind == "meter":
            flat = list(value.pop("log"))
            account.meters[rest] = Meter(**value, log=[Step(*flat[i : i + 3]) for i in range(0, len(flat), 3)])
        elif kind == "hold":
            account.holds[rest] = Hold(**value)
    return account


@lru_cache(maxsize=256)
def _terms_json(terms: Terms) -> str:
    return json.dumps(asdict(terms))


@lru_cache(maxsize=1)
def _script_text() -> str:
    return files("fetcher.budget").joinpath("ledger.lua").read_text("utf-8")


def _text(value: bytes | str) -> str:
    """The client may or may not decode: the ledger does not depend on it."""
    return value.decode() if isinstance(value, bytes) else value
