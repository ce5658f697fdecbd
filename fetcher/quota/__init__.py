"""The quota ledger: every request is reserved before it is sent and settled after its response.

``limits``, ``account``, ``reserve``, ``settle`` and ``estimate`` are pure. ``MemoryQuota`` and ``RedisQuota`` keep the
same ledger in different places and pass one contract suite. Import ``RedisQuota`` from ``fetcher.quota.redis``, so that
a process without Redis does not import the client.
"""

from __future__ import annotations

from fetcher.quota.base import (
    Pause,
    PauseCause,
    Quota,
    QuotaRequest,
    QuotaStatus,
    Reservation,
    RetryAt,
    Usage,
)
from fetcher.quota.limits import Policies, QuotaPolicy, ResourceLimits
from fetcher.quota.memory import MemoryQuota

__all__ = [
    "MemoryQuota",
    "Pause",
    "PauseCause",
    "Policies",
    "Quota",
    "QuotaPolicy",
    "QuotaRequest",
    "QuotaStatus",
    "Reservation",
    "ResourceLimits",
    "RetryAt",
    "Usage",
]
