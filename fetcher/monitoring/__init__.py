"""What is counted: declared once, tallied in each worker process, kept in Redis for all of them.

Why so, and not prometheus_client's own counters: ``docs/metrics.md``.
"""

from __future__ import annotations

from fetcher.monitoring.definitions import COUNTED, Counter, Histogram, Label
from fetcher.monitoring.recent_requests import read_lately
from fetcher.monitoring.recorder import Tally
from fetcher.monitoring.redis_store import RedisCounters, read_counters

__all__ = ["COUNTED", "Counter", "Histogram", "Label", "RedisCounters", "Tally", "read_counters", "read_lately"]
