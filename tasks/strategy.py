"""Refusal of malformed messages. Celery itself ends the worker at some of them, and at each redelivery again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default


def checked(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return Celery's handler of messages for ``task``, which rejects a malformed one and goes on.

    A rejected message is logged in one line and removed from the queue.
    """
    handle = default(task, app, consumer, **options)

    def handle_checked(message: Any, body: Any, *more: Any, **named: Any) -> Any:
        if not has_sound_body(message.payload):
            raise InvalidTaskError("the message's body is not [arguments, keywords, options]")
        if not has_sound_headers(message.headers):
            raise InvalidTaskError("the message's headers are not those of a task")
        try:
            return handle(message, body, *more, **named)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidTaskError(f"the message is malformed: {type(error).__name__}: {error}") from error

    return handle_checked


def has_sound_body(payload: object) -> bool:
    """Return whether ``payload`` has the shape that Celery unpacks."""
    match payload:
        case [list() | tuple(), dict(), dict() | None]:
            return True
        case _:
            return False


def has_sound_headers(headers: Any) -> bool:
    """Return whether the headers that Celery reads after it has reserved a process have their types."""
    match headers:
        case {"id": str(), "timelimit": [int() | float() | None, int() | float() | None] | None}:
            return True
        case {"id": str()}:
            return "timelimit" not in headers
        case _:
            return False
