"""``/metrics``: the workers' counters, and the current state of queues, quota and catalogue.

One exporter serves all metrics, because none belongs to a single process. If the database or Redis is unavailable, its
metrics are omitted and ``fetcher_dependency_up`` is 0; the others are still exported.
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
from fetcher.domain.model import Purpose
from fetcher.domain.pauses import PauseScope, pause_of
from fetcher.monitoring.families import families
from fetcher.ports import PLANNED
from fetcher.quota import QuotaStatus
from fetcher.sync.schedule import schedule_of
from fetcher.upstreams.base import FeedStatus
from fetcher.web.context import WebContext, context_of
from fetcher.web.directory_metrics import directory, intervals
from fetcher.wiring import last_site_pass, upstreams_in
from tasks.inspection import QueueState

MOST_QUOTAS: Final = 16
"""Most quotas exported. The set of identities is unbounded, and each adds time series."""

Source = Callable[[WebContext, datetime], Iterable[Metric]]


def metrics(request: Request) -> Response:
    """Respond in the format that the ``Accept`` header prefers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exposition(context_of(request)))
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Content-Type": kind, "Cache-Control": "no-store"})


class Exposition(Collector):
    """A collector of all metrics. Each scrape collects them again."""

    def __init__(self, web: WebContext) -> None:
        self._web = web

    def collect(self) -> Iterator[Metric]:
        yield from _installation(self._web)
        up = _gauge("fetcher_dependency_up", "1 if the database or Redis is available, 0 otherwise.", "dependency")
        for name, source in DEPENDENCIES.items():
            try:
                found = list(source(self._web, self._web.clock.now()))
            except FetcherError:
                found = []
                up.add_metric([name], 0)
            else:
                up.add_metric([name], 1)
            yield from found
        yield up


def _installation(web: WebContext) -> Iterator[Metric]:
    """Yield the version and the settings. Alerting rules use the settings, so that they fit every installation."""
    build = _gauge("fetcher_build_info", "Always 1; the version is in the label.", "version")
    build.add_metric([__version__], 1)
    yield build
    yield GaugeMetricFamily(
        "fetcher_plan_interval_seconds",
        "Interval between plans of due packages (FETCHER_PLAN_INTERVAL).",
        web.settings.plan_interval.total_seconds(),
    )


def _database(web: WebContext, now: datetime) -> Iterator[Metric]:
    planned = web.store.checkpoints.get(PLANNED).observed_at
    last = _gauge("fetcher_last_plan_timestamp_seconds", "Time of the last plan that a worker carried out; 0 if never.")
    last.add_metric([], planned.timestamp() if planned is not None else 0)
    yield last
    paused = _gauge("fetcher_paused", "1 while an operator has paused work of the scope, 0 otherwise.", "scope")
    active = web.store.pauses.active(now)
    for scope, purpose in ((PauseScope.BACKGROUND, Purpose.BACKGROUND), (PauseScope.ALL, Purpose.MANUAL)):
        paused.add_metric([scope.value], 0 if pause_of(active, purpose) is None else 1)
    yield paused
    yield from _site(web)
    yield from _sync(web)
    yield from _feeds(upstreams_in(web.settings, web.store).feeds(web.store.checkpoints.get))
    cadence = web.cadence()
    yield from intervals(cadence, web.store.sweeps.plans())
    yield from _changes(web, now)
    yield from directory(web.stats(now), now, cadence)


def _changes(web: WebContext, now: datetime) -> Iterator[Metric]:
    """Yield the lag of the change feed, and the state of the receivers of webhooks."""
    oldest, backlog = web.store.changes.oldest_pending(), web.store.webhooks.backlog()
    position = _gauge("fetcher_changes_position", "Position of the newest change in the change feed.")
    position.add_metric([], web.store.changes.extent().position)
    lag = _gauge("fetcher_changes_lag_seconds", "Age of the oldest change that has no position yet; 0 if none.")
    lag.add_metric([], _age(oldest, now))
    endpoints = _gauge("fetcher_webhook_endpoints", "Receivers of webhooks, by state.", "state")
    endpoints.add_metric(["enabled"], backlog.enabled)
    endpoints.add_metric(["disabled"], backlog.disabled)
    pending = _gauge("fetcher_webhook_pending_messages", "Messages to enabled receivers that are not delivered yet.")
    pending.add_metric([], backlog.pending)
    late = _gauge("fetcher_webhook_lag_seconds", "Time for which the longest-due message has been due; 0 if none.")
    late.add_metric([], _age(backlog.oldest_due_at, now))
    yield from (position, lag, endpoints, pending, late)


def _age(moment: datetime | None, now: datetime) -> float:
    return max((now - moment).total_seconds(), 0) if moment is not None else 0


def _feeds(feeds: Iterable[FeedStatus]) -> Iterator[Metric]:
    read = _gauge("fetcher_feed_read_timestamp_seconds", "Time of the last good poll; 0: none, or no feed.", "upstream")
    gap = _gauge("fetcher_feed_gap_timestamp_seconds", "Time of the last gap in the feed; 0 if none.", "upstream")
    open_gap = _gauge("fetcher_feed_gap_open", "1 while the last gap is not closed, 0 otherwise.", "upstream")
    for one in feeds:
        name = [one.upstream]
        read.add_metric(name, one.read_at.timestamp() if one.read_at is not None and one.offered else 0)
        gap.add_metric(name, one.gap_at.timestamp() if one.gap_at is not None else 0)
        open_gap.add_metric(name, int(one.open))
    yield from (read, gap, open_gap)


def _site(web: WebContext) -> Iterator[Metric]:
    """Yield the last pass over a site's own database, without samples if there is none."""
    last = _gauge("fetcher_site_last_pass_timestamp_seconds", "Time of the last pass over the site's database.")
    up = _gauge("fetcher_site_up", "1 if the last pass over the site's database succeeded, 0 otherwise.")
    rows = _gauge("fetcher_site_rows", "Rows of the site's packages in the last pass, by result.", "result")
    done = last_site_pass(web.settings, web.store)
    if done is not None:
        last.add_metric([], done.finished_at.timestamp())
        up.add_metric([], done.fault is None)
        counts = {"read": done.packages, "different": done.dirty, "written": done.written, "last_fetched": done.touched}
        counts |= {"locked": done.locked, "refused": done.refused, "skipped": done.skipped}
        for result, number in counts.items():
            rows.add_metric([result], number)
    yield from (last, up, rows)


def _sync(web: WebContext) -> Iterator[Metric]:
    """Yield the state of the scheduled readings of the catalogue's source; nothing without one."""
    schedule = schedule_of(web.settings, web.store.checkpoints)
    if schedule is None:
        return
    state = schedule.state()
    last = "fetcher_sync_last_reading_timestamp_seconds"
    begun = state.begun_at.timestamp() if state.begun_at is not None else 0
    yield GaugeMetricFamily(last, "Time of the last scheduled reading of the source; 0 if never.", begun)
    failing = state.failing_since.timestamp() if state.failing_since is not None else 0
    since = "fetcher_sync_failing_since_timestamp_seconds"
    yield GaugeMetricFamily(since, "Time since which readings of the source fail; 0 while they succeed.", failing)


def _redis(web: WebContext, now: datetime) -> Iterator[Metric]:
    yield from families(web.runtime.counters())
    yield from _queues(web.runtime.queues(), now)
    yield from _quotas(web.runtime.quota_status(now), now)


def _queues(queues: Sequence[QueueState], now: datetime) -> Iterator[Metric]:
    waiting = _gauge("fetcher_queue_messages", "Messages waiting in the queue.", "queue")
    oldest = _gauge("fetcher_queue_oldest_message_age_seconds", "Waiting time of the oldest message.", "queue")
    reserved = _gauge("fetcher_queue_reserved_messages", "Messages waiting in a worker for a free process.", "queue")
    running = _gauge("fetcher_queue_running_tasks", "Tasks from the queue that are running.", "queue")
    consumers = _gauge("fetcher_queue_consumers", "Workers that consume the queue.", "queue")
    unacknowledged = _gauge("fetcher_unacknowledged_messages", "Messages delivered to workers and not acknowledged.")
    workers = _gauge("fetcher_workers", "Workers that respond to an inspection.")
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
    labels = ("upstream", "identity", "resource")
    limit = _gauge("fetcher_quota_limit", "Points that the upstream allows per window.", *labels)
    remaining = _gauge("fetcher_quota_remaining", "Points left until the reset.", *labels)
    reset = _gauge("fetcher_quota_reset_timestamp_seconds", "Time of the next quota reset.", *labels)
    reserved = _gauge("fetcher_quota_reserved_requests", "Requests reserved and not yet settled.", *labels)
    paused = _gauge("fetcher_paused_seconds", "Remaining seconds of the pause; 0 if not paused.", *labels)
    for one in list(statuses)[:MOST_QUOTAS]:
        values = (one.upstream, one.identity, one.resource)
        if one.limit is not None:
            limit.add_metric(values, one.limit)
        if one.remaining is not None:
            remaining.add_metric(values, one.remaining)
        if one.reset_at is not None:
            reset.add_metric(values, one.reset_at.timestamp())
        reserved.add_metric(values, one.in_flight)
        paused.add_metric(values, max((one.paused_until - now).total_seconds(), 0) if one.paused_until else 0)
    yield from (limit, remaining, reset, reserved, paused)


DEPENDENCIES: dict[str, Source] = {"database": _database, "redis": _redis}


def _gauge(name: str, description: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, description, labels=labels)
