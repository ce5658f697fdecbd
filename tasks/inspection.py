"""State of Celery's queues and their consumers, read from Redis and from the workers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from fetcher.broker import redis_client, redis_unavailable
from fetcher.settings import Settings, read_settings
from tasks.app import QUEUES, WEBHOOKS, app
from tasks.queue_throughput import SENT_AT, Rates, rates

PRIORITY_STEPS = (0, 3, 6, 9)
"""kombu's priority steps. It keeps a list for each: ``q``, ``q\\x06\\x163`` …; a queue's length is their sum."""

QUESTION = "fetcher_load"
"""Name of the inspect command in ``tasks.inspect_command``. Importing it from there would import all of a worker."""

_SEPARATOR = "\x06\x16"
_ANSWER_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class QueueState:
    """State of one queue. ``unacknowledged`` counts the messages taken but not finished in all queues together."""

    name: str
    waiting: int
    consumers: tuple[str, ...]
    unacknowledged: int
    reserved: int | None = None
    """Messages taken by a worker without a free process for them; ``None`` if no worker responded."""
    running: int | None = None
    oldest_sent_at: datetime | None = None
    """The time at which the longest-waiting message was sent."""
    published: float = 0.0
    """Messages per second that were published, over the last minutes."""
    finished: float = 0.0

    @property
    def is_stuck(self) -> bool:
        """Return whether the queue has messages but no consumer."""
        return bool(self.waiting) and not self.consumers

    @property
    def empty_in(self) -> timedelta | None:
        """Return the time until the queue is empty at the current rates; ``None`` if it does not shrink."""
        if not self.waiting:
            return timedelta(0)
        gain = self.finished - self.published
        return timedelta(seconds=self.waiting / gain) if gain > 0 else None


@dataclass(frozen=True, slots=True)
class Load:
    """Queues and messages of one worker, from its reply."""

    queues: tuple[str, ...]
    running: Mapping[str, int]
    reserved: Mapping[str, int]


def queue_states(settings: Settings) -> list[QueueState]:
    """Return the state of every queue, with the workers that respond within a second."""
    client: Any = redis_client(settings)
    now = datetime.now(UTC)
    try:
        lists = {name: [name + (f"{_SEPARATOR}{step}" if step else "") for step in PRIORITY_STEPS] for name in QUEUES}
        waiting = {name: sum(client.llen(key) for key in keys) for name, keys in lists.items()}
        oldest = {name: _oldest([client.lindex(key, -1) for key in keys]) for name, keys in lists.items()}
        unacknowledged = client.hlen("unacked")
        passing = rates(client, QUEUES, now.timestamp())
        loads = _loads()
    except (RedisError, OSError, OperationalError) as error:
        raise redis_unavailable(error, settings) from None
    finally:
        client.close()
    return [_state(name, waiting[name], unacknowledged, oldest[name], passing[name], loads) for name in QUEUES]


def idle(queues: Sequence[QueueState]) -> str | None:
    """Return the workers' problem: none responds, or queues without a consumer. ``None`` without a problem.

    The queue of webhooks needs a consumer only while it has messages, which are sent only if there are endpoints.
    """
    empty = [queue.name for queue in queues if not queue.consumers and (queue.waiting or queue.name != WEBHOOKS)]
    if not any(queue.consumers for queue in queues):
        return "no worker responded within a second"
    return f"no worker consumes {', '.join(empty)}" if empty else None


def worker_names() -> tuple[str, ...]:
    """Return the workers that respond within a second; raise ``BrokerError`` if Redis does not respond."""
    try:
        return tuple(sorted(_loads()))
    except (RedisError, OSError, OperationalError) as error:
        raise redis_unavailable(error, read_settings()) from None


class _ConsumerSeen(Exception):
    """Ends a broadcast at the first reply that answers the question."""


def is_consumed(queue: str) -> bool:
    """Return whether a worker consumes ``queue``, as soon as one replies so, or after a second without such a reply."""

    def look(reply: Mapping[str, Mapping[str, Any]]) -> None:
        if any(queue in _load(answer).queues for answer in reply.values()):
            raise _ConsumerSeen

    try:
        app.control.broadcast(QUESTION, reply=True, timeout=_ANSWER_WITHIN, callback=look)
    except _ConsumerSeen:
        return True
    except (RedisError, OSError, OperationalError) as error:
        raise redis_unavailable(error, read_settings()) from None
    return False


def _state(
    name: str, waiting: int, unacknowledged: int, oldest: datetime | None, passing: Rates, loads: Mapping[str, Load]
) -> QueueState:
    return QueueState(
        name=name,
        waiting=waiting,
        consumers=tuple(sorted(worker for worker, load in loads.items() if name in load.queues)),
        unacknowledged=unacknowledged,
        reserved=sum(load.reserved.get(name, 0) for load in loads.values()) if loads else None,
        running=sum(load.running.get(name, 0) for load in loads.values()) if loads else None,
        oldest_sent_at=oldest,
        published=passing.published,
        finished=passing.finished,
    )


def _loads() -> Mapping[str, Load]:
    """Return each responding worker's load. A worker of a version without the command counts as alive."""
    replies = app.control.broadcast(QUESTION, reply=True, timeout=_ANSWER_WITHIN) or []
    return {worker: _load(answer) for reply in replies for worker, answer in reply.items()}


def _load(answer: Mapping[str, Any]) -> Load:
    return Load(tuple(answer.get("queues", ())), answer.get("running", {}), answer.get("reserved", {}))


def _oldest(messages: Sequence[bytes | None]) -> datetime | None:
    """Return the earliest time of sending; ``None`` without a message. A list's tail is its oldest message."""
    sent = [_sent_at(message) for message in messages if message is not None]
    return min((moment for moment in sent if moment is not None), default=None)


def _sent_at(message: bytes) -> datetime | None:
    try:
        return datetime.fromtimestamp(json.loads(message)["headers"][SENT_AT], UTC)
    except (ValueError, KeyError, TypeError, OverflowError):  # a message of another program
        return None
