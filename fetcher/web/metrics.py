"""``/metrics``: what Prometheus scrapes. What workers have added up, and how the whole directory stands just now.

One exporter tells all of it, for none of it belongs to one process. Each part that does not answer is left out, and
said to be down, so that the others are still told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from fetcher import __version__
from fetcher.domain.errors import FetcherError
from fetcher.monitoring.families import families
from fetcher.ports import PLANNED
from fetcher.quota import QuotaStatus
from fetcher.web.directory_metrics import directory
from fetcher.web.site import Site, site_of
from tasks.inspection import QueueState

MOST_QUOTAS: Final = 16
"""Quotas that are told: whose each is, is no closed set, though an operator has few."""

Part = Callable[[Site, datetime], Iterable[Metric]]


def metrics(request: Request) -> Response:
    """In the form that the scraper prefers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exposition(site_of(request)))
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Content-Type": kind, "Cache-Control": "no-store"})


class Exposition(Collector):
    """Everything that is told, collected anew for each scrape."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        yield from _installation(self._site)
        up = _gauge("fetcher_part_up", "Whether a part of Fetcher answers: 1 or 0.", "part")
        for name, part in PARTS.items():
            try:
                found = list(part(self._site, self._site.clock.now()))
            except FetcherError:
                found = []
                up.add_metric([name], 0)
            else:
                up.add_metric([name], 1)
            yield from found
        yield up


def _installation(site: Site) -> Iterator[Metric]:
    """What is the same in every scrape: rules are written with it, so that they hold for every setting."""
    build = _gauge("fetcher_build_info", "Always 1; the version is in the label.", "version")
    build.add_metric([__version__], 1)
    yield build
    yield GaugeMetricFamily(
        "fetcher_refresh_interval_seconds",
        "How often each package is to be refreshed (FETCHER_REFRESH_INTERVAL).",
        site.settings.refresh_interval.total_seconds(),
    )
    yield GaugeMetricFamily(
        "fetcher_plan_interval_seconds",
        "How often beat plans what is due (FETCHER_PLAN_INTERVAL).",
        site.settings.plan_interval.total_seconds(),
    )


def _database(site: Site, now: datetime) -> Iterator[Metric]:
    planned = site.store.marker(PLANNED).observed_at
    last = _gauge("fetcher_last_plan_timestamp_seconds", "When a worker last carried out a plan of beat's; 0: never.")
    last.add_metric([], planned.timestamp() if planned is not None else 0)
    yield last
    yield from directory(site.figures(now), now, site.settings.refresh_interval)


def _redis(site: Site, now: datetime) -> Iterator[Metric]:
    yield from families(site.workings.counters())
    yield from _queues(site.workings.queues(), now)
    yield from _quotas(site.workings.quota_status(now), now)


def _queues(queues: Sequence[QueueState], now: datetime) -> Iterator[Metric]:
    waiting = _gauge("fetcher_queue_messages", "Messages that wait in a queue.", "queue")
    oldest = _gauge("fetcher_queue_oldest_message_seconds", "How long the oldest of them has waited.", "queue")
    reserved = _gauge("fetcher_queue_reserved_messages", "Messages that wait in a worker for a free process.", "queue")
    running = _gauge("fetcher_queue_running_tasks", "Tasks from a queue that workers are at.", "queue")
    consumers = _gauge("fetcher_queue_consumers", "Workers that take from a queue.", "queue")
    unacknowledged = _gauge("fetcher_unacknowledged_messages", "Messages that workers have taken and not finished.")
    workers = _gauge("fetcher_workers", "Workers that answer.")
    for queue in queues:
        name = [queue.name]
        waiting.add_metric(name, queue.waiting)
        sent = queue.oldest_sent_at or now
        oldest.add_metric(name, max((now - sent).total_seconds(), 0))
        reserved.add_metric(name, queue.reserved or 0)
        running.add_metric(name, queue.running or 0)
        consumers.add_metric(name, len(queue.consumers))
    unacknowledged.add_metric([], max((queue.unacknowledged for queue in queues), default=0))
    workers.add_metric([], len({worker for queue in queues for worker in queue.consumers}))
    yield from (waiting, oldest, reserved, running, consumers, unacknowledged, workers)


def _quotas(statuses: Iterable[QuotaStatus], now: datetime) -> Iterator[Metric]:
    labels = ("identity", "resource")
    limit = _gauge("fetcher_quota_limit", "Points that the upstream allows in its window.", *labels)
    remaining = _gauge("fetcher_quota_remaining", "Points that are left until the reset.", *labels)
    reset = _gauge("fetcher_quota_reset_timestamp_seconds", "When the quota is given anew.", *labels)
    reserved = _gauge("fetcher_quota_reserved_requests", "Requests that are reserved and not settled yet.", *labels)
    paused = _gauge("fetcher_paused_seconds", "How long nobody asks from now on; 0: nothing is paused.", *labels)
    for one in list(statuses)[:MOST_QUOTAS]:
        whose = (one.identity, one.resource)
        if one.limit is not None:
            limit.add_metric(whose, one.limit)
        if one.remaining is not None:
            remaining.add_metric(whose, one.remaining)
        if one.reset_at is not None:
            reset.add_metric(whose, one.reset_at.timestamp())
        reserved.add_metric(whose, one.in_flight)
        paused.add_metric(whose, max((one.paused_until - now).total_seconds(), 0) if one.paused_until else 0)
    yield from (limit, remaining, reset, reserved, paused)


PARTS: dict[str, Part] = {"database": _database, "redis": _redis}


def _gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, labels=labels)
