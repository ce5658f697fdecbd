"""The deadline of a batch: after it, no further request is begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

_deadline: ContextVar[datetime | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(at: datetime) -> Iterator[None]:
    """Begin no request after ``at`` within this context. The rest is deferred with its due time unchanged."""
    token = _deadline.set(at)
    try:
        yield
    finally:
        _deadline.reset(token)


def has_passed(now: datetime) -> bool:
    """Return whether the context's deadline, if it has one, has passed."""
    at = _deadline.get()
    return at is not None and now >= at
