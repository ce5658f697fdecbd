"""The change feed over HTTP: pages, long polling, the stream and Atom."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import timedelta
from itertools import islice
from typing import Any

import httpx
import pytest
from defusedxml import ElementTree

from fetcher.domain.model import Source
from fetcher.web import make_app
from fetcher.web.changes import events
from fetcher.web.following import Followers, TooManyFollowers
from tests.component.web.conftest import Browser, Harness
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import NOW, failed, stats, versions

AT = "/api/v4/changes"
ATOM = "{http://www.w3.org/2005/Atom}"


def _slugs(answer: Any) -> list[str]:
    return [one["slug"] for one in answer.json()["results"]]


def test_a_page_has_documents_fields_and_tombstones(harness: Harness, client: Browser) -> None:
    """A result has the package's document as the API prints it; a tombstone has none."""
    a, b = harness.catalogue.add("a", "b")
    start = client.get(AT).json()["next"]
    harness.catalogue.answer(a, Source.REPOSITORY, stats(stars=7))
    harness.store.packages.retire([b], NOW)
    page = client.get(AT, params={"since": start}).json()
    changed, retired = page["results"]
    assert (changed["id"], changed["kind"], changed["package"]) == (
        a,
        "updated",
        client.get("/api/v4/packages/a/").json(),
    )
    assert "repo_watchers" in changed["fields"]
    assert changed["events"] == ["package.updated"]
    assert (retired["slug"], retired["kind"], retired["package"]) == ("b", "retired", None)
    assert page["done"]
    assert page["next"] == retired["cursor"]


def test_a_consumer_reads_everything_in_pages(harness: Harness, client: Browser) -> None:
    """Each page continues at `next`; the last one repeats its cursor."""
    harness.catalogue.add(*(f"p{n}" for n in range(7)))
    seen: list[str] = []
    page = client.get(AT, params={"limit": 3}).json()
    while page["results"]:
        seen += [one["slug"] for one in page["results"]]
        page = client.get(AT, params={"limit": 3, "since": page["next"]}).json()
    assert seen == [f"p{n}" for n in range(7)]
    assert client.get(AT, params={"since": page["next"]}).json()["next"] == page["next"]


def test_the_tag_is_the_cursor(harness: Harness, client: Browser) -> None:
    """While nothing changes, a poll with the tag of the last page is a 304. A change ends that."""
    (a,) = harness.catalogue.add("a")
    first = client.get(AT)
    assert first.json()["next"] in first.headers["etag"]
    following = {"params": {"since": first.json()["next"]}, "headers": {"If-None-Match": first.headers["etag"]}}
    unchanged = client.get(AT, **following)
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, first.headers["etag"])
    harness.catalogue.answer(a, Source.REPOSITORY, stats())
    assert _slugs(client.get(AT, **following)) == ["a"]


def test_the_cursor_of_the_whole_list(harness: Harness, client: Browser) -> None:
    """A page of documents states the cursor after which the feed continues it."""
    harness.catalogue.add("a")
    client.get(AT)
    cursor = client.get("/api/v4/packages/").headers["fetcher-cursor"]
    assert _slugs(client.get(AT, params={"since": cursor})) == []
    harness.catalogue.add("b")
    assert _slugs(client.get(AT, params={"since": cursor})) == ["b"]
    assert _slugs(client.get(AT, params={"since": "now"})) == []


def test_an_outdated_cursor(harness: Harness, client: Browser) -> None:
    """After pruning, an old cursor gets status 410 with the commands that take everything."""
    harness.catalogue.add("a")
    old = client.get(AT, params={"since": "now"}).json()["next"]
    harness.catalogue.add("b")
    client.get(AT)
    harness.store.changes.prune(harness.clock.now() + DAY)
    answer = client.get(AT, params={"since": old})
    assert answer.status_code == 410
    assert "fetcher export" in answer.json()["remedy"]
    assert client.get(AT).json()["results"] == []
    assert client.get(f"{AT}/stream", headers={"Last-Event-ID": old}).status_code == 410


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"since": "yesterday"}, "since 'yesterday' is not valid"),
        ({"since": "zzz"}, "Send the cursor `next` of an earlier page unchanged, or `now`"),
        ({"limit": "0"}, "limit '0' is not valid"),
        ({"limit": "1001"}, "limit '1001' is not valid"),
        ({"limit": "-1"}, "limit '-1' is not valid"),
        ({"limit": "1000000000"}, "limit '1000000000' is not valid"),
        ({"since": "0-" + 19 * "9"}, "is not valid"),
        ({"since": "abc-1\x00"}, "is not valid"),
        ({"since": "abc--1"}, "is not valid"),
        ({"since": "abc-\N{ARABIC-INDIC DIGIT ONE}"}, "is not valid"),
        ({"wait": "31"}, "wait '31' is not valid"),
        ({"sinse": "now"}, "The parameters are since, limit and wait"),
    ],
)
def test_refused_parameters(client: Browser, query: dict[str, str], message: str) -> None:
    """A refused parameter gets status 400, which repeats it."""
    answer = client.get(AT, params=query)
    assert answer.status_code == 400
    assert message in " ".join(answer.json().values())


@pytest.mark.parametrize("forged", ["abc-1", "0123456789abcdef-0", "{epoch}-999999999999999999"])
def test_a_forged_cursor(harness: Harness, client: Browser, forged: str) -> None:
    """A cursor of another database, or after the end of this one, is outdated in each of its places."""
    harness.catalogue.add("a")
    client.get(AT)
    cursor = forged.replace("{epoch}", harness.store.changes.extent().epoch)
    assert client.get(AT, params={"since": cursor}).status_code == 410
    assert client.get(AT, params={"since": cursor, "wait": 30}).status_code == 410
    assert client.get(f"{AT}/stream", params={"since": cursor}).status_code == 410
    assert client.get(f"{AT}/stream", headers={"Last-Event-ID": cursor}).status_code == 410


def test_an_unreadable_last_event(client: Browser) -> None:
    """A stream's header that is no cursor is refused like a parameter."""
    assert client.get(f"{AT}/stream", headers={"Last-Event-ID": "7"}).status_code == 400


async def test_a_waiting_client_is_woken_by_a_change() -> None:
    """A wait ends with the change, and otherwise at its end, with one look at the feed for all clients."""
    position, looks = 0, 0

    def read() -> int:
        nonlocal looks
        looks += 1
        return position

    followers = Followers(read, poll=0.01)
    waiting = [asyncio.create_task(followers.wait(0, 600)) for _ in range(20)]
    assert not await followers.wait(0, 0.05)
    assert looks <= 10
    position = 1
    assert await asyncio.gather(*waiting) == [True] * 20


async def test_a_thousand_long_polls(harness: Harness) -> None:
    """As many clients wait as there are places, the others get status 503 at once, and all places are free again."""
    harness.context.followers.most = 20
    app, looked = make_app(harness.context), harness.context.followers
    end = harness.store.changes.extent().end
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://directory.test") as client:
        polls = [asyncio.create_task(client.get(AT, params={"since": str(end), "wait": 30})) for _ in range(100)]
        refused = [(await poll).status_code for poll in islice(asyncio.as_completed(polls), 80)]
        assert (Counter(refused), looked.count) == ({503: 80}, 20)
        harness.catalogue.add("a")
        statuses = Counter([answer.status_code for answer in await asyncio.gather(*polls)])
    assert statuses == {200: 20, 503: 80}
    assert looked.count == 0
    followers = Followers(lambda: 0, poll=0.01)
    waits = await asyncio.gather(*(_follow(followers) for _ in range(1000)))
    assert Counter(waits) == {"no change": 200, "refused": 800}


async def _follow(followers: Followers) -> str:
    try:
        with followers.place():
            return "change" if await followers.wait(0, 0.05) else "no change"
    except TooManyFollowers:
        return "refused"


async def test_a_reader_that_does_not_read(harness: Harness) -> None:
    """A stream ends after its time while its client takes nothing, and the client's place is free again."""
    harness.catalogue.add("a")
    followers = harness.context.followers
    followers.poll = followers.keep_alive = followers.stream_seconds = 0.05
    held: list[int] = []

    async def send(message: Any) -> None:
        if message.get("body"):
            held.append(followers.count)
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"{AT}/stream",
        "query_string": b"",
        "headers": [(b"host", b"directory.test")],
        "client": ("127.0.0.1", 1),
    }
    await make_app(harness.context)({**scope, "asgi": {"version": "3.0", "spec_version": "2.4"}}, receive, send)
    assert (held, followers.count) == ([1], 0)


def test_too_many_followers() -> None:
    """Beyond the limit a client is refused, and a client that leaves makes room."""
    followers = Followers(lambda: 0, most=1)
    with followers.place(), pytest.raises(TooManyFollowers, match="1 clients already wait"), followers.place():
        pass
    with followers.place():
        assert followers.count == 1


def test_a_poll_waits_for_a_change(harness: Harness, client: Browser) -> None:
    """A request with `wait` returns an empty page with its own cursor when nothing has changed."""
    harness.context.followers.poll = 0.01
    harness.catalogue.add("a")
    end = client.get(AT).json()["next"]
    page = client.get(AT, params={"since": end, "wait": 1}).json()
    assert (page["results"], page["next"]) == ([], end)
    assert harness.context.followers.count == 0


async def test_the_stream(harness: Harness) -> None:
    """A stream sends the changes with their cursors, comments while there is none, and later changes."""
    harness.catalogue.add("a", "b")
    harness.context.followers.poll = harness.context.followers.keep_alive = 0.01
    changes = harness.store.changes
    changes.number(NOW)
    stream = events(harness.context, changes.page(changes.extent().start, 1))
    lines: list[str] = []
    while ": no change\n\n" not in lines:
        lines.append(await anext(stream))
    ids = [line.split("\n")[0] for line in lines if line.startswith("id: ")]
    assert ids == [f"id: {changes.extent().epoch}-{n}" for n in (1, 2)]
    harness.catalogue.add("c")
    lines.clear()
    while not any(line.startswith("id: ") for line in lines):
        lines.append(await anext(stream))
    name, event, data = lines[-1].strip().split("\n")
    assert (name, event) == (f"id: {changes.extent().end}", "event: change")
    assert json.loads(data.removeprefix("data: "))["package"]["slug"] == "c"
    await stream.aclose()
    assert harness.context.followers.count == 0


def test_a_stream_ends_by_itself(harness: Harness, client: Browser) -> None:
    """After its time a stream ends, and the client continues at its last event."""
    harness.catalogue.add("a")
    harness.context.followers.stream_seconds = 0
    start = f"{harness.store.changes.extent().epoch}-0"
    answer = client.get(f"{AT}/stream", headers={"Last-Event-ID": start})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: change" in answer.text
    cursor = next(line for line in answer.text.split("\n") if line.startswith("id: ")).removeprefix("id: ")
    assert "event: change" not in client.get(f"{AT}/stream", headers={"Last-Event-ID": cursor}).text


def test_atom_of_the_catalogue(harness: Harness, client: Browser) -> None:
    """The feed has at most 50 entries, the newest first, with stable ids, whatever the titles contain."""
    hostile = "<script>&\"' \x0b\x01]]> 🎉 ￾"
    harness.catalogue.add(*(f"p{n}" for n in range(60)))
    (a,) = harness.catalogue.add("a", title=hostile, project=True)
    harness.catalogue.answer(a, Source.INDEX, versions("1.0"))
    client.get(AT)
    harness.catalogue.answer(a, Source.INDEX, versions("1.1"), observed_at=NOW + HOUR)
    answer = client.get("/changes.atom")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = ElementTree.fromstring(answer.content)
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 50
    assert entries[0].findtext(f"{ATOM}title", "").endswith("version 1.1")
    assert "<script>&\"'" in entries[0].findtext(f"{ATOM}title", "")
    ids = [one.findtext(f"{ATOM}id", "") for one in entries]
    assert len(set(ids)) == 50
    assert all(one.startswith("tag:") for one in ids)
    links = {one.get("rel"): one.get("href") for one in feed.findall(f"{ATOM}link")}
    assert links == {"self": "http://directory.test/changes.atom", "alternate": "http://directory.test/"}
    for required in ("id", "title", "updated", "author"):
        assert feed.find(f"{ATOM}{required}") is not None
    again = client.get("/changes.atom", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    harness.catalogue.answer(a, Source.INDEX, versions("1.2"), observed_at=NOW + 2 * HOUR)
    later = ElementTree.fromstring(client.get("/changes.atom").content).findall(f"{ATOM}entry")
    assert [one.findtext(f"{ATOM}id") for one in later[1:]] == ids[1:]


def test_atom_of_a_removed_package(harness: Harness, client: Browser) -> None:
    """A removed package's entry names it and leads to the overview, because its page is gone."""
    ids = harness.catalogue.add("a")
    harness.store.packages.remove(ids, NOW)
    (entry,) = ElementTree.fromstring(client.get("/changes.atom").content).findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title") == "a: removed"
    link = entry.find(f"{ATOM}link")
    assert link is not None
    assert link.get("href") == "http://directory.test/"


def test_atom_of_a_package(harness: Harness, client: Browser) -> None:
    """A package's feed is its timeline, with ids that stay."""
    (a,) = harness.catalogue.add("a")
    harness.catalogue.answer(a, Source.REPOSITORY, stats())
    harness.store.claims.record([failed(a, Source.REPOSITORY, observed_at=NOW + timedelta(seconds=5))])
    feed = ElementTree.fromstring(client.get("/packages/a/changes.atom").content)
    found = [(one.findtext(f"{ATOM}id", ""), one.findtext(f"{ATOM}summary")) for one in feed.findall(f"{ATOM}entry")]
    assert [summary for _, summary in found] == ["why", "first answer"]
    assert found[0][0].endswith("/repository/20260318T120005.123456Z")
    assert client.get("/packages/nobody/changes.atom").status_code == 404
