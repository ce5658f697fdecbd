"""What Celery's queues hold and who takes from them, read from Redis and from the workers themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from fetcher.errors import BrokerError
from fetcher.settings import Settings
from fetcher.wiring import redis_client
from tasks.app import QUEUES, app

PRIORITY_STEPS = (0, 3, 6, 9)
"""kombu keeps a list a priority step: ``q`` and ``q\\x06\\x163`` …; a queue's length is the sum of them."""

_SEPARATOR = "\x06\x16"
_ANSWER_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue. ``unacknowledged`` messages are taken but not finished; Redis counts those of all queues together."""

    name: str
    waiting: int
    consumers: tuple[str, ...]
    unacknowledged: int


def queue_states(settings: Settings) -> list[QueueState]:
    """Every queue, with the workers that answered within a second."""
    client: Any = redis_client(settings)
    try:
        waiting = {
            name: sum(client.llen(name + (f"{_SEPARATOR}{step}" if step else "")) for step in PRIORITY_STEPS)
            for name in QUEUES
        }
        unacknowledged = client.hlen("unacked")
        takers = app.control.inspect(timeout=_ANSWER_WITHIN).active_queues() or {}
    except (RedisError, OSError, OperationalError) as error:
        raise BrokerError(
            f"Redis cannot be reached ({type(error).__name__})",
            "Start `fetcher up`, or set FETCHER_REDIS_URL to a server that runs",
        ) from None
    finally:
        client.close()
    return [
        QueueState(
            name,
            count,
            tuple(sorted(worker for worker, taken in takers.items() if name in {queue["name"] for queue in taken})),
            unacknowledged,
        )
        for name, count in waiting.items()
    ]
