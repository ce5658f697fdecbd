"""The API: the directory's documents, page by page and one by one, and only what is new of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
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
from tests.stores import DAY, NOW, failed, stats
from tests.unit.web.conftest import BEARER, TOKEN, Browser, House

SEEDS = Path(__file__).parents[2] / "data" / "seeds"
LIST = "/api/v4/packages/"


@pytest.fixture
def settings() -> Settings:
    return Settings(web_token=SecretStr(TOKEN), time_zone=ZoneInfo("America/New_York"))


@pytest.fixture
def seeds(house: House) -> list[dict[str, object]]:
    """The five documents, imported."""
    documents = [json.loads(path.read_text("utf-8")) for path in sorted(SEEDS.glob("*.json"))]
    entries = [entry for one in documents if isinstance(entry := read_document(one), CatalogueEntry)]
    house.store.import_entries(entries, NOW)
    return documents


def test_documents_are_the_directorys(client: Browser, seeds: list[dict[str, object]]) -> None:
    """What was imported comes out key for key, by id and by slug, with the headers that the directory sends."""
    for document in seeds:
        for name in (document["id"], document["slug"]):
            answer = client.get(f"{LIST}{name}/")
            assert json.dumps(answer.json()) == json.dumps(document)
            assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_fetcher_reads_its_own_pages(client: Browser, seeds: list[dict[str, object]]) -> None:
    """Following ``next`` from page to page brings every package once, as the import reads it."""
    where: str | None = f"{LIST}?limit=2"
    found = []
    while where is not None:
        page = read_page(client.get(where).content, "a page")
        found += [item.entry.slug for item in page.items if isinstance(item, Entry)]
        where = page.next
    assert sorted(found) == sorted(str(one["slug"]) for one in seeds)


def test_a_page_says_where_it_is(client: Browser, seeds: list[dict[str, object]]) -> None:
    """Count, next and previous are of the filtered listing, and keep what was asked for."""
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
    """Every word has to be found, its case does not matter, and a percent sign is one."""
    assert [one["slug"] for one in client.get(f"{LIST}?{query}").json()["results"]] == slugs


@pytest.mark.parametrize("path", [LIST, f"{LIST}lesscpy/"])
def test_head_and_options(client: Browser, seeds: list[dict[str, object]], path: str) -> None:
    """HEAD is GET without its body; OPTIONS and a refusal name the methods."""
    got, head, options = client.get(path), client.request("HEAD", path), client.request("OPTIONS", path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", got.headers["content-length"])
    assert head.headers["etag"] == got.headers["etag"]
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    refused = client.request("DELETE", path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert set(refused.json()) == {"detail", "remedy"}


@pytest.mark.parametrize("path", [LIST, f"{LIST}lesscpy/"])
@pytest.mark.parametrize("tags", ["{tag}", 'W/"x", W/{tag}', "*"])
def test_a_tag_that_is_known(client: Browser, seeds: list[dict[str, object]], path: str, tags: str) -> None:
    """Who has it gets a 304 without a body; another tag gets the whole, whatever the date says."""
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": tags.format(tag=first.headers["etag"])})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(path, headers={"If-None-Match": '"x"', "If-Modified-Since": first.headers["last-modified"]})
    assert other.status_code == 200


def test_a_date_that_is_known(house: House, client: Browser, seeds: list[dict[str, object]]) -> None:
    """A 304 for the date that was told, until something is asked again; nonsense is passed over."""
    path = f"{LIST}lesscpy/"
    told = client.get(path).headers["last-modified"]
    assert client.get(path, headers={"If-Modified-Since": told}).status_code == 304
    assert client.get(path, headers={"If-Modified-Since": "yesterday"}).status_code == 200
    package_id = house.store.package_ids(["lesscpy"])["lesscpy"]
    at = house.clock.now()
    house.catalogue.answer(package_id, Source.GITHUB, stats(stars=7), observed_at=at)
    house.clock.advance(timedelta(minutes=10))
    answer = client.get(path, headers={"If-Modified-Since": told})
    assert (answer.status_code, answer.json()["repo_watchers"]) == (200, 7)


def test_no_date_while_answers_may_still_come(house: House, client: Browser, seeds: list[dict[str, object]]) -> None:
    """What was asked a moment ago may be stored after something that was asked later: then the tag alone counts."""
    package_id = house.store.package_ids(["lesscpy"])["lesscpy"]
    house.catalogue.answer(package_id, Source.GITHUB, stats(), observed_at=house.clock.now() - timedelta(minutes=1))
    assert "last-modified" not in client.get(LIST).headers
    house.clock.advance(timedelta(minutes=5))
    assert "last-modified" in client.get(LIST).headers


def test_an_edit_is_news_at_once(house: House, client: Browser, seeds: list[dict[str, object]]) -> None:
    """A title that an editor changed moves the date, though no source was asked."""
    told = client.get(f"{LIST}lesscpy/").headers["last-modified"]
    stored = house.catalogue.get("lesscpy").entry
    house.clock.advance(timedelta(hours=1))
    house.store.import_entries([replace(stored, title="Less")], house.clock.now())
    house.clock.advance(timedelta(hours=1))
    answer = client.get(f"{LIST}lesscpy/", headers={"If-Modified-Since": told})
    assert (answer.status_code, answer.json()["title"]) == (200, "Less")


def test_the_weeks_roll_at_midnight(house: House, client: Browser, seeds: list[dict[str, object]]) -> None:
    """A new day is a new document, for a year is shown up to it."""
    told = client.get(f"{LIST}lesscpy/").headers["last-modified"]
    house.clock.advance(DAY)
    assert client.get(f"{LIST}lesscpy/", headers={"If-Modified-Since": told}).status_code == 200


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
def test_what_is_wrong_is_said(client: Browser, path: str, status: int) -> None:
    """Every refusal is JSON with what was wrong and what to do."""
    answer = client.get(path)
    assert answer.status_code == status
    assert all(answer.json()[name] for name in ("detail", "remedy"))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v4/nothing", "nothing at this address"),
        (f"{LIST}nobody/", f"{LIST} lists them all"),
        (f"{LIST}?sort=age", "sort 'age' is not one of ours"),
        (f"{LIST}?limit=many", "limit 'many' is not a number"),
        (f"{LIST}?limit={'9' * 90}", f"limit '{'9' * 40}…' is not"),
    ],
)
def test_it_is_said_what_and_where(client: Browser, path: str, said: str) -> None:
    """What was sent is repeated, and the way out leads to where it was asked."""
    assert said in " ".join(client.get(path).json().values())


def test_a_slug_of_digits(house: House, client: Browser) -> None:
    """An id goes before a slug that looks like one; the slug is found where no package has the id."""
    house.catalogue.add("1")
    house.catalogue.add("77")
    assert client.get(f"{LIST}77/").json()["slug"] == "77"


def test_a_database_that_is_away(unfounded: Browser) -> None:
    """503 with the store's own words."""
    answer = unfounded.get(LIST)
    assert answer.status_code == 503
    assert set(answer.json()) == {"detail", "remedy"}


def test_states(house: House, client: Browser) -> None:
    """A filter finds what is failing, retired, unsupported and stale; each package is in one state."""
    a, b, _c, d = house.catalogue.add("a", "b", "c", "d")
    house.catalogue.add("e", repo_url="https://elsewhere.example/e")
    house.store.record([failed(a, Source.GITHUB)])
    house.store.retire([b], NOW)
    for source in (Source.GITHUB, Source.CONTRIBUTORS, Source.COMMITS):
        house.catalogue.answer(d, source, observed_at=house.clock.now())
    found = {
        state: [one["slug"] for one in client.get(f"{LIST}?state={state}").json()["results"]]
        for state in ("failing", "retired", "unsupported", "stale", "fresh", "gone")
    }
    expected = {"failing": ["a"], "retired": ["b"], "unsupported": ["e"], "stale": ["c"], "fresh": ["d"], "gone": []}
    assert found == expected
    assert "last-modified" not in client.get(f"{LIST}?state=stale").headers


# --- refreshes --------------------------------------------------------------------------------------------------


def test_asking_and_following(house: House, client: Browser) -> None:
    """202 and a place to look, by id and by slug; who asks again joins; one message."""
    (a,) = house.catalogue.add("a")
    first = client.post(f"{LIST}a/refresh/", headers=BEARER)
    assert (first.status_code, first.json()["state"], first.json()["joined"]) == (202, "queued", False)
    second = client.post(f"{LIST}{a}/refresh/", headers=BEARER)
    assert (second.json()["joined"], second.headers["location"]) == (True, first.headers["location"])
    followed = client.get(first.headers["location"])
    assert (followed.status_code, followed.json()["slug"]) == (200, "a")
    assert followed.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"])
def test_without_the_token(house: House, client: Browser, header: str) -> None:
    """401 with the scheme, and nothing is asked."""
    house.catalogue.add("a")
    answer = client.post(f"{LIST}a/refresh/", headers={"Authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert house.workings.sent == []


def test_switched_off(house: House) -> None:
    """Without FETCHER_WEB_TOKEN nobody may, and it is said which setting that is."""
    site = replace(house.site, sessions=Sessions(None))
    client = Browser(make_app(site))
    answer = client.post(f"{LIST}a/refresh/", headers={"Authorization": "Bearer "})
    client.close()
    assert answer.status_code == 403
    assert "FETCHER_WEB_TOKEN" in answer.json()["remedy"]


def test_what_cannot_be_refreshed(house: House, client: Browser) -> None:
    """A retired package is a conflict, one without addresses a refusal, an unknown one is not found."""
    (a,) = house.catalogue.add("a")
    house.catalogue.add("b", repo_url=None)
    house.store.retire([a], NOW)
    statuses = [client.post(f"{LIST}{name}/refresh/", headers=BEARER).status_code for name in "abc"]
    assert statuses == [409, 403, 404]
    assert house.workings.sent == []


def test_redis_is_away(house: House, client: Browser) -> None:
    """503 with what to start; the documents are served all the same."""
    house.catalogue.add("a")
    house.workings.fault = BrokerError("Redis cannot be reached", "Start it")
    answer = client.post(f"{LIST}a/refresh/", headers=BEARER)
    assert (answer.status_code, answer.json()) == (503, {"detail": "Redis cannot be reached", "remedy": "Start it"})
    assert client.get(f"{LIST}a/").status_code == 200


def test_times_are_the_directorys(house: House, client: Browser) -> None:
    """A refresh tells its moments in the documents' zone."""
    house.catalogue.add("a")
    answer = client.post(f"{LIST}a/refresh/", headers=BEARER)
    asked_at = datetime.fromisoformat(answer.json()["asked_at"])
    assert asked_at == house.clock.now().astimezone(UTC)
    assert asked_at.utcoffset() == timedelta(hours=-5)
