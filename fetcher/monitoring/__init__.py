"""Metrics of the workers: declared once, counted in each process, added up in Redis.

``docs/metrics.md`` explains why prometheus_client's own counters are not used.
"""

from __future__ import annotations

from fetcher.monitoring.definitions import COUNTED, Counter, Histogram, Label
from fetcher.monitoring.recent_requests import read_recent_requests
from fetcher.monitoring.recorder import MetricsRecorder
from fetcher.monitoring.redis_store import RedisCounters, read_counters

__all__ = [
    "COUNTED",
    "Counter",
    "Histogram",
    "Label",
    "RedisCounters",
    "MetricsRecorder",
    "read_counters",
    "read_recent_requests",
]
