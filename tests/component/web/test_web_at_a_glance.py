"""The pages at a glance: the first pass, ages of figures, states with reasons, and answers to what users do."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.requests import Request

from fetcher.domain.errors import BrokerError
from fetcher.domain.model import DueReason, MadeDue, Source
from fetcher.quota import QuotaStatus
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.web import make_app
from fetcher.web.hosts import host_of
from fetcher.web.live import CURRENT, PATIENCE
from fetcher.web.pages import TILES
from fetcher.web.session import is_same_origin
from tasks.inspection import QueueState
from tests.component.web.conftest import Browser, Harness
from tests.component.web.test_web_pages import Page
from tests.harness.clock import HOUR, MINUTE
from tests.harness.stores import failed, stats


def _quota(harness: Harness, remaining: int = 4000) -> None:
    reset = harness.clock.now() + HOUR / 2
    harness.runtime.quota = [
        QuotaStatus("github:x", GITHUB, one, 5000, remaining, reset, None, None, 0) for one in Resource
    ]


def test_an_empty_catalogue(harness: Harness) -> None:
    """It shows the commands of the first step. Each state has its tile."""
    text = harness.client.get("/").text
    assert "<code>fetcher add https://github.com/OWNER/NAME</code>" in text
    assert "<code>fetcher import" in text
    assert "The catalogue is empty." in harness.client.get("/packages").text


def test_a_first_pass(harness: Harness) -> None:
    """Packages never fetched are counted apart, with the time left and the limiting quota; none is called stale."""
    now = harness.clock.now()
    ids = harness.catalogue.add(*(f"p{n:02}" for n in range(40)))
    for package_id in ids:
        harness.catalogue.answer(package_id, Source.REPOSITORY, stats(), observed_at=now - MINUTE, due_at=now + HOUR)
        harness.store.claims.record([MadeDue(package_id, Source.CONTRIBUTORS, now - MINUTE, DueReason.FIRST)])
    harness.catalogue.answer(ids[0], Source.CONTRIBUTORS, observed_at=now - MINUTE, due_at=now + HOUR)
    _quota(harness, remaining=10)
    text = harness.client.get("/").text
    assert "<strong>First fetch: 40 packages to go</strong>, about " in text
    assert "limited by GitHub's quota" in text
    assert '<strong>40</strong><span class="state not_fetched">not fetched yet</span>' in text
    assert '<strong>0</strong><span class="state ">stale</span>' in text
    assert "contributors: 39 due, waiting for GitHub's quota" in text
    assert "Nothing is due" not in text
    assert "not fetched yet" in harness.client.get("/packages?state=not_fetched").text


def test_nothing_due(harness: Harness) -> None:
    """Only if nothing is due does the page say so, with the next check."""
    (a,) = harness.catalogue.add("a")
    for source in (Source.REPOSITORY, Source.CONTRIBUTORS, Source.COMMITS):
        harness.catalogue.answer(a, source, due_at=harness.clock.now() + HOUR, observed_at=harness.clock.now())
    text = harness.client.get("/").text
    assert "Nothing is due. The next check is <time" in text
    assert "First fetch" not in text


def test_tiles_keep_their_place(harness: Harness) -> None:
    """The order of the tiles does not depend on the counts, and a state without packages has its tile."""

    def tiles() -> list[str]:
        links = [str(one.get("href")) for one in Page(harness.client.get("/").text).all("a")]
        return [link.partition("state=")[2] for link in links if "state=" in link]

    assert tiles() == list(TILES)
    harness.catalogue.add("a", "b")
    assert tiles() == list(TILES)


@pytest.mark.parametrize("path", ["/", "/packages", "/failures", "/packages/a"])
def test_each_page_states_its_time(harness: Harness, path: str) -> None:
    """Each page states the time of its figures, also without JavaScript, and has a place for the banner."""
    harness.catalogue.add("a")
    page = Page(harness.client.get(path).text)
    now = harness.clock.now()
    assert {"datetime": now.isoformat()} in page.all("time")
    (banner,) = [one for one in page.all("div") if one.get("id") == "offline"]
    assert ("hidden" in banner, banner["role"]) == (True, "alert")


def test_a_frozen_redis(harness: Harness) -> None:
    """The overview waits for a short time, then shows the last known figures with their age."""
    _quota(harness)
    harness.runtime.states = [QueueState("background", 1234, ("w@h",), 0)]
    assert "1\u202f234" in harness.client.get("/").text
    thawed = threading.Event()
    frozen = replace(harness.context)
    harness.clock.advance(CURRENT + 40 * MINUTE)
    object.__setattr__(frozen, "live", harness.context.live)
    loads = harness.runtime.queues
    harness.runtime.queues = lambda: (thawed.wait(60), loads())[1]  # type: ignore[method-assign]
    try:
        text = harness.client.get("/").text
        assert f"Redis did not respond within {PATIENCE:g} seconds" in text
        assert "Queues, quota and requests are from <time" in text
        assert "40 min ago" in text
        assert "1\u202f234" in text
    finally:
        thawed.set()


def test_a_package_states_its_next_checks(harness: Harness) -> None:
    """The page has the state, the due time of each source and the reason."""
    (a,) = harness.catalogue.add("a")
    text = harness.client.get("/packages/a").text
    assert '<span class="state not_fetched">not fetched yet</span> never fully fetched' in text
    assert "not requested yet" in text
    assert "fetched after its repository&#39;s next response" in text
    harness.store.claims.record(
        [failed(a, Source.REPOSITORY, "gone", message="it is `away`", due_reason=DueReason.COOLING)]
    )
    text = harness.client.get("/packages/a").text
    assert '<span class="state failing">failing</span>' in text
    assert "a pause of 6 h, because it failed once" in text
    assert "<strong>repository</strong> missing, failed once, 24 h ago: it is <code>away</code>" in text
    assert " gone" not in text


def test_failures_by_package(harness: Harness) -> None:
    """A package is one line with the reasons of its sources, and the counts of both are explained."""
    a, b = harness.catalogue.add("a", "b", project=True)
    harness.store.claims.record(
        [
            failed(a, Source.REPOSITORY, message="one"),
            failed(a, Source.INDEX, "malformed", message="two"),
            failed(b, Source.INDEX),
        ]
    )
    text = harness.client.get("/failures").text
    assert "2 packages fail, in 3 sources." in text
    assert [text.count(f'<a href="/packages/{slug}">') for slug in "ab"] == [1, 1]
    assert "one" in text
    assert "two" in text
    assert 'data-interval="10"' in text
    assert '<li><a href="/failures#transient">2 transient</a></li>' in harness.client.get("/").text


def test_beyond_the_end(harness: Harness) -> None:
    """A page beyond the last package says so and leads back to the last page."""
    harness.catalogue.add(*(f"p{n:03}" for n in range(120)))
    text = harness.client.get("/packages?offset=99999").text
    assert "There is no package 100\u202f000: the list has 120." in text
    assert 'href="/packages?offset=100"' in text
    assert "99\u202f999" not in text


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/packages?stat=failing", "stat"),
        ("/api/v4/packages/?since=2026", "since"),
        ("/?x=1", "x"),
        ("/failures?kind=gone", "kind"),
        ("/packages/a?refresh=1", "refresh"),
        ("/login?token=x", "token"),
    ],
)
def test_unknown_parameters(harness: Harness, path: str, name: str) -> None:
    """A parameter that is not read is refused by its name."""
    harness.catalogue.add("a")
    answer = harness.client.get(path)
    assert answer.status_code == 400
    assert f"unknown parameter '{name}'" in answer.text.replace("&#39;", "'")


def test_messages_have_no_backticks_and_lead_somewhere(harness: Harness) -> None:
    """Commands in messages are code, and the path in a remedy is a link."""
    harness.runtime.error = BrokerError("Redis cannot be reached", "Start it with `fetcher up`")
    text = harness.client.get("/").text
    assert "Start it with <code>fetcher up</code>" in text
    assert "`" not in text
    text = harness.client.get("/packages/none").text
    assert '<a href="/packages">/packages</a> lists all packages' in text


def test_a_phone_can_sort(harness: Harness) -> None:
    """The form has the orders, of which the current one is chosen, whichever it is."""
    for sort in ("-repo_watchers", "created"):
        options = Page(harness.client.get(f"/packages?sort={sort}").text).all("option")
        assert [one["value"] for one in options if "selected" in one] == [sort]


def test_the_icon_of_old_clients(harness: Harness) -> None:
    answer = harness.client.get("/favicon.ico")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//", "null", "", "http://directory.test:x"])
def test_an_origin_that_is_no_address(harness: Harness, origin: str) -> None:
    """A login with it is refused as from another site."""
    answer = harness.client.post("/login", data={"token": "x"}, headers={"Origin": origin})
    assert answer.status_code == 403


READ = ("origin", "sec-fetch-site", "host", "cookie", "accept", "authorization", "if-none-match", "if-modified-since")
"""Every header that the web application reads."""


@given(st.sampled_from(READ), st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=60))
def test_any_header_is_read(name: str, value: str) -> None:
    """No value of a header raises an exception where origins and hosts are read."""
    headers = Headers({"host": "directory.test", name: value.encode("latin-1").decode("latin-1")})
    is_same_origin(Request({"type": "http", "headers": headers.raw, "method": "GET"}))
    host = host_of(headers["host"])
    assert host is None or "/" not in host


@pytest.mark.parametrize("path", ["/", "/login", "/metrics", "/api/v4/packages/", "/api/v4/packages/a/refresh/"])
def test_no_header_crashes(harness: Harness, path: str) -> None:
    """No header leads to status 500, whichever page reads it."""
    method = "POST" if path.endswith(("login", "refresh/")) else "GET"
    values = ("http://[", "[", "\xff\xfe", "W/", '"', "a" * 4000, "Bearer", "=;=", ",,;q=x", "%")
    for name, value in product(READ, values):
        headers = {name.encode(): value.encode("latin-1")}
        assert harness.client.request(method, path, headers=headers).status_code < 500, (name, value)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("directory.test", 200),
        ("DIRECTORY.test.:8080", 200),
        ("localhost:1234", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("evil.example", 400),
        ("directory.test.evil.example", 400),
        ("directory.test@evil.example", 400),
        ("", 400),
        ("[::1", 400),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/v4/packages/?limit=1"])
def test_hosts(harness: Harness, host: str, status: int, path: str) -> None:
    """Only known hosts are served, so that links never contain another one."""
    harness.catalogue.add("a", "b")
    answer = harness.client.get(path, headers={"Host": host})
    assert answer.status_code == status
    assert "evil" not in answer.text


def test_any_host(harness: Harness) -> None:
    """A star in the setting allows every host."""
    settings = harness.context.settings.model_copy(update={"web_hosts": "*"})
    client = Browser(make_app(replace(harness.context, settings=settings)))
    assert client.get("/", headers={"Host": "any.example"}).status_code == 200
    client.close()


def test_axes(harness: Harness) -> None:
    """Each chart of the last hour has the times of its ends and its middle."""
    now = harness.clock.now().astimezone(harness.context.settings.time_zone)
    text = harness.client.get("/").text
    for moment in (now - HOUR, now - HOUR / 2, now):
        assert moment.strftime("<span>%H:%M") in text
