"""Metrics of the workers: declared once, counted in each process, added up in Redis.

``docs/metrics.md`` explains why prometheus_client's own counters are not used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fetcher.monitoring.definitions import COUNTED, Counter, Histogram, Label
    from fetcher.monitoring.recent_lags import read_recent_lags
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
    "read_recent_lags",
    "read_recent_requests",
]

_MODULES = {
    "COUNTED": "definitions",
    "Counter": "definitions",
    "Histogram": "definitions",
    "Label": "definitions",
    "RedisCounters": "redis_store",
    "MetricsRecorder": "recorder",
    "read_counters": "redis_store",
    "read_recent_lags": "recent_lags",
    "read_recent_requests": "recent_requests",
}


def __getattr__(name: str) -> Any:
    """Import the module of a public name at its first use, because every command imports the package to log."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
