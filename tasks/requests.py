"""Asking for a refresh from outside a worker: the message, and the queue that it goes to."""

from __future__ import annotations

from collections.abc import Sequence

from kombu.exceptions import OperationalError

from fetcher.errors import BrokerError
from fetcher.model import Purpose, Source
from tasks.app import BACKGROUND, NOW
from tasks.refresh import refresh_packages

PART = 25
"""Packages a message: small enough that the first are stored while the last still wait."""


def ask_now(package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose) -> None:
    """Have workers refresh these packages; a person's wish goes past the background."""
    queue = NOW if purpose is Purpose.MANUAL else BACKGROUND
    names = [str(source) for source in sources]
    try:
        for start in range(0, len(package_ids), PART):
            part = list(package_ids[start : start + PART])
            refresh_packages.apply_async((part, names, str(purpose)), queue=queue, retry=False)
    except OperationalError as error:
        raise BrokerError(
            f"Redis cannot be reached ({type(error.__cause__ or error).__name__})",
            "Start `fetcher up`, or set FETCHER_REDIS_URL to a server that runs",
        ) from None
