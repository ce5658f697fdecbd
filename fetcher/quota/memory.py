"""The ledger in this process's memory: for a single process without Redis, and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from itertools import count
from threading import Lock

from fetcher.quota.account import Account, account_name
from fetcher.quota.base import QuotaRequest, QuotaStatus, Reservation, RetryAt, Usage
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
from fetcher.quota.reserve import CONTENTION, Refusal, reserve
from fetcher.quota.settle import settle, usage_ms


class MemoryQuota:
    """A ``Quota`` that ends with the process; safe to share between threads."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._accounts: dict[str, Account] = {}
        self._keys = count(1)
        self._lock = Lock()

    def adopt(self, policies: Policies) -> None:
        """Replace the policies after an upstream was added. Accounts stay."""
        self._policies = policies

    async def reserve(self, request: QuotaRequest, now: datetime) -> Reservation | RetryAt:
        """See ``Quota``."""
        at, ms = to_ms(now), seconds_ms(request.seconds)
        with self._lock:
            key = str(next(self._keys))
            found = reserve(self._account(request, at), self._effective(request), key, request.points, ms, at)
        if isinstance(found, Refusal):
            return RetryAt(from_ms(found.until), found.reason, found.reason in CONTENTION)
        return Reservation(key, request, from_ms(found))

    async def settle(self, reservation: Reservation, usage: Usage, now: datetime) -> None:
        """See ``Quota``."""
        at, request = to_ms(now), reservation.request
        entry = usage_ms(usage, request.resource, self._policies[request.upstream])
        with self._lock:
            limits = self._effective(request)
            settle(self._account(request, at), limits, reservation.id, to_ms(reservation.at), entry, at)

    async def capacity(self, request: QuotaRequest, horizon: timedelta, now: datetime) -> int:
        """See ``Quota``."""
        at, ms = to_ms(now), seconds_ms(request.seconds)
        with self._lock:
            account = self._accounts.get(account_name(request.identity, request.upstream))
            copy = deepcopy(account) if account else Account(clock=at)
        return capacity(copy, self._effective(request), request.points, ms, span_ms(horizon), at)

    async def quota_status(self, now: datetime) -> Sequence[QuotaStatus]:
        """See ``Quota``."""
        with self._lock:
            copies = deepcopy(self._accounts)
        return [
            status
            for name, account in sorted(copies.items())
            for status in quota_status(account, name, self._policies, to_ms(now))
        ]

    async def forget(self, identity: str) -> None:
        """See ``Quota``."""
        with self._lock:
            for upstream in self._policies:
                self._accounts.pop(account_name(identity, upstream), None)

    def _account(self, request: QuotaRequest, at: int) -> Account:
        return self._accounts.setdefault(account_name(request.identity, request.upstream), Account(clock=at))

    def _effective(self, request: QuotaRequest) -> EffectiveLimits:
        return effective_limits(self._policies[request.upstream], request.resource, request.purpose, request.identity)
