"""Refresh requests from outside a worker: their messages and queues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from kombu.exceptions import OperationalError

from fetcher.broker import check_redis, redis_unavailable
from fetcher.domain.errors import FetcherError
from fetcher.domain.model import Purpose, Source
from fetcher.domain.views import REQUEST_TIMEOUTS, Ending, RequestState, SubmittedRefresh
from fetcher.settings import read_settings
from fetcher.store.refresh_requests import RefreshRequests
from tasks.app import BACKGROUND, MANUAL
from tasks.refresh import refresh_packages, refresh_requests

T = TypeVar("T")

EXPIRES = REQUEST_TIMEOUTS.wait.total_seconds()
"""Seconds after which a message expires; its request has failed by then."""

PART = 25
"""Packages per message. A smaller number stores the first results earlier."""


def enqueue_refresh(
    package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose, upstream: str | None = None
) -> None:
    """Enqueue a refresh of these packages, from one upstream or all; a manual one precedes background work.

    Redis is checked first, because Celery would retry the connection for a while.
    """
    queue = MANUAL if purpose is Purpose.MANUAL else BACKGROUND
    names = [str(source) for source in sources]

    def send(part: list[int]) -> None:
        refresh_packages.apply_async((part, names, str(purpose), upstream), queue=queue, retry=False)

    _send_in_parts(package_ids, send)


def request_refreshes(requests: RefreshRequests, package_ids: Sequence[int], now: datetime) -> list[SubmittedRefresh]:
    """Create a refresh request for each package, processed before background work.

    The requests are committed before they are sent: ``fetcher.expire`` sends a lost message again. If Redis does not
    respond, the new requests are recorded as failed and ``BrokerError`` is raised.
    """
    submitted = requests.submit(package_ids, now)
    new = [one.request.id for one in submitted if not one.joined]
    try:
        send_requests(new)
    except FetcherError as error:
        requests.finish([Ending(one, RequestState.FAILED, reason=str(error)) for one in new], now)
        raise
    return submitted


def send_requests(request_ids: Sequence[str]) -> None:
    """Enqueue stored requests. A request that is sent twice is carried out once."""

    def send(part: list[str]) -> None:
        refresh_requests.apply_async((part,), queue=MANUAL, retry=False, expires=EXPIRES)

    _send_in_parts(request_ids, send)


def _send_in_parts(ids: Sequence[T], send: Callable[[list[T]], object]) -> None:
    if ids:
        check_redis(read_settings())
    try:
        for start in range(0, len(ids), PART):
            send(list(ids[start : start + PART]))
    except OperationalError as error:
        raise redis_unavailable(error, read_settings()) from None
