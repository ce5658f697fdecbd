"""The pages: content, valid markup without JavaScript, and escaping of all data."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest

from fetcher.domain.errors import BrokerError
from fetcher.domain.model import CommitDays, Contribution, Contributors, Source
from fetcher.domain.views import Change, Ending, RequestCount, RequestState, SourceFailure
from fetcher.domain.webhooks import Attempt, DeliveryState, Verdict
from fetcher.quota import QuotaStatus
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.web import make_app
from fetcher.web.session import Sessions
from tasks.inspection import QueueState
from tests.component.web.conftest import Browser, Harness
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import NOW, failed, release, stats, versions

EVIL = "<script>alert('x')</script>\"&"
VOID = {"meta", "link", "input", "img", "br"}


class Page(HTMLParser):
    """A parser that checks the nesting of elements and collects them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def full(harness: Harness) -> Harness:
    """Add a package with all values, a failing one, a retired one and one never fetched."""
    a, b, c, _ = harness.catalogue.add("a", "b", "c", "d", project=True)
    people = Contributors(tuple(Contribution(f"login{n}", 100 - n) for n in range(70)))
    days = CommitDays(NOW.date() - timedelta(days=30), (0, 3, 1) + (0,) * 27)
    answer = harness.catalogue.answer
    answer(a, Source.REPOSITORY, stats(archived=True))
    answer(a, Source.CONTRIBUTORS, people)
    answer(a, Source.COMMITS, days)
    answer(a, Source.INDEX, versions("1.0", "2.0"))
    answer(a, Source.REPOSITORY, stats(stars=12, archived=True), observed_at=NOW + HOUR)
    harness.store.claims.record([failed(b, Source.REPOSITORY, "gone", message="it is not there")])
    harness.store.packages.retire([c], NOW)
    return harness


PATHS = ("/", "/packages", *(f"/packages/{slug}" for slug in "abcd"), "/failures", "/login", "/nothing")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("logged_in", [False, True])
def test_markup(full: Harness, path: str, logged_in: bool) -> None:  # noqa: FBT001  (a case of the test)
    """Elements nest, ids are unique, the page has a language and one first heading, and every input has a label."""
    if logged_in:
        full.log_in()
    page = Page(full.client.get(path).text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert page.all("html") == [{"lang": "en"}]
    assert [len(page.all(tag)) for tag in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
    labelled = {one.get("aria-labelledby") for _, one in page.elements} - {None}
    assert labelled <= set(ids)
    assert all(one.get("role") == "img" and one.get("aria-label") for one in page.all("svg"))
    fields = [one for one in page.all("input") if one.get("type") != "hidden"]
    assert len(fields) + len(page.all("select")) == len(page.all("label"))


@pytest.mark.parametrize("path", PATHS)
def test_content_security_policy(full: Harness, path: str) -> None:
    """No page has inline code or content from other origins, and each sends the policy that forbids both."""
    answer = full.client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = Page(answer.text)
    assert not [one for _, one in page.elements if "style" in one or any(name.startswith("on") for name in one)]
    loaded = [
        one.get("src") or one.get("href")
        for tag in ("script", "link", "img")
        for one in page.all(tag)
        if one.get("rel") != "alternate"
    ]  # a feed is offered, not loaded
    assert loaded
    for address in loaded:
        assert address is not None
        assert full.client.get(address).status_code == 200
        assert address.startswith("/static/")


def test_overview(full: Harness) -> None:
    """The overview shows states, ages, queues, quota with its reset, kinds of failures and the last hour."""
    sent = full.clock.now() - timedelta(minutes=7)
    full.runtime.states = [
        QueueState("manual", 3, (), 0, oldest_sent_at=sent),
        QueueState("background", 1234, ("w@h",), 0),
    ]
    reset = full.clock.now() + timedelta(minutes=20)
    full.runtime.quota = [QuotaStatus("github:x", GITHUB, Resource.GRAPHQL, 5000, 400, reset, None, None, 0)]
    full.runtime.recent_requests = [RequestCount(reset, 40, 2), RequestCount(reset, 2, 0)]
    text = full.client.get("/").text
    assert 'aria-label="Last hour: 42 requests succeeded and 2 failed"' in text
    assert '<a href="/failures#missing">1 missing</a>' in text
    assert '<strong class="bad">none</strong>' in text
    assert "1\u202f234" in text
    assert '<td class="n">7 min</td>' in text
    assert re.search(
        r'<th scope="row">repository</th>(\s*<td class="n">[^<]*</td>){3}\s*<td class="n">[\d.]+\u202f%</td>', text
    )
    assert re.search(r"400 of 5\u202f000 left, resets <time[^>]*>in 20 min</time>", text)
    assert 'aria-label="400 of 5\u202f000 left"' in text
    assert 'class="low"' in text
    assert 'href="/packages?state=retired"' in text
    assert "not started: <code>fetcher up</code> starts everything" in text


def test_overview_without_redis(full: Harness) -> None:
    """Values from Redis are shown as unknown, with a remedy. The other values are shown."""
    full.runtime.error = BrokerError("Redis cannot be reached", "Start it")
    answer = full.client.get("/")
    assert answer.status_code == 200
    assert "Redis cannot be reached. Start it" in answer.text
    assert answer.text.count("Unknown while Redis is unavailable.") == 2


def test_the_list(full: Harness) -> None:
    """The listing sorts by any column in either order and filters. Every link keeps the other parameters."""
    text = full.client.get("/packages?sort=-repo_watchers&state=failing&search=b").text
    assert 'aria-sort="descending"' in text
    assert "/packages?search=b&amp;state=failing&amp;sort=repo_forks" in text
    assert "1 to 1 of 1" in text
    for column in ("slug", "state", "repo_watchers", "repo_forks", "pypi_version", "last_updated", "last_fetched"):
        for sign in ("", "-"):
            assert full.client.get(f"/packages?sort={sign}{column}").status_code == 200
    assert "No matching packages." in full.client.get("/packages?search=nobody").text
    assert full.client.get("/packages?sort=colour").status_code == 400


def test_pages_of_the_list(harness: Harness) -> None:
    """A page has fifty packages, with links to the previous and the next page."""
    harness.catalogue.add(*(f"p{n:03}" for n in range(120)))
    first, second = harness.client.get("/packages").text, harness.client.get("/packages?offset=50").text
    assert ('rel="next" href="/packages?offset=50"' in first, 'rel="prev"' in first) == (True, False)
    assert ('rel="prev" href="/packages?"' in second, "51 to 100 of 120" in second) == (True, True)


def test_one_package(full: Harness) -> None:
    """The page shows values with source and age, weeks, history, participants, releases and events."""
    page = full.client.get("/packages/a").text
    for text in (
        "4 commits in 52 weeks; most in the week from",
        "12 stars, unchanged since 2026-03-18",
        "70, most commits first",
        "More participants",
        "archived",
        "stars 10 → 12",
        "first answer",
        "2.0",
    ):
        assert text in page
    assert "Log in to refresh" in page


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/packages/b", "it is not there"),
        ("/packages/c", "<code>fetcher revive c</code>"),
        ("/packages/d", "None known."),
    ],
)
def test_packages_in_other_states(full: Harness, path: str, message: str) -> None:
    """A failing package shows the reason, a retired one how to revive it, and a new one that values are unknown."""
    assert message in full.client.get(path).text


def test_a_retired_package_keeps_the_age_of_its_values(full: Harness) -> None:
    """Values of a retired package have the age of their last fetch, and keep it when it is revived."""
    (package_id,) = full.store.packages.ids(["a"]).values()
    fresh = "repository (github), <time"
    assert fresh in full.client.get("/packages/a").text
    full.store.packages.retire([package_id], NOW)
    assert fresh in full.client.get("/packages/a").text
    full.store.packages.revive([package_id], NOW)
    page = full.client.get("/packages/a").text
    assert fresh in page
    assert "stored earlier, not fetched since" not in page


def test_an_id_leads_to_the_package_too(full: Harness) -> None:
    assert full.client.get(f"/packages/{full.catalogue.get('a').entry.id}").status_code == 200
    assert full.client.get("/packages/nobody").status_code == 404


def test_data_is_escaped(harness: Harness) -> None:
    """Markup in descriptions, logins, messages and addresses is escaped, and ``javascript:`` is not linked."""
    (a,) = harness.catalogue.add("a", project=True, title=EVIL, documentation_url="javascript:alert(1)")
    harness.catalogue.answer(a, Source.REPOSITORY, stats(description=EVIL, default_branch=EVIL))
    harness.catalogue.answer(a, Source.CONTRIBUTORS, Contributors((Contribution(EVIL, 1),)))
    found = replace(versions("1.0"), releases=(release("1.0", yanked=True, yanked_reason=EVIL),))
    harness.catalogue.answer(a, Source.INDEX, found)
    harness.store.claims.record([failed(a, Source.REPOSITORY, message=EVIL, observed_at=NOW + HOUR)])
    (submitted,) = harness.store.requests.submit([a], NOW)
    ending = Ending(
        submitted.request.id,
        RequestState.DONE,
        (Change("repo_description", "", EVIL),),
        (SourceFailure(Source.INDEX, "transient", EVIL),),
    )
    harness.store.requests.finish([ending], NOW)
    for path in ("/packages/a", "/packages", "/failures", f"/packages?search={EVIL}"):
        text = harness.client.get(path).text
        assert "<script>alert" not in text
        assert [one.get("href") for one in Page(text).all("a") if "javascript" in str(one.get("href"))] == []


@pytest.mark.parametrize("state", list(RequestState))
def test_a_refresh_on_its_package(harness: Harness, state: RequestState) -> None:
    """Each state is shown. While the refresh is open the page reloads, also without JavaScript."""
    (a,) = harness.catalogue.add("a")
    (submitted,) = harness.store.requests.submit([a], NOW)
    changes = (Change("repo_watchers", None, 5), Change("participants", [], ["x", "y"]))
    if state is RequestState.RUNNING:
        harness.store.requests.start([submitted.request.id], NOW)
    elif not state.is_open:
        harness.store.requests.finish([Ending(submitted.request.id, state, changes)], NOW)
    text = harness.client.get("/packages/a").text
    words = {"queued": "Queued", "running": "Running", "done": "Refreshed", "failed": "Failed"}
    assert f"<strong>{words[state]}</strong>" in text
    assert ('http-equiv="refresh"' in text) == state.is_open
    assert ('data-interval="1"' in text) == state.is_open
    assert ("<ins>5</ins>" in text and "0 → 2" in text) == (state is RequestState.DONE)


def test_without_a_token(full: Harness) -> None:
    """The pages state that logging in is disabled instead of offering it."""
    client = Browser(make_app(replace(full.context, sessions=Sessions(None))))
    assert "FETCHER_WEB_TOKEN" in client.get("/packages/a").text
    assert "FETCHER_WEB_TOKEN" in client.get("/login").text
    assert "Log in" not in client.get("/").text
    client.close()


def test_an_unexpected_error(full: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response is an error page, or JSON under ``/api``, without the traceback."""
    monkeypatch.setattr(type(full.store.packages), "documents", _breaks)
    monkeypatch.setattr(type(full.store.packages), "failures", _breaks)
    page, answer = full.client.get("/failures"), full.client.get("/api/v4/packages/")
    assert (page.status_code, answer.status_code) == (500, 500)
    assert "secret" not in page.text + answer.text
    assert answer.json()["detail"] == "an unexpected error occurred"
    assert "default-src" in page.headers["content-security-policy"]


def _breaks(*_: object) -> None:
    raise RuntimeError("secret")


def test_weeks_have_dates(full: Harness) -> None:
    """The tooltip of a bar has the week's first day. The last week ends today."""
    text = full.client.get("/packages/a").text
    last = re.findall(r"week from ([0-9-]+):", text)[-1]
    assert date.fromisoformat(last) == (NOW + DAY).date() - timedelta(weeks=1)


def test_a_hundred_thousand_participants(harness: Harness) -> None:
    """The page names two thousand, says how many more there are, and stays small."""
    (package_id,) = harness.catalogue.add("crowd")
    people = Contributors(tuple(Contribution(f"person{number}", 1) for number in range(100_000)))
    harness.catalogue.answer(package_id, Source.CONTRIBUTORS, people)
    text = harness.client.get("/packages/crowd").text
    assert "100 000, most commits first" in text.replace("\u202f", " ").replace("\u00a0", " ")
    assert "person1999<" in text
    assert "person2000<" not in text
    assert "98 000 more" in text.replace("\u202f", " ").replace("\u00a0", " ")
    assert len(text) < 200_000


def test_changes_and_receivers_on_the_overview(harness: Harness) -> None:
    """The overview lists the last changes with their feed, and each receiver's state with the last messages."""
    harness.catalogue.add("a", title="<b>A</b>")
    harness.store.changes.number(NOW)
    page = harness.client.get("/").text
    assert "&lt;b&gt;A&lt;/b&gt;" in page
    assert "No receiver" in page
    endpoint = harness.store.webhooks.add("https://directory.org/s3cret-path", [], "whsec_c2VjcmV0", NOW)
    harness.catalogue.add("b")
    harness.store.changes.number(NOW)
    harness.store.webhooks.fan_out(NOW)
    (message,) = harness.store.webhooks.claim(endpoint.id, 10, NOW)
    harness.store.webhooks.record(
        message, Attempt(410), Verdict(DeliveryState.FAILED, disabled="the receiver returned 410 Gone"), NOW
    )
    page = harness.client.get("/").text
    assert "package.added of b: failed (410)" in page
    assert "the receiver returned 410 Gone" in page
    assert "s3cret" not in page
    assert "c2VjcmV0" not in page
