"""The simulated Forgejo and Bitbucket: pages, tokens, git at their clone addresses, and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from fetcher.simulator.changes import Facts, Push, push, set_facts
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.bitbucket.mount import BitbucketMount
from fetcher.simulator.upstreams.bitbucket.settings import TOKEN as BITBUCKET_TOKEN
from fetcher.simulator.upstreams.bitbucket.settings import Bitbucket
from fetcher.simulator.upstreams.forgejo.mount import ForgejoMount
from fetcher.simulator.upstreams.forgejo.settings import TOKEN as FORGEJO_TOKEN
from fetcher.simulator.upstreams.forgejo.settings import Forgejo
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from tests.harness.clock import HOUR, NOW, StoppedClock

BASE = "http://simulator.invalid"
FORGEJO, BITBUCKET = "/forgejo/api/v1/repos/ann/alpha", "/bitbucket/2.0/repositories/ann/alpha"
REFS = {"service": "git-upload-pack"}


@dataclass
class Served:
    """Two hosts with a repository of 120 commits each, and a client."""

    clock: StoppedClock
    world: World
    service: Service
    client: httpx.AsyncClient

    async def statuses(self, path: str, times: int, **headers: str) -> list[int]:
        return [(await self.client.get(path, headers=headers)).status_code for _ in range(times)]

    async def json(self, path: str, **query: Any) -> Any:
        response = await self.client.get(path, params=query or None)
        assert response.status_code == 200
        return response.json()


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Served]:
    clock = StoppedClock()
    world = World(clock)
    for host in ("codeberg.org", "bitbucket.org"):
        number = world.new_repository_id()
        made = Repository(database_id=number, host=host, owner="ann", name="alpha", created_at=NOW, pushed_at=NOW)
        world.put_repository(made)
        push(world, made.address, Push(commits=120, login="ann"))
        set_facts(world, made.address, Facts(forks=3, subscribers=12))
    service = Service(world, settings, (ForgejoMount(), BitbucketMount()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=service.app), base_url=BASE) as client:
        yield Served(clock, world, service, client)


@pytest.fixture
async def forges() -> AsyncIterator[Served]:
    async with served(Settings()) as open_forges:
        yield open_forges


async def test_pages_of_commits_in_forgejo(forges: Served) -> None:
    """At most 50 a page with the total in headers; ``not`` leaves out what a commit reaches; ``since`` is unknown."""
    log = [one.oid for one in reversed(forges.world.repository("codeberg.org/ann/alpha").history.commits())]  # type: ignore[union-attr]
    first = await forges.client.get(f"{FORGEJO}/commits", params={"limit": 100, "since": "2030-01-01T00:00:00Z"})
    last = await forges.client.get(f"{FORGEJO}/commits", params={"page": 3})
    newer = await forges.json(f"{FORGEJO}/commits", **{"not": log[2]})

    assert [one["sha"] for one in first.json()] == log[:50]
    assert (first.headers["x-total-count"], first.headers["x-hasmore"]) == ("120", "true")
    assert 'rel="next"' in first.headers["link"]
    assert ([one["sha"] for one in last.json()], last.headers["x-hasmore"]) == (log[100:], "false")
    assert [one["sha"] for one in newer] == log[:2]


async def test_costly_parts_of_a_commit_can_be_switched_off(forges: Served) -> None:
    """Statistics, the signature and files are part of a commit unless the query says otherwise."""
    full = (await forges.json(f"{FORGEJO}/commits"))[0]
    lean = (await forges.json(f"{FORGEJO}/commits", stat="false", verification="false", files="false"))[0]

    assert {"stats", "files"} <= full.keys()
    assert not {"stats", "files"} & lean.keys()
    assert ("verification" in full["commit"], "verification" in lean["commit"]) == (True, False)


async def test_tokens_of_forgejo(forges: Served) -> None:
    """A wrong token is refused even where none is needed."""
    assert await forges.statuses(FORGEJO, 1, authorization="token wrong") == [401]
    assert await forges.statuses(FORGEJO, 1, authorization=f"token {FORGEJO_TOKEN}") == [200]
    async with served(Settings(forgejo=Forgejo(sign_in=True))) as closed:
        assert await closed.statuses(FORGEJO, 1) == [403]
        assert await closed.statuses(FORGEJO, 1, authorization=f"Bearer {FORGEJO_TOKEN}") == [200]


async def test_the_front_page_names_the_software(forges: Served) -> None:
    """By a header and by the version's address."""
    front = await forges.client.get("/forgejo/")

    assert "x-forgejo-version" in front.headers
    assert "gitea" in (await forges.json("/forgejo/api/v1/version"))["version"]


async def test_git_counts_for_the_limit_of_forgejo_s_proxy_only() -> None:
    """In compressed windows as well: an hour of a minute has half an hour of half a minute."""
    async with served(Settings(forgejo=Forgejo(requests=2), bitbucket=Bitbucket(anonymous_per_hour=1))) as forges:
        refs = [await forges.client.get("/forgejo/ann/alpha.git/info/refs", params=REFS) for _ in range(3)]
        facts = await forges.statuses(FORGEJO, 1)
        free = [await forges.client.get("/bitbucket/ann/alpha.git/info/refs", params=REFS) for _ in range(3)]
        counted = await forges.statuses(BITBUCKET, 2)
        forges.clock.advance(HOUR / 2)
        again = await forges.statuses(FORGEJO, 1)

    assert ([one.status_code for one in refs], facts, again) == ([200, 200, 429], [429], [200])
    assert ([one.status_code for one in free], counted) == ([200, 200, 200], [200, 429])


async def test_an_account_of_bitbucket_has_a_limit_of_its_own() -> None:
    """The account's requests do not count for the address."""
    settings = Settings(bitbucket=Bitbucket(anonymous_per_hour=1, account_per_hour=2))
    async with served(settings) as forges:
        account = await forges.statuses(BITBUCKET, 3, authorization=f"Bearer {BITBUCKET_TOKEN}")
        anonymous = await forges.statuses(BITBUCKET, 2)
        wrong = await forges.statuses(BITBUCKET, 1, authorization="Bearer wrong")

    assert (account, anonymous, wrong) == ([200, 200, 429], [200, 429], [401])


async def test_lists_of_bitbucket_state_their_length(forges: Served) -> None:
    """Whatever the page holds, ``size`` is the total; ``fields`` selects parts by dotted paths."""
    page = await forges.json(f"{BITBUCKET}/watchers", pagelen=5, page=3)
    size = await forges.json(f"{BITBUCKET}/forks", pagelen=1, fields="size")
    named = await forges.json(f"{BITBUCKET}/watchers", pagelen=2, fields="values.nickname,next")
    branch = await forges.json(BITBUCKET, fields="uuid,mainbranch.name")

    assert (page["size"], len(page["values"]), "next" in page) == (12, 2, False)
    assert size == {"size": 3}
    assert named["values"] == [{"nickname": "user-0"}, {"nickname": "user-1"}]
    assert branch.keys() == {"uuid", "mainbranch"}
    assert branch["mainbranch"] == {"name": "main"}


async def test_pages_of_commits_in_bitbucket(forges: Served) -> None:
    """Followed by ``next``, without a length."""
    found, address = 0, f"{BITBUCKET}/commits/main?pagelen=100"
    pages = 0
    while address:
        page = await forges.json(address)
        found, pages, address = found + len(page["values"]), pages + 1, page.get("next", "")
        assert "size" not in page

    assert (found, pages) == (120, 2)


async def test_a_good_response_of_bitbucket_has_a_strong_validator(forges: Served) -> None:
    """The same request with it is a 304, which counts as a request."""
    first = await forges.client.get(BITBUCKET)
    again = await forges.client.get(BITBUCKET, headers={"if-none-match": first.headers["etag"]})

    assert first.headers["etag"].startswith('"')
    assert (again.status_code, forges.service.state.journal.count("repository", 304)) == (304, 1)
