"""The simulated GitLab: its limits of queries and requests, and its forms of errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from fetcher.simulator import changes
from fetcher.simulator.clock import Clock
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.gitlab.settings import TOKEN, GitLab
from fetcher.simulator.upstreams.gitlab.views import NUMBERED_FROM
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from tests.harness.clock import NOW

BASE = "http://simulator.invalid/gitlab"
PATH = "group/team/alpha"
FIELDS = "nodes { id fullPath starCount repository { rootRef empty lastCommit { sha committedDate } } }"


@pytest.fixture
def world() -> World:
    world = World(Clock(NOW))
    number = world.new_repository_id()
    made = Repository(
        database_id=number, host="gitlab.com", owner="group/team", name="alpha", created_at=NOW, pushed_at=NOW, stars=3
    )
    world.put_repository(made)
    changes.push(world, f"gitlab.com/{PATH}", changes.Push(login="ann"))
    return world


@pytest.fixture
def service(world: World) -> Service:
    return Service(world, Settings(gitlab=GitLab(anonymous_per_minute=4, projects_per_minute=2)))


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=service.app), base_url=BASE) as client:
        yield client


async def query(client: httpx.AsyncClient, text: str, token: str | None = TOKEN, **variables: Any) -> Any:
    """Send a query and return its body."""
    headers = {} if token is None else {"private-token": token}
    body = {"query": text, "variables": variables}
    return (await client.post(f"{BASE}/api/graphql", json=body, headers=headers)).json()


def message_of(body: Any) -> str:
    return str(body["errors"][0]["message"])


async def test_complexity_grows_with_the_page_and_is_reported(client: httpx.AsyncClient) -> None:
    """A hundred projects with their heads stay below the limit of anonymous queries."""
    text = f"query($ids: [ID!], $first: Int) {{ projects(ids: $ids, first: $first) {{ {FIELDS} }} "
    text += "queryComplexity { score limit } }"
    few = (await query(client, text, None, ids=[], first=1))["data"]["queryComplexity"]
    many = (await query(client, text, None, ids=[], first=100))["data"]["queryComplexity"]
    member = (await query(client, text, ids=[], first=100))["data"]["queryComplexity"]

    assert (few["limit"], many["limit"], member["limit"]) == (200, 200, 250)
    assert few["score"] < many["score"] == member["score"] < 100


async def test_excessive_queries_are_refused(client: httpx.AsyncClient) -> None:
    """Each limit has its own message and status 200: complexity, depth, characters and paths."""
    costly = " ".join(f"p{at}: projects(ids: [], first: 100) {{ {FIELDS} }}" for at in range(9))
    deep = '{ project(fullPath: "a/b") { repository { ' * 1 + "tree { lastCommit { author { id } } }" + " } } }"
    paths = f"query($p: [String!]) {{ projects(fullPaths: $p) {{ {FIELDS} }} }}"
    too_many = await query(client, paths, p=[f"a/{at}" for at in range(51)])
    exact = await query(client, paths, p=[f"a/{at}" for at in range(50)])

    assert "exceeds max complexity of 250" in message_of(await query(client, "{" + costly + "}"))
    assert message_of(await query(client, "{ queryComplexity { score } }" + " " * 10_000)) == "Query too large"
    assert message_of(too_many) == "You cannot provide more than 50 full_paths"
    assert exact["data"]["projects"]["nodes"] == []
    assert "errors" not in await query(client, deep)


async def test_numbers_and_paths_find_what_is_public(client: httpx.AsyncClient, world: World) -> None:
    """Case is ignored, a former path finds nothing, and the newest project comes first."""
    changes.recreate(world, "gitlab.com/group/beta")
    paths = f"query($p: [String!]) {{ projects(fullPaths: $p) {{ {FIELDS} }} }}"
    found = (await query(client, paths, p=["GROUP/team/alpha", "group/beta"]))["data"]["projects"]["nodes"]
    changes.rename(world, f"gitlab.com/{PATH}", "omega")
    former = (await query(client, paths, p=[PATH]))["data"]["projects"]["nodes"]
    ids = f"query($ids: [ID!]) {{ projects(ids: $ids) {{ {FIELDS} }} }}"
    by_id = (await query(client, ids, ids=[found[1]["id"]]))["data"]["projects"]["nodes"]

    assert [one["fullPath"] for one in found] == ["group/beta", PATH]
    assert former == []
    assert [one["fullPath"] for one in by_id] == ["group/team/omega"]
    assert "is not a valid ID" in message_of(await query(client, ids, ids=["7"]))


async def test_an_unknown_field_has_the_form_of_gitlabs_library(client: httpx.AsyncClient) -> None:
    """Its name and its type stand in ``extensions``."""
    (error,) = (await query(client, "{ projects(ids: []) { nodes { stars } } }"))["errors"]

    assert error["message"] == "Field 'stars' doesn't exist on type 'Project'"
    assert error["extensions"] == {"code": "undefinedField", "typeName": "Project", "fieldName": "stars"}


async def test_rest_redirects_a_moved_project(client: httpx.AsyncClient, world: World) -> None:
    """The path in the address is encoded, the redirect names the number, and a 404 has GitLab's body."""
    before = await client.get(f"{BASE}/api/v4/projects/group%2Fteam%2Falpha?license=true")
    repository = changes.rename(world, f"gitlab.com/{PATH}", "omega")
    moved = await client.get(f"{BASE}/api/v4/projects/group%2Fteam%2Falpha")
    headers = {"authorization": f"Bearer {TOKEN}"}
    followed = await client.get(moved.headers["location"], headers=headers)
    missing = await client.get(f"{BASE}/api/v4/projects/none%2Fnone", headers=headers)

    number = repository.database_id - NUMBERED_FROM
    assert (before.json()["id"], before.json()["license"], "ratelimit-limit" in before.headers) == (number, None, False)
    assert (moved.status_code, moved.headers["location"]) == (301, f"{BASE}/api/v4/projects/{number}")
    assert followed.json()["path_with_namespace"] == "group/team/omega"
    assert (missing.status_code, missing.json()) == (404, {"message": "404 Project Not Found"})
    assert missing.headers["ratelimit-limit"] == "2000"


async def test_limits_are_refused_in_plain_text(client: httpx.AsyncClient, world: World) -> None:
    """The limit of single projects is not in the headers; that of the address is; both end with their minute."""
    project = f"{BASE}/api/v4/projects/group%2Fteam%2Falpha"
    statuses = [(await client.get(project)).status_code for _ in range(3)]
    limited = await client.get(project)
    exhausted = await client.get(project)
    world.clock.advance(timedelta(seconds=61))
    again = await client.get(project)

    assert statuses == [200, 200, 429]
    assert (limited.text, limited.headers["content-type"]) == ("Retry later\n", "text/plain")
    assert "ratelimit-name" not in limited.headers
    assert exhausted.headers["ratelimit-remaining"] == "0"
    assert 0 < int(exhausted.headers["retry-after"]) <= 60
    assert again.status_code == 200


async def test_a_bad_token_has_two_forms(client: httpx.AsyncClient) -> None:
    """GraphQL reports it among the errors, REST as a message; both are 401."""
    headers = {"private-token": "wrong"}
    graphql = await client.post(f"{BASE}/api/graphql", json={"query": "{ __typename }"}, headers=headers)
    rest = await client.get(f"{BASE}/api/v4/version", headers=headers)

    assert (graphql.status_code, graphql.json()) == (401, {"errors": [{"message": "Invalid token"}]})
    assert (rest.status_code, rest.json()) == (401, {"message": "401 Unauthorized"})


@pytest.mark.parametrize(
    ("token", "visible"), [(TOKEN, True), ("outsider", False), (None, False)], ids=["member", "outsider", "anonymous"]
)
async def test_a_private_project_is_visible_to_members(
    client: httpx.AsyncClient, world: World, service: Service, token: str | None, *, visible: bool
) -> None:
    """A member's token finds it by path, by number and over REST; for all others it does not exist."""
    number = changes.set_facts(world, f"gitlab.com/{PATH}", changes.Facts(private=True)).database_id - NUMBERED_FROM
    service.upstream("gitlab").gate.tokens["outsider"] = "somebody"
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    text = "query($p: [String!], $i: [ID!]) { a: projects(fullPaths: $p) { nodes { visibility } } "
    text += "b: projects(ids: $i) { nodes { visibility } } }"
    found = (await query(client, text, token, p=[PATH], i=[f"gid://gitlab/Project/{number}"]))["data"]
    rest = await client.get(f"{BASE}/api/v4/projects/{number}", headers=headers)

    assert [len(found[name]["nodes"]) for name in ("a", "b")] == [int(visible)] * 2
    assert rest.status_code == (200 if visible else 404)
    assert not visible or rest.json()["visibility"] == found["a"]["nodes"][0]["visibility"] == "private"


async def test_the_front_page_shows_the_kind(client: httpx.AsyncClient) -> None:
    """It redirects to the login page, with GitLab's header."""
    front = await client.get(f"{BASE}/")
    page = await client.get(front.headers["location"])

    assert (front.status_code, "x-gitlab-meta" in front.headers) == (302, True)
    assert page.text.startswith("<!DOCTYPE html>")


async def test_git_serves_a_former_path(client: httpx.AsyncClient, world: World) -> None:
    """GitLab resolves it without a redirect."""
    changes.rename(world, f"gitlab.com/{PATH}", "omega")
    refs = await client.get(
        f"{BASE}/{PATH}.git/info/refs?service=git-upload-pack", headers={"git-protocol": "version=2"}
    )

    assert (refs.status_code, refs.content.startswith(b"000eversion 2")) == (200, True)
