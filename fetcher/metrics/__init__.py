"""What is counted: declared once, tallied in each worker process, kept in Redis for all of them.

Why so, and not prometheus_client's own counters: ``docs/metrics.md``.
"""

from __future__ import annotations

from fetcher.metrics.declared import COUNTED, Counter, Histogram, Label
from fetcher.metrics.keeper import RedisCounters, read_counters
from fetcher.metrics.lately import read_lately
from fetcher.metrics.tally import Tally

__all__ = ["COUNTED", "Counter", "Histogram", "Label", "RedisCounters", "Tally", "read_counters", "read_lately"]
