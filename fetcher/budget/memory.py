"""The ledger in this process's memory: for one process without Redis, and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from itertools import count
from threading import Lock

from fetcher.budget.account import Account
from fetcher.budget.outlook import capacity, standings
from fetcher.budget.reserving import CROWDED, Refusal, reserve
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
from fetcher.budget.settling import charge, settle
from fetcher.ports import Ask, Bill, Grant, Standing, Verdict, Wait


class MemoryBudget:
    """A ``Budget`` whose ledger dies with the process; safe to share between threads."""

    def __init__(self, limits: Limits = DOCUMENTED) -> None:
        self._limits = limits
        self._accounts: dict[str, Account] = {}
        self._keys = count(1)
        self._lock = Lock()

    async def reserve(self, ask: Ask, now: datetime) -> Verdict:
        at = to_ms(now)
        with self._lock:
            key = str(next(self._keys))
            verdict = reserve(self._account(ask, at), self._terms(ask), key, ask.points, seconds_ms(ask.seconds), at)
        if isinstance(verdict, Refusal):
            return Wait(from_ms(verdict.until), verdict.reason, verdict.reason in CROWDED)
        return Grant(key, ask, from_ms(verdict))

    async def settle(self, grant: Grant, bill: Bill, now: datetime) -> None:
        at, ask = to_ms(now), grant.ask
        entry = charge(bill, ask.resource, self._limits)
        with self._lock:
            settle(self._account(ask, at), self._terms(ask), grant.id, to_ms(grant.at), entry, at)

    async def capacity(self, ask: Ask, horizon: timedelta, now: datetime) -> int:
        at, ms = to_ms(now), seconds_ms(ask.seconds)
        with self._lock:
            account = self._accounts.get(account_name(ask.identity, ask.resource))
            copy = deepcopy(account) if account else Account(seen=at)
        return capacity(copy, self._terms(ask), ask.points, ms, span_ms(horizon), at)

    async def standings(self, now: datetime) -> Sequence[Standing]:
        with self._lock:
            copies = deepcopy(self._accounts)
        return [
            standing
            for name, account in sorted(copies.items())
            for standing in standings(account, name, self._limits, to_ms(now))
        ]

    async def forget(self, identity: str) -> None:
        with self._lock:
            for name in account_names(identity):
                self._accounts.pop(name, None)

    def _account(self, ask: Ask, at: int) -> Account:
        return self._accounts.setdefault(account_name(ask.identity, ask.resource), Account(seen=at))

    def _terms(self, ask: Ask) -> Terms:
        return terms(self._limits, ask.resource, ask.purpose, ask.identity)
