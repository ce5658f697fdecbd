"""The quota ledger: every request is reserved before it is sent and settled after it.

``rules`` and the modules on it are pure; ``MemoryBudget`` and ``RedisBudget`` keep the same ledger in two places and
pass one contract suite. ``RedisBudget`` is imported from ``fetcher.budget.redis_keeper`` so that who needs no Redis
imports none.
"""

from __future__ import annotations

from fetcher.budget.memory import MemoryBudget
from fetcher.budget.rules import Limits

__all__ = ["Limits", "MemoryBudget"]
