"""The API: documents, pages of documents, conditional requests, errors and refreshes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from fetcher.catalogue.documents import read_document
from fetcher.catalogue.intake import Entry, read_page
from fetcher.domain.errors import BrokerError
from fetcher.domain.model import CatalogueEntry, Source
from fetcher.settings import Settings
from fetcher.web import make_app
from fetcher.web.session import Sessions
from tests.component.web.conftest import BEARER, TOKEN, Browser, Harness
from tests.harness.clock import DAY
from tests.harness.seeds import SEEDS
from tests.harness.stores import NOW, failed, stats

LIST = "/api/v4/packages/"


@pytest.fixture
def settings() -> Settings:
    return Settings(web_token=SecretStr(TOKEN), web_hosts="directory.test", time_zone=ZoneInfo("America/New_York"))


@pytest.fixture
def seeds(harness: Harness) -> list[dict[str, object]]:
    """Import the five seed documents."""
    documents = [json.loads(path.read_text("utf-8")) for path in sorted(SEEDS.glob("*.json"))]
    entries = [entry for one in documents if isinstance(entry := read_document(one), CatalogueEntry)]
    harness.store.packages.import_entries(entries, NOW)
    return documents


def test_documents_are_the_directorys(client: Browser, seeds: list[dict[str, object]]) -> None:
    """An imported document is returned key for key, by id and by slug, with the directory's ``Allow`` header."""
    for document in seeds:
        for name in (document["id"], document["slug"]):
            answer = client.get(f"{LIST}{name}/")
            assert json.dumps(answer.json()) == json.dumps(document)
            assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_fetcher_reads_its_own_pages(client: Browser, seeds: list[dict[str, object]]) -> None:
    """Following ``next`` yields every package once, in the form that the import reads."""
    where: str | None = f"{LIST}?limit=2"
    found = []
    while where is not None:
        page = read_page(client.get(where).content, "a page")
        found += [item.entry.slug for item in page.items if isinstance(item, Entry)]
        where = page.next
    assert sorted(found) == sorted(str(one["slug"]) for one in seeds)


def test_links_of_a_page(client: Browser, seeds: list[dict[str, object]]) -> None:
    """Count, next and previous describe the filtered listing, and the links keep the other parameters."""
    page = client.get(f"{LIST}?limit=2&offset=2&sort=-repo_watchers&search=django").json()
    assert (page["count"], len(page["results"])) == (4, 2)
    assert page["next"] is None
    assert urlsplit(page["previous"]).query == "sort=-repo_watchers&search=django&limit=2&offset=0"
    stars = [one["repo_watchers"] for one in page["results"]]
    assert stars == sorted(stars, reverse=True)


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ("sort=slug&search=LESS", ["lesscpy"]),
        ("sort=slug&search=jazzband flatblocks", ["django-flatblocks"]),
        ("search=100%25", []),
        ("state=gone", []),
        ("sort=-repo_forks&limit=1", ["django-organizations"]),
        ("offset=5", []),
    ],
)
def test_search_filter_and_sort(client: Browser, seeds: list[dict[str, object]], query: str, slugs: list[str]) -> None:
    """Every word must match. Case is ignored, and a percent sign is literal."""
    assert [one["slug"] for one in client.get(f"{LIST}?{query}").json()["results"]] == slugs


@pytest.mark.parametrize("path", [LIST, f"{LIST}lesscpy/"])
def test_head_and_options(client: Browser, seeds: list[dict[str, object]], path: str) -> None:
    """HEAD is GET without its body. OPTIONS and status 405 list the methods in ``Allow``."""
    got, head, options = client.get(path), client.request("HEAD", path), client.request("OPTIONS", path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", got.headers["content-length"])
    assert head.headers["etag"] == got.headers["etag"]
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    refused = client.request("DELETE", path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert set(refused.json()) == {"detail", "remedy"}


@pytest.mark.parametrize("path", [LIST, f"{LIST}lesscpy/"])
@pytest.mark.parametrize("tags", ["{tag}", 'W/"x", W/{tag}', "*"])
def test_entity_tags(client: Browser, seeds: list[dict[str, object]], path: str, tags: str) -> None:
    """A current tag gets 304 without a body. Another tag gets the full document, whatever the date is."""
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": tags.format(tag=first.headers["etag"])})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(path, headers={"If-None-Match": '"x"', "If-Modified-Since": first.headers["last-modified"]})
    assert other.status_code == 200


def test_modification_dates(harness: Harness, client: Browser, seeds: list[dict[str, object]]) -> None:
    """The date of the response gets 304 until the next fetch. An invalid date is ignored."""
    path = f"{LIST}lesscpy/"
    modified = client.get(path).headers["last-modified"]
    assert client.get(path, headers={"If-Modified-Since": modified}).status_code == 304
    assert client.get(path, headers={"If-Modified-Since": "yesterday"}).status_code == 200
    package_id = harness.store.packages.ids(["lesscpy"])["lesscpy"]
    at = harness.clock.now()
    harness.catalogue.answer(package_id, Source.REPOSITORY, stats(stars=7), observed_at=at)
    harness.clock.advance(timedelta(minutes=10))
    answer = client.get(path, headers={"If-Modified-Since": modified})
    assert (answer.status_code, answer.json()["repo_watchers"]) == (200, 7)


def test_no_date_while_fetches_are_pending(harness: Harness, client: Browser, seeds: list[dict[str, object]]) -> None:
    """A fetch that began a moment ago may be stored after a later one, so no date is sent."""
    package_id = harness.store.packages.ids(["lesscpy"])["lesscpy"]
    harness.catalogue.answer(
        package_id, Source.REPOSITORY, stats(), observed_at=harness.clock.now() - timedelta(minutes=1)
    )
    assert "last-modified" not in client.get(LIST).headers
    harness.clock.advance(timedelta(minutes=5))
    assert "last-modified" in client.get(LIST).headers


def test_an_edit_moves_the_date(harness: Harness, client: Browser, seeds: list[dict[str, object]]) -> None:
    """A title that an editor changed moves the date, although no source was fetched."""
    modified = client.get(f"{LIST}lesscpy/").headers["last-modified"]
    stored = harness.catalogue.get("lesscpy").entry
    harness.clock.advance(timedelta(hours=1))
    harness.store.packages.import_entries([replace(stored, title="Less")], harness.clock.now())
    harness.clock.advance(timedelta(hours=1))
    answer = client.get(f"{LIST}lesscpy/", headers={"If-Modified-Since": modified})
    assert (answer.status_code, answer.json()["title"]) == (200, "Less")


def test_the_weeks_roll_at_midnight(harness: Harness, client: Browser, seeds: list[dict[str, object]]) -> None:
    """A new day is a new document, because it moves the 52 weeks."""
    modified = client.get(f"{LIST}lesscpy/").headers["last-modified"]
    harness.clock.advance(DAY)
    assert client.get(f"{LIST}lesscpy/", headers={"If-Modified-Since": modified}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{LIST}nobody/", 404),
        (f"{LIST}0/", 404),
        (f"{LIST}99999999999999999999/", 404),
        (f"{LIST}%00/", 404),
        ("/api/v4/nothing", 404),
        ("/api/v4/refreshes/x/", 404),
        (f"{LIST}?limit=0", 400),
        (f"{LIST}?limit=1001", 400),
        (f"{LIST}?limit=²", 400),
        (f"{LIST}?offset=-1", 400),
        (f"{LIST}?sort=stars", 400),
        (f"{LIST}?state=lost", 400),
        (f"{LIST}?search={'x' * 201}", 400),
    ],
)
def test_errors(client: Browser, path: str, status: int) -> None:
    """Every error is JSON with a detail and a remedy."""
    answer = client.get(path)
    assert answer.status_code == status
    assert all(answer.json()[name] for name in ("detail", "remedy"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/v4/nothing", "nothing at this address"),
        (f"{LIST}nobody/", f"{LIST} lists all packages"),
        (f"{LIST}?sort=age", "sort 'age' is not valid"),
        (f"{LIST}?limit=many", "limit 'many' is not valid"),
        (f"{LIST}?state=lost", "state 'lost' is not valid Input should be 'retired'"),
        (f"{LIST}?limit={'9' * 90}", f"limit '{'9' * 40}…' is not"),
    ],
)
def test_errors_repeat_the_refused_value(client: Browser, path: str, message: str) -> None:
    """The detail repeats the parameter, shortened, and the remedy names a path of the API."""
    assert message in " ".join(client.get(path).json().values())


def test_a_slug_of_digits(harness: Harness, client: Browser) -> None:
    """An id takes precedence over a slug of digits. The slug is found if no package has the id."""
    harness.catalogue.add("1")
    harness.catalogue.add("77")
    assert client.get(f"{LIST}77/").json()["slug"] == "77"


def test_without_a_database(client_without_database: Browser) -> None:
    """Status 503, with the store's own message and remedy."""
    answer = client_without_database.get(LIST)
    assert answer.status_code == 503
    assert set(answer.json()) == {"detail", "remedy"}


def test_states(harness: Harness, client: Browser) -> None:
    """The filter finds packages by state, and each package is in one state."""
    a, b, _c, d = harness.catalogue.add("a", "b", "c", "d")
    harness.catalogue.add("e", repo_url="https://elsewhere.example/e")
    harness.store.claims.record([failed(a, Source.REPOSITORY)])
    harness.store.packages.retire([b], NOW)
    for source in (Source.REPOSITORY, Source.CONTRIBUTORS, Source.COMMITS):
        harness.catalogue.answer(d, source, observed_at=harness.clock.now())
    found = {
        state: [one["slug"] for one in client.get(f"{LIST}?state={state}").json()["results"]]
        for state in ("failing", "retired", "unsupported", "not_fetched", "stale", "fresh", "gone")
    }
    some = {"failing": ["a"], "retired": ["b"], "unsupported": ["e"], "not_fetched": ["c"], "fresh": ["d"]}
    expected = {**some, "stale": [], "gone": []}
    assert found == expected
    assert "last-modified" not in client.get(f"{LIST}?state=stale").headers


# --- refreshes --------------------------------------------------------------------------------------------------


def test_request_and_follow_a_refresh(harness: Harness, client: Browser) -> None:
    """Status 202 with a location, by id and by slug. A second request joins the first."""
    (a,) = harness.catalogue.add("a")
    first = client.post(f"{LIST}a/refresh/", headers=BEARER)
    assert (first.status_code, first.json()["state"], first.json()["joined"]) == (202, "queued", False)
    second = client.post(f"{LIST}{a}/refresh/", headers=BEARER)
    assert (second.json()["joined"], second.headers["location"]) == (True, first.headers["location"])
    followed = client.get(first.headers["location"])
    assert (followed.status_code, followed.json()["slug"]) == (200, "a")
    assert followed.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"])
def test_without_the_token(harness: Harness, client: Browser, header: str) -> None:
    """Status 401 with the scheme, and no refresh is requested."""
    harness.catalogue.add("a")
    answer = client.post(f"{LIST}a/refresh/", headers={"Authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert harness.runtime.sent == []


def test_disabled(harness: Harness) -> None:
    """Without FETCHER_WEB_TOKEN the status is 403, and the remedy names the setting."""
    client = Browser(make_app(replace(harness.context, sessions=Sessions(None))))
    answer = client.post(f"{LIST}a/refresh/", headers={"Authorization": "Bearer "})
    client.close()
    assert answer.status_code == 403
    assert "FETCHER_WEB_TOKEN" in answer.json()["remedy"]


def test_packages_that_cannot_be_refreshed(harness: Harness, client: Browser) -> None:
    """A retired package is a conflict, one without sources forbidden, and an unknown one not found."""
    (a,) = harness.catalogue.add("a")
    harness.catalogue.add("b", repo_url=None)
    harness.store.packages.retire([a], NOW)
    statuses = [client.post(f"{LIST}{name}/refresh/", headers=BEARER).status_code for name in "abc"]
    assert statuses == [409, 403, 404]
    assert harness.runtime.sent == []


def test_without_redis(harness: Harness, client: Browser) -> None:
    """Status 503 with a remedy. Documents are still served."""
    harness.catalogue.add("a")
    harness.runtime.error = BrokerError("Redis cannot be reached", "Start it")
    answer = client.post(f"{LIST}a/refresh/", headers=BEARER)
    assert (answer.status_code, answer.json()) == (503, {"detail": "Redis cannot be reached", "remedy": "Start it"})
    assert client.get(f"{LIST}a/").status_code == 200


def test_times_are_the_directorys(harness: Harness, client: Browser) -> None:
    """Times of a refresh are in the time zone of the documents."""
    harness.catalogue.add("a")
    answer = client.post(f"{LIST}a/refresh/", headers=BEARER)
    requested_at = datetime.fromisoformat(answer.json()["requested_at"])
    assert requested_at == harness.clock.now().astimezone(UTC)
    assert requested_at.utcoffset() == timedelta(hours=-4)
