"""``fetcher refresh --queue``: refresh requests for the workers, printed and followed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from fetcher.cli.screen import complain, err, out, print_json
from fetcher.cli.spans import TEMPORARY
from fetcher.domain.formatting import counted, span
from fetcher.domain.model import Purpose, Source
from fetcher.domain.views import RefreshRequest, RequestState, SubmittedRefresh
from fetcher.settings import Settings
from fetcher.wiring import open_store
from tasks.app import BACKGROUND, MANUAL
from tasks.inspection import is_consumed

if TYPE_CHECKING:
    from fetcher.store import SqlStore
from tasks.requests import enqueue_refresh, request_refreshes

LOOK_EVERY = 0.5
"""Seconds between two reads of the followed requests."""

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  (replaced, not bound)
"""Addresses that mean every interface, and the address of this machine to print in their place."""


def enqueue(
    settings: Settings,
    package_ids: Sequence[int],
    sources: Sequence[Source],
    purpose: Purpose,
    upstream: str | None,
    *,
    wait: timedelta | None,
    json: bool,
) -> int:
    """Enqueue the packages, print their refresh requests and return the exit status.

    Named packages with all sources get a request each. ``wait`` is the longest time to follow them; ``None``: not
    at all.
    """
    if purpose is Purpose.BACKGROUND or set(sources) != set(Source):
        enqueue_refresh(package_ids, sources, purpose, upstream)
        if json:
            print_json({"queued": len(package_ids), "refreshes": []})
        _say_queued(len(package_ids))
        _warn_without_consumer(MANUAL if purpose is Purpose.MANUAL else BACKGROUND)
        return 0
    with open_store(settings) as store:
        submitted = request_refreshes(store.requests, package_ids, datetime.now(UTC))
        if wait is None:
            _print(settings, submitted, {one.request.id: one.request for one in submitted}, json=json)
            _say_queued(len(package_ids))
            _warn_without_consumer(MANUAL)
            return 0
        _say_queued(len(package_ids))
        _warn_without_consumer(MANUAL)
        found = follow(store, [one.request.id for one in submitted], wait)
    _print(settings, submitted, found, json=json)
    return _status(found.values(), wait)


def follow(
    store: SqlStore, request_ids: Sequence[str], wait: timedelta, sleep: Callable[[float], None] = time.sleep
) -> dict[str, RefreshRequest]:
    """Return the requests once all are finished, or after ``wait``. Every finished one is read once."""
    until = time.monotonic() + wait.total_seconds()
    found: dict[str, RefreshRequest] = {}
    while True:
        for request_id in request_ids:
            if request_id not in found or found[request_id].state.is_open:
                request = store.requests.get(request_id)
                if request is not None:
                    found[request_id] = request
        if not any(one.state.is_open for one in found.values()) or time.monotonic() >= until:
            return found
        sleep(LOOK_EVERY)


def address_of(settings: Settings, request_id: str) -> str:
    """Return the address of a refresh's status in the API."""
    host = ANYWHERE.get(settings.web_host, settings.web_host)
    return f"http://{host}:{settings.web_port}/api/v4/refreshes/{request_id}/"


def _status(found: Any, wait: timedelta) -> int:
    late = [one.slug for one in found if one.state.is_open]
    if late:
        complain(f"not finished within {span(wait)}: {', '.join(late)}. The workers continue")
        return TEMPORARY
    return 1 if any(one.state is RequestState.FAILED or one.failures for one in found) else 0


def _print(
    settings: Settings, submitted: Sequence[SubmittedRefresh], found: Mapping[str, RefreshRequest], *, json: bool
) -> None:
    """Print a line for each request: slug, id, address, and the result of a finished one."""
    if json:
        print_json([_json(settings, one, found[one.request.id]) for one in submitted])
        return
    for one in submitted:
        request = found[one.request.id]
        words = [request.slug, request.id, address_of(settings, request.id), _result(request)]
        words.append("already requested" if one.joined and request.state.is_open else "")
        out.print(escape("  ".join(word for word in words if word)))


def _result(request: RefreshRequest) -> str:
    if request.state.is_open:
        return ""
    failures = "; ".join(f"{one.source}: {one.message}" for one in request.failures)
    changes = counted(len(request.changes), "change")
    return ", ".join(part for part in (str(request.state), changes, request.reason, failures) if part)


def _json(settings: Settings, submitted: SubmittedRefresh, request: RefreshRequest) -> dict[str, Any]:
    return {
        "slug": request.slug,
        "id": request.id,
        "url": address_of(settings, request.id),
        "joined": submitted.joined,
        "state": request.state,
        "requested_at": request.requested_at,
        "finished_at": request.finished_at,
        "changes": list(request.changes),
        "failures": list(request.failures),
        "reason": request.reason,
    }


def _say_queued(packages: int) -> None:
    err.print(f"queued {counted(packages, 'package')}; `fetcher queues` shows the progress")


def _warn_without_consumer(queue: str) -> None:
    if not is_consumed(queue):
        err.print(
            f"[yellow]warning:[/] no worker consumes the queue `{queue}`: start `fetcher up`, or a worker of that queue"
        )
