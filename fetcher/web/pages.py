"""The pages. Each is whole as the server sends it; the script only asks again and swaps what has changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from fetcher.catalogue.documents import write_document
from fetcher.domain.errors import or_why
from fetcher.domain.formatting import failure_kind
from fetcher.domain.model import FailureRow, Source
from fetcher.domain.views import Column, EventCount, Listing, RequestCount
from fetcher.quota import QuotaStatus
from fetcher.web.charts import Bar, bars, gauge
from fetcher.web.health import OK, beat
from fetcher.web.queries import find, read_listing
from fetcher.web.rendering import number, render
from fetcher.web.session import local_path
from fetcher.web.site import site_of
from fetcher.web.values import figures, troubles, values, weeks_chart

ROWS = 50
EVENTS, RELEASES, RUNNING = 20, 12, 10
"""How many lines of each a page shows."""

STEP, STEPS = timedelta(minutes=2), 30
"""The last hour in bars."""

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
    """One resource's quota, and how it is drawn."""

    status: QuotaStatus
    chart: Markup | None


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's head: where it leads, and how the listing is sorted by it now."""

    title: str
    query: str
    sorted: str


def overview(request: Request) -> Response:
    """The state of the directory at a glance."""
    site, now = site_of(request), site_of(request).clock.now()
    interval = site.settings.refresh_interval
    figures = site.figures(now)
    queues, no_queues = or_why(site.workings.queues)
    quota, no_quota = or_why(lambda: site.workings.quota_status(now))
    hour = site.store.event_counts(now - STEP * STEPS, STEP, STEPS)
    requests, no_requests = or_why(lambda: site.workings.requests(now))
    context = {
        "figures": figures,
        "states": figures.states(now, interval),
        "sources": [figures.source(source) for source in Source],
        "running": site.store.open_requests(RUNNING),
        "queues": queues,
        "gauges": [_gauge(status) for status in quota or ()],
        "broker_fault": no_queues or no_quota or no_requests,
        "beat_fault": None if (said := beat(site)) == OK else said,
        "kinds": figures.failures,
        "hour": _hour_chart(hour),
        "hour_totals": (sum(one.changes for one in hour), sum(one.failures for one in hour)),
        "requests": _requests_chart(requests or ()),
        "requests_totals": (sum(one.answered for one in requests or ()), sum(one.failed for one in requests or ())),
        "interval": interval,
    }
    return render(request, "overview.html", context)


def packages(request: Request) -> Response:
    """The catalogue: searched, filtered, sorted, a page at a time."""
    site, now = site_of(request), site_of(request).clock.now()
    interval = site.settings.refresh_interval
    wanted = read_listing(request.query_params, sort="slug", limit=ROWS)
    listed = site.store.listing(wanted, site.stale_before(now))
    shown = wanted.offset + len(listed.rows)
    before, after = max(wanted.offset - wanted.limit, 0), wanted.offset + wanted.limit
    context = {
        "wanted": wanted,
        "listed": listed,
        "states": site.figures(now).states(now, interval),
        "headings": [_heading(wanted, column, title) for column, title in COLUMNS],
        "first": min(wanted.offset + 1, shown),
        "last": shown,
        "previous": _query(wanted, offset=before) if wanted.offset else None,
        "next": _query(wanted, offset=after) if listed.more else None,
    }
    return render(request, "packages.html", context)


def package(request: Request) -> Response:
    """One package, all that is known of it."""
    site, now = site_of(request), site_of(request).clock.now()
    found = find(site.store, request.path_params["slug"])
    document = write_document(found, site.settings.time_zone, now.date())
    package_id = found.entry.id or 0
    releases = found.versions.releases if found.versions else ()
    context = {
        "package": found,
        "document": document,
        "values": values(found, document),
        "troubles": troubles(found.states.values()),
        "weeks": weeks_chart(document["commits_over_52"], now.date()),
        "figures": figures(site.store.history(found.entry.slug), now.date()),
        "releases": releases[: -RELEASES - 1 : -1],
        "older_releases": max(len(releases) - RELEASES, 0),
        "events": site.store.events(package_id, EVENTS),
        "asked": site.store.latest_request(package_id),
    }
    return render(request, "package.html", context)


def failures(request: Request) -> Response:
    """What does not answer, by kind."""
    return render(request, "failures.html", {"kinds": _by_kind(site_of(request).store.failures())})


def login(request: Request) -> Response:
    """Where the operator's token is asked for."""
    return login_page(request, local_path(request.query_params.get("next", "/")))


def login_page(request: Request, leads_to: str, fault: str = "") -> Response:
    return render(request, "login.html", {"leads_to": leads_to, "fault": fault}, status_code=403 if fault else 200)


def _by_kind(rows: Sequence[FailureRow]) -> dict[str, list[FailureRow]]:
    """Failures by their kind, the most frequent first."""
    kinds: dict[str, list[FailureRow]] = defaultdict(list)
    for row in rows:
        kinds[failure_kind(row.state)].append(row)
    return dict(sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0])))


def _gauge(status: QuotaStatus) -> QuotaGauge:
    if not status.limit or status.remaining is None:
        return QuotaGauge(status, None)
    label = f"{number(status.remaining)} of {number(status.limit)} left"
    return QuotaGauge(status, gauge(status.remaining / status.limit, label))


def _hour_chart(hour: Sequence[EventCount]) -> Markup:
    changes, failed = sum(one.changes for one in hour), sum(one.failures for one in hour)
    label = f"In the last hour {changes} changes and {failed} failures began"
    return bars([_minutes(one) for one in hour], label)


def _minutes(one: EventCount) -> Bar:
    return Bar((one.changes, one.failures), f"{_clock(one.start)} UTC: {one.changes} changes, {one.failures} failures")


def _requests_chart(hour: Sequence[RequestCount]) -> Markup:
    answered, failed = sum(one.answered for one in hour), sum(one.failed for one in hour)
    shown = [
        Bar((one.answered, one.failed), f"{_clock(one.start)} UTC: {one.answered} answered, {one.failed} not")
        for one in hour
    ]
    return bars(shown, f"In the last hour {answered} requests were answered and {failed} were not")


def _clock(moment: datetime) -> str:
    return moment.strftime("%H:%M")


def _heading(wanted: Listing, column: Column, title: str) -> Heading:
    """A second choice of a column turns it round."""
    chosen = wanted.sort is column
    turned = chosen and not wanted.descending
    query = _query(wanted, sort=("-" if turned else "") + column, offset=0)
    order = "descending" if wanted.descending else "ascending"
    return Heading(title, query, order if chosen else "none")


def _query(wanted: Listing, **other: Any) -> str:
    """The query of ``wanted``, but for what is other; defaults are left out."""
    sort = ("-" if wanted.descending else "") + wanted.sort
    stated: dict[str, Any] = {
        "search": wanted.search,
        "state": wanted.state and str(wanted.state),
        "sort": sort,
        "limit": wanted.limit,
        "offset": wanted.offset,
        **other,
    }
    defaults = {"search": "", "state": None, "sort": "slug", "limit": ROWS, "offset": 0}
    return "?" + urlencode({name: value for name, value in stated.items() if value != defaults[name]})
