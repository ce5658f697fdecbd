"""HTML pages. Each is complete without JavaScript; the script only reloads and replaces changed sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from fetcher.catalogue.documents import write_document
from fetcher.domain.errors import result_or_error
from fetcher.domain.model import Source
from fetcher.domain.presentation import failing_sources, failures_by_kind, package_fields
from fetcher.domain.views import Column, EventCount, Listing, RequestCount
from fetcher.quota import QuotaStatus
from fetcher.web.charts import Bar, bars, gauge
from fetcher.web.context import context_of
from fetcher.web.health import OK, beat
from fetcher.web.package_charts import history_charts, weeks_chart
from fetcher.web.queries import PageQuery, find, read_page_query
from fetcher.web.rendering import number, render
from fetcher.web.session import local_path

EVENTS, RELEASES, RUNNING = 20, 12, 10
"""Most lines of each list on a page."""

STEP, STEPS = timedelta(minutes=2), 30
"""Width and number of the bars that show the last hour."""

COLUMNS = (
    (Column.SLUG, "package"),
    (Column.STATE, "state"),
    (Column.STARS, "stars"),
    (Column.FORKS, "forks"),
    (Column.VERSION, "version"),
    (Column.LAST_UPDATED, "last commit"),
    (Column.LAST_FETCHED, "fetched"),
)


@dataclass(frozen=True, slots=True)
class QuotaGauge:
    """The quota of a resource, with its chart if the limit is known."""

    status: QuotaStatus
    chart: Markup | None


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's heading: its title, the query that sorts by it, and the current order."""

    title: str
    query: str
    sorted: str


def overview(request: Request) -> Response:
    """Render the overview: states, freshness, queues, quota, failures and the last hour."""
    web, now = context_of(request), context_of(request).clock.now()
    interval = web.settings.refresh_interval
    stats = web.stats(now)
    queues, no_queues = result_or_error(web.runtime.queues)
    quota, no_quota = result_or_error(lambda: web.runtime.quota_status(now))
    hour = web.store.events.counts(now - STEP * STEPS, STEP, STEPS)
    requests, no_requests = result_or_error(lambda: web.runtime.requests(now))
    values = {
        "stats": stats,
        "states": stats.states(now, interval),
        "sources": [stats.source(source) for source in Source],
        "running": web.store.requests.open(RUNNING),
        "queues": queues,
        "gauges": [_gauge(status) for status in quota or ()],
        "broker_error": no_queues or no_quota or no_requests,
        "beat_error": None if (status := beat(web)) == OK else status,
        "kinds": stats.failures,
        "hour": _hour_chart(hour),
        "hour_totals": (sum(one.changes for one in hour), sum(one.failures for one in hour)),
        "requests": _requests_chart(requests or ()),
        "requests_totals": (sum(one.answered for one in requests or ()), sum(one.failed for one in requests or ())),
        "interval": interval,
    }
    return render(request, "overview.html", values)


def packages(request: Request) -> Response:
    """Render a page of the catalogue, searched, filtered and sorted."""
    web, now = context_of(request), context_of(request).clock.now()
    interval = web.settings.refresh_interval
    wanted = read_page_query(request.query_params)
    listed = web.store.packages.listing(wanted, web.stale_before(now))
    shown = wanted.offset + len(listed.rows)
    before, after = max(wanted.offset - wanted.limit, 0), wanted.offset + wanted.limit
    values = {
        "wanted": wanted,
        "listed": listed,
        "states": web.stats(now).states(now, interval),
        "headings": [_heading(wanted, column, title) for column, title in COLUMNS],
        "first": min(wanted.offset + 1, shown),
        "last": shown,
        "previous": _query(wanted, offset=before) if wanted.offset else None,
        "next": _query(wanted, offset=after) if listed.more else None,
    }
    return render(request, "packages.html", values)


def package(request: Request) -> Response:
    """Render all that is known of a package."""
    web, now = context_of(request), context_of(request).clock.now()
    found = find(web.store.packages, request.path_params["slug"])
    document = write_document(found, web.settings.time_zone, now.date())
    package_id = found.entry.id or 0
    releases = found.versions.releases if found.versions else ()
    values = {
        "package": found,
        "document": document,
        "fields": package_fields(found, document),
        "failing": failing_sources(found.states.values()),
        "weeks": weeks_chart(document["commits_over_52"], now.date()),
        "history": history_charts(web.store.history.of_package(found.entry.slug), now.date()),
        "releases": releases[: -RELEASES - 1 : -1],
        "older_releases": max(len(releases) - RELEASES, 0),
        "events": web.store.events.of_package(package_id, EVENTS),
        "refresh": web.store.requests.latest(package_id),
    }
    return render(request, "package.html", values)


def failures(request: Request) -> Response:
    """Render the failing sources by kind of failure."""
    return render(request, "failures.html", {"kinds": failures_by_kind(context_of(request).store.packages.failures())})


def login(request: Request) -> Response:
    """Render the form for the operator's token."""
    return login_page(request, local_path(request.query_params.get("next", "/")))


def login_page(request: Request, target: str, error: str = "") -> Response:
    """Render the log-in form, which redirects to ``target``. With an ``error``, the status is 403."""
    return render(request, "login.html", {"target": target, "error": error}, status_code=403 if error else 200)


def _gauge(status: QuotaStatus) -> QuotaGauge:
    if not status.limit or status.remaining is None:
        return QuotaGauge(status, None)
    label = f"{number(status.remaining)} of {number(status.limit)} left"
    return QuotaGauge(status, gauge(status.remaining / status.limit, label))


def _hour_chart(hour: Sequence[EventCount]) -> Markup:
    changes, failed = sum(one.changes for one in hour), sum(one.failures for one in hour)
    label = f"Last hour: {changes} changes and {failed} new failures"
    return bars([_minutes(one) for one in hour], label)


def _minutes(one: EventCount) -> Bar:
    return Bar((one.changes, one.failures), f"{_clock(one.start)} UTC: {one.changes} changes, {one.failures} failures")


def _requests_chart(hour: Sequence[RequestCount]) -> Markup:
    answered, failed = sum(one.answered for one in hour), sum(one.failed for one in hour)
    shown = [
        Bar((one.answered, one.failed), f"{_clock(one.start)} UTC: {one.answered} succeeded, {one.failed} failed")
        for one in hour
    ]
    return bars(shown, f"Last hour: {answered} requests succeeded and {failed} failed")


def _clock(moment: datetime) -> str:
    return moment.strftime("%H:%M")


def _heading(wanted: Listing, column: Column, title: str) -> Heading:
    """Return the heading of a column. Selecting the sorted column again reverses the order."""
    chosen = wanted.sort is column
    reverse = chosen and not wanted.descending
    query = _query(wanted, sort=("-" if reverse else "") + column, offset=0)
    order = "descending" if wanted.descending else "ascending"
    return Heading(title, query, order if chosen else "none")


def _query(wanted: Listing, **changes: Any) -> str:
    """Return the query string of ``wanted`` with ``changes``, without defaults."""
    sort = ("-" if wanted.descending else "") + wanted.sort
    stated: dict[str, Any] = {
        "search": wanted.search,
        "state": wanted.state and str(wanted.state),
        "sort": sort,
        "limit": wanted.limit,
        "offset": wanted.offset,
        **changes,
    }
    defaults = PageQuery().model_dump()
    return "?" + urlencode({name: value for name, value in stated.items() if value != defaults[name]})
