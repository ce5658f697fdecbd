"""Our own failures, as exceptions. Expected answers of an upstream are values: see ``fetcher.domain.outcome``.

Every error carries one line for a person: what is wrong, where, and what to do. All fields go through
``super().__init__`` so that an error survives pickling between Celery's processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class FetcherError(Exception):
    """Something a user or an operator can act on. ``str()`` is one line, without a secret."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


class ConfigError(FetcherError):
    """A setting is missing or wrong."""


class RejectedCredential(ConfigError):
    """The upstream does not accept what we sign with: only somebody who replaces it can help."""


class StoreError(FetcherError):
    """The database cannot be reached, is not migrated, or refused a write."""


class RefusedValue(StoreError):
    """The database takes no such value: nothing of the batch was written, and trying again is in vain."""


class BrokerError(FetcherError):
    """Redis cannot be reached or refused a command."""


class UnknownPackage(FetcherError):
    """No package has the slug that was asked for."""


class RetiredPackage(FetcherError):
    """The package is not to be fetched, on an editor's word."""


class InputError(FetcherError):
    """What a user handed in cannot be read at all."""


def or_why(ask: Callable[[], T]) -> tuple[T | None, str | None]:
    """The answer, or in words why there is none: who looks on without Redis is still shown what the database knows."""
    try:
        return ask(), None
    except BrokerError as error:
        return None, str(error)
