"""HTML pages. Each is complete without JavaScript; the script only reloads and replaces changed sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from fetcher.catalogue.documents import write_document
from fetcher.domain.model import Source
from fetcher.domain.presentation import (
    failing_sources,
    intervals_in_words,
    package_fields,
    package_state,
    packages_by_kind,
)
from fetcher.domain.site_report import fault_in_words, pass_in_words
from fetcher.domain.sites import SitePass
from fetcher.domain.sync_report import sync_fault_in_words, sync_in_words
from fetcher.domain.views import Column, EventCount, Listing, PackageState, RequestCount
from fetcher.quota import QuotaStatus
from fetcher.refresh.first_pass import outlook
from fetcher.sync.schedule import schedule_of
from fetcher.web.charts import Bar, bars, gauge
from fetcher.web.context import WebContext, context_of
from fetcher.web.freshness import CHANGES
from fetcher.web.health import OK, beat
from fetcher.web.package_charts import history_charts, weeks_chart
from fetcher.web.queries import PageQuery, find, read_number, read_page_query, refuse_unknown
from fetcher.web.rendering import number, render, words
from fetcher.web.session import local_path
from fetcher.wiring import last_site_pass, upstreams_in

EVENTS, RELEASES, RUNNING, LATEST = 20, 12, 10, 8
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


SORTS = {
    "slug": "name, A to Z",
    "-slug": "name, Z to A",
    "state": "state",
    "-repo_watchers": "most stars",
    "repo_watchers": "fewest stars",
    "-repo_forks": "most forks",
    "repo_forks": "fewest forks",
    "pypi_version": "version",
    "-last_updated": "newest commit",
    "last_updated": "oldest commit",
    "-last_fetched": "newest fetch",
    "last_fetched": "oldest fetch",
}
"""Orders of the listing by the query's ``sort``, in words."""

TILES = (
    PackageState.FRESH,
    PackageState.STALE,
    PackageState.NOT_FETCHED,
    PackageState.FAILING,
    PackageState.GONE,
    PackageState.UNSUPPORTED,
    PackageState.RETIRED,
)
"""States in the order of the tiles, which never changes."""

OLD = timedelta(seconds=2)
"""Age from which the figures of Redis state their own age, apart from the page's."""

RESOURCES = {
    "core": "Requests to the upstream's REST interface",
    "graphql": "Points of the upstream's GraphQL interface; one query for a hundred repositories costs one point",
    "api": "Requests to the forge's API, those to git included where the forge counts them together",
    "git": "Requests to git, which the forge counts apart",
}
"""Explanations of quotas by resource."""

MOST_OPEN = 500
"""Most open refreshes that the failures are compared with."""


@dataclass(frozen=True, slots=True)
class QuotaGauge:
    """The quota of a resource, with its chart if the limit is known."""

    status: QuotaStatus
    chart: Markup | None


@dataclass(frozen=True, slots=True)
class SitePanel:
    """The last pass over a site's own database, and its lines."""

    done: SitePass
    line: str
    fault: str | None


@dataclass(frozen=True, slots=True)
class SyncPanel:
    """The last reading of the catalogue's source, as lines."""

    line: str
    fault: str | None


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's heading: its title, the query that sorts by it, and the current order."""

    title: str
    query: str
    sorted: str


def overview(request: Request) -> Response:
    """Render the overview: states, freshness, queues, quota, failures and the last hour."""
    refuse_unknown(request.query_params)
    web, now = context_of(request), context_of(request).clock.now()
    cadence, zone = web.cadence(), web.settings.time_zone
    interval = cadence.longest
    live, stats = web.live.read(now), web.stats(now)
    upstreams = upstreams_in(web.settings, web.store)
    titles = {one.name: one.title for one in upstreams.all}
    quota = live.quota.value or ()
    hour = web.store.events.counts(now - STEP * STEPS, STEP, STEPS)
    requests = live.requests.value or ()
    states = stats.states(now, interval)
    values = {
        "stats": stats,
        "states": {state: states[state] for state in TILES},
        "failing_packages": states[PackageState.FAILING] + states[PackageState.GONE],
        "sources": [stats.source(source) for source in Source],
        "outlook": outlook(stats, now, interval, quota, upstreams.lanes, titles, web.settings.window_scale),
        "next_due": min((one.next_due for one in stats.sources.values() if one.next_due), default=None),
        "running": web.store.requests.open(RUNNING),
        "queues": live.queues.value,
        "gauges": [_gauge(status) for status in quota],
        "broker_error": live.fault,
        "read_at": live.read_at if live.read_at is not None and now - live.read_at > OLD else None,
        "beat_error": None if (status := beat(web)) == OK else status,
        "kinds": stats.failures,
        "hour": _hour_chart(hour, zone),
        "hour_most": max((one.changes + one.failures for one in hour), default=0),
        "hour_totals": (sum(one.changes for one in hour), sum(one.failures for one in hour)),
        "requests": _requests_chart(requests, zone),
        "requests_most": max((one.answered + one.failed for one in requests), default=0),
        "requests_totals": (sum(one.answered for one in requests), sum(one.failed for one in requests)),
        "axis": [_clock(moment, zone) for moment in (now - STEP * STEPS, now - STEP * STEPS / 2, now)],
        "resources": RESOURCES,
        "changed": web.store.changes.latest(LATEST),
        "receivers": web.store.webhooks.all(),
        "deliveries": web.store.webhooks.log(LATEST),
        "site": _site(web, now),
        "sync": _sync(web, now),
        "cadence": cadence,
        "intervals": intervals_in_words(cadence, web.store.sweeps.plans(), titles),
        "changes": CHANGES,
        "lags": live.lags,
        "feeds": upstreams.feeds(web.store.checkpoints.get),
    }
    return render(request, "overview.html", values)


def _site(web: WebContext, now: datetime) -> SitePanel | None:
    """Return the last pass over a site's own database; ``None`` without one."""
    done = last_site_pass(web.settings, web.store)
    return None if done is None else SitePanel(done, pass_in_words(done, now), fault_in_words(done, now))


def _sync(web: WebContext, now: datetime) -> SyncPanel | None:
    """Return the last reading of the catalogue's source; ``None`` without one."""
    schedule = schedule_of(web.settings, web.store.checkpoints)
    if schedule is None:
        return None
    state = schedule.state()
    return SyncPanel(sync_in_words(state, now), sync_fault_in_words(state, now))


def packages(request: Request) -> Response:
    """Render a page of the catalogue, searched, filtered and sorted."""
    web, now = context_of(request), context_of(request).clock.now()
    interval = web.cadence().longest
    wanted = read_page_query(request.query_params)
    states = web.stats(now).states(now, interval)
    listed = web.store.packages.listing(wanted, web.stale_before(now))
    shown = wanted.offset + len(listed.rows)
    before, after = max(wanted.offset - wanted.limit, 0), wanted.offset + wanted.limit
    values = {
        "wanted": wanted,
        "listed": listed,
        "states": {state: states[state] for state in TILES},
        "sorts": _sorts(wanted),
        "headings": [_heading(wanted, column, title) for column, title in COLUMNS],
        "first": wanted.offset + 1,
        "last": shown,
        "last_page": _query(wanted, offset=max(listed.count - 1, 0) // wanted.limit * wanted.limit),
        "previous": _query(wanted, offset=before) if wanted.offset and listed.rows else None,
        "next": _query(wanted, offset=after) if listed.more else None,
    }
    return render(request, "packages.html", values)


def package(request: Request) -> Response:
    """Render all that is known of a package."""
    refuse_unknown(request.query_params)
    web, now = context_of(request), context_of(request).clock.now()
    found = find(web.store.packages, request.path_params["slug"])
    cadence = web.cadence()
    document = write_document(found, web.settings.time_zone, now.date())
    package_id = found.entry.id or 0
    releases = found.versions.releases if found.versions else ()
    values = {
        "package": found,
        "state": package_state(found, now, cadence.longest),
        "cadence": cadence,
        "schedule": [found.states[source] for source in Source if source in found.states],
        "document": document,
        "fields": package_fields(found, document),
        "failing": failing_sources(found.states.values()),
        "today": now.date(),
        "weeks_from": now.date() - timedelta(weeks=len(document["commits_over_52"])),
        "weeks": weeks_chart(document["commits_over_52"], now.date()),
        "history": history_charts(web.store.history.of_package(found.entry.slug), now.date()),
        "releases": releases[: -RELEASES - 1 : -1],
        "older_releases": max(len(releases) - RELEASES, 0),
        "events": web.store.events.of_package(package_id, EVENTS),
        "refresh": web.store.requests.latest(package_id),
    }
    return render(request, "package.html", values)


def failures(request: Request) -> Response:
    """Render the failing packages by kind of failure. After a retry, state the number of requests."""
    parameters = request.query_params
    refuse_unknown(parameters, "requested", "open", "retired")
    web = context_of(request)
    rows = web.store.packages.failures()
    values = {
        "kinds": packages_by_kind(rows),
        "count": len({row.slug for row in rows}),
        "sources": len(rows),
        "retried": {name: read_number(parameters, name) or 0 for name in parameters},
        "open": {one.slug: one.state for one in web.store.requests.open(MOST_OPEN)},
    }
    return render(request, "failures.html", values)


def login(request: Request) -> Response:
    """Render the form for the operator's token."""
    refuse_unknown(request.query_params, "next")
    return login_page(request, local_path(request.query_params.get("next", "/")))


def login_page(request: Request, target: str, error: str = "") -> Response:
    """Render the log-in form, which redirects to ``target``. With an ``error``, the status is 403."""
    return render(request, "login.html", {"target": target, "error": error}, status_code=403 if error else 200)


def _gauge(status: QuotaStatus) -> QuotaGauge:
    if not status.limit or status.remaining is None:
        return QuotaGauge(status, None)
    label = f"{number(status.remaining)} of {number(status.limit)} left"
    return QuotaGauge(status, gauge(status.remaining / status.limit, label))


def _hour_chart(hour: Sequence[EventCount], zone: tzinfo) -> Markup:
    changes, failed = sum(one.changes for one in hour), sum(one.failures for one in hour)
    shown = [
        Bar((one.changes, one.failures), f"{_clock(one.start, zone)}: {one.changes} changes, {one.failures} failures")
        for one in hour
    ]
    return bars(shown, f"Last hour: {changes} changes and {failed} new failures")


def _requests_chart(hour: Sequence[RequestCount], zone: tzinfo) -> Markup:
    answered, failed = sum(one.answered for one in hour), sum(one.failed for one in hour)
    shown = [
        Bar((one.answered, one.failed), f"{_clock(one.start, zone)}: {one.answered} succeeded, {one.failed} failed")
        for one in hour
    ]
    return bars(shown, f"Last hour: {answered} requests succeeded and {failed} failed")


def _clock(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%H:%M")


def _sorts(wanted: Listing) -> dict[str, str]:
    """Return the orders that a phone offers, which has no column headings. The current one is among them."""
    current = ("-" if wanted.descending else "") + wanted.sort
    return SORTS if current in SORTS else {current: words(current.removeprefix("-")), **SORTS}


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
