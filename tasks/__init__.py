"""Celery application of Fetcher, for ``celery -A tasks worker`` and ``celery -A tasks beat``."""

from tasks import lifecycle, queue_throughput
from tasks.app import app

__all__ = ["app", "lifecycle", "queue_throughput"]
