"""Fetcher's own failures, as exceptions. Expected responses are values: see ``fetcher.domain.outcome``.

Every error carries one line for the user: the problem, its place and the remedy. All fields go through
``super().__init__``, so that an error survives pickling between Celery's processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class FetcherError(Exception):
    """An error that a user or an operator can act on. ``str()`` is one line, without a secret."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


class ConfigError(FetcherError):
    """A missing or invalid setting."""


class RejectedCredential(ConfigError):
    """A credential that the upstream rejects. Only an operator who replaces it can fix this."""


class StoreError(FetcherError):
    """An unreachable database, a missing migration or a rejected write."""


class RefusedValue(StoreError):
    """A value that the database cannot store. Nothing of the batch was written, and a retry fails again."""


class SiteError(FetcherError):
    """A site's own database that cannot be reached, read or written."""


class UnsupportedSite(SiteError):
    """A site's database whose tables are not of a supported form. Nothing was read or written."""


class BrokerError(FetcherError):
    """An unreachable Redis or a rejected command."""


class UnknownPackage(FetcherError):
    """An unknown slug."""


class RetiredPackage(FetcherError):
    """A package that an editor retired and that is not fetched."""


class UnfetchablePackage(FetcherError):
    """A package without a source: neither of its addresses is supported."""


class PausedWork(FetcherError):
    """Work that an operator has paused."""


class InputError(FetcherError):
    """Input that cannot be read at all."""


def result_or_error(call: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return the result, or the error text in its place, so that pages work without Redis."""
    try:
        return call(), None
    except BrokerError as error:
        return None, str(error)
