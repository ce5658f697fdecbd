"""Inspect command that reports a worker's load in one reply, because each broadcast takes a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from celery.worker import state as worker_state
from celery.worker.control import inspect_command

QUESTION = "fetcher_load"


@inspect_command(name=QUESTION)
def load(state: Any, **_: Any) -> dict[str, Any]:
    """Return the worker's queues, and the numbers of running and reserved messages by queue."""
    consumer = state.consumer.task_consumer
    running = state.tset(worker_state.active_requests)
    return {
        "queues": [queue.name for queue in consumer.queues] if consumer else [],
        "running": _by_queue(running),
        "reserved": _by_queue(state.tset(worker_state.reserved_requests) - running),
    }


def _by_queue(requests: Iterable[Any]) -> dict[str, int]:
    return dict(Counter(str((request.delivery_info or {}).get("routing_key")) for request in requests))
