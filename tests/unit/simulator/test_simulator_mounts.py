"""A third forge: one object beside the registry's mounts, and nothing else changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from fetcher.simulator.catalogue import CatalogueError, documents, from_documents
from fetcher.simulator.changes import Push, push, recreate
from fetcher.simulator.clock import Clock
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.registry import MOUNTS, Settings
from fetcher.simulator.world import World
from tests.harness.clock import NOW
from tests.toy_forge.mount import HOST, ToyMount

BASE = "http://simulator.invalid"
NESTED = f"{HOST}/group/team/alpha"


@pytest.fixture
def world() -> World:
    """Return a world with one name on two hosts, and a nested path on the toy forge."""
    world = World(Clock(NOW))
    for host, owner, stars in (("github.com", "group", 1), (HOST, "group", 2), (HOST, "group/team", 3)):
        number = world.new_repository_id()
        made = Repository(
            database_id=number, host=host, owner=owner, name="alpha", created_at=NOW, pushed_at=NOW, stars=stars
        )
        world.put_repository(made)
    push(world, NESTED, Push(login="ann"))
    return world


@pytest.fixture
def service(world: World) -> Service:
    return Service(world, Settings(), (*MOUNTS, ToyMount(per_minute=2)))


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=service.app)
    async with httpx.AsyncClient(
        transport=transport, base_url=BASE, headers={"authorization": f"Bearer {ToyMount.token}"}
    ) as client:
        yield client


async def test_it_responds_under_its_prefix(client: httpx.AsyncClient, world: World) -> None:
    """A nested path leads to its repository, and the response has a validator."""
    found = await client.get("/toy/repos/group/team/alpha")
    again = await client.get("/toy/repos/group/team/alpha", headers={"if-none-match": found.headers["etag"]})
    nested = world.repository(NESTED)

    assert nested is not None
    assert nested.history.tip is not None
    body = found.json()
    assert (body["stars"], body["forks"], body["head"]["oid"]) == (3, 0, nested.history.tip.oid)
    assert again.status_code == 304


async def test_each_mount_serves_the_repositories_of_its_own_host(client: httpx.AsyncClient, world: World) -> None:
    """One name on two hosts is two repositories; neither a name nor a number leads to the other host's."""
    github = {"authorization": "Bearer simulated-token"}
    theirs = world.repository(f"{HOST}/group/alpha")
    assert theirs is not None
    ours = await client.get("/github/repos/group/alpha", headers=github)
    by_number = await client.get(f"/github/repositories/{theirs.database_id}", headers=github)
    query = {"query": '{ repository(owner: "toy.example/group", name: "alpha") { nameWithOwner } }'}
    by_path = await client.post("/github/graphql", json=query, headers=github)
    toy = await client.get("/toy/repos/group/alpha")

    assert ours.json()["stargazers_count"] == 1
    assert by_number.status_code == 404
    assert by_path.json()["errors"][0]["type"] == "NOT_FOUND"
    assert toy.json()["stars"] == 2


async def test_the_log_and_the_summary_have_it(client: httpx.AsyncClient) -> None:
    """Requests are counted by the mount's name, its route and its quota; a stray one is visible."""
    await client.get("/toy/repos/group/alpha")
    stray = await client.get("/toy/elsewhere")
    summary = (await client.get("/_simulator/summary")).json()
    entries = (await client.get("/_simulator/log", params={"upstream": "toy"})).json()

    assert (stray.status_code, stray.json()) == (404, {"message": "Not Found"})
    assert summary["routes"] == {"toy repository": {"200": 1}, "toy unknown": {"404": 1}}
    assert summary["points"] == {"toy": 2}
    assert [(one["route"], one["identity"], one["packages"]) for one in entries] == [
        ("repository", "toy-user", ["group/alpha"]),
        ("unknown", "toy-user", []),
    ]


async def test_an_injected_fault_hits_it(client: httpx.AsyncClient) -> None:
    """A rule with its name applies to it alone, and a rule with an unknown name is refused with the known ones."""
    rule = {"kind": "status", "status": 503, "retry_after": 7, "upstream": "toy", "times": 1}
    added = await client.post("/_simulator/faults", json=rule)
    index = await client.get("/index/simple/")
    struck = await client.get("/toy/repos/group/alpha")
    good = await client.get("/toy/repos/group/alpha")
    unknown = await client.post("/_simulator/faults", json={**rule, "upstream": "tot"})

    assert (added.status_code, index.status_code) == (201, 200)
    assert (struck.status_code, struck.headers["retry-after"]) == (503, "7")
    assert struck.json() == {"message": "Service Unavailable"}
    assert good.status_code == 200
    assert (unknown.status_code, ", ".join([*(mount.name for mount in MOUNTS), "toy"]) in unknown.json()["error"]) == (
        400,
        True,
    )


async def test_its_limit_and_its_token_are_enforced(client: httpx.AsyncClient) -> None:
    """A third request in a minute gets 429 until the clock has moved on; another token gets 401."""
    wrong = await client.get("/toy/repos/group/alpha", headers={"authorization": "Bearer other"})
    statuses = [(await client.get("/toy/repos/group/alpha")).status_code for _ in range(3)]
    summary = (await client.get("/_simulator/summary")).json()
    await client.post("/_simulator/actions", json={"action": "advance", "seconds": 61})
    later = await client.get("/toy/repos/group/alpha")

    assert (wrong.status_code, statuses, later.status_code) == (401, [200, 200, 429], 200)
    assert summary["limits_tripped"] == {"requests a minute": 1}


def test_its_address_and_token_are_among_the_settings(service: Service) -> None:
    """The lines that the command prints begin with those of the built-in upstreams."""
    printed = service.environment(BASE)
    forges = json.loads(printed.pop("FETCHER_FORGES"))

    assert printed == {
        "FETCHER_GITHUB_API_URL": f"{BASE}/github",
        "FETCHER_GITHUB_TOKEN": "simulated-token",
        "FETCHER_PYPI_URL": f"{BASE}/index",
        "FETCHER_TOY_URL": f"{BASE}/toy",
        "FETCHER_TOY_TOKEN": ToyMount.token,
    }
    assert forges["codeberg.org"] == {"kind": "forgejo", "root": f"{BASE}/forgejo"}
    assert forges["bitbucket.org"] == {"kind": "bitbucket", "root": f"{BASE}/bitbucket"}


def test_entries_of_forges_are_one_variable(world: World) -> None:
    """Every mount adds its hosts to one JSON object, each with its own root; without one there is no variable."""

    class Forge(ToyMount):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forges(self, root: str) -> dict[str, dict[str, str]]:
            return {f"{self.name}.example": {"kind": "forgejo", "root": root}}

    both = Service(world, Settings(), (Forge("one"), Forge("two"))).environment(BASE)
    none = Service(world, Settings(), (ToyMount(),)).environment(BASE)

    assert json.loads(both["FETCHER_FORGES"]) == {
        "one.example": {"kind": "forgejo", "root": f"{BASE}/one"},
        "two.example": {"kind": "forgejo", "root": f"{BASE}/two"},
    }
    assert "FETCHER_FORGES" not in none


async def test_actions_and_truths_take_an_address(client: httpx.AsyncClient) -> None:
    """The target ``host/path`` names a repository of any host; only GitHub's have a node id."""
    pushed = await client.post("/_simulator/actions", json={"action": "push", "target": NESTED, "commits": 2})
    truth = (await client.get(f"/_simulator/truth/{NESTED}")).json()
    github = (await client.get("/_simulator/truth/group/alpha")).json()

    assert pushed.json()["head"] == truth["head"]
    assert (truth["host"], truth["full_name"], truth["commits"]) == (HOST, "group/team/alpha", 3)
    assert ("node_id" in truth, "node_id" in github, github["stars"]) == (False, True, 1)


def test_documents_name_the_host(world: World) -> None:
    """The catalogue to import has each repository's address, and a document of any host is served again."""
    written = list(documents(world))
    again = from_documents(written, Clock(NOW))

    assert [one["repo_url"] for one in written] == [
        "https://github.com/group/alpha",
        f"https://{HOST}/group/alpha",
        f"https://{NESTED}",
    ]
    assert again.repository(NESTED) is not None
    with pytest.raises(CatalogueError, match="not a repository address"):
        from_documents([{**written[0], "repo_url": "https://github.com/group/team/alpha"}])


def test_a_recreated_repository_keeps_its_host(world: World) -> None:
    """A repository under the same address has another number."""
    before = world.repository(NESTED)
    assert before is not None
    after = recreate(world, NESTED)

    assert (after.address, after.database_id != before.database_id) == (before.address, True)
    assert world.repository_by_id(before.database_id) is None


def test_options_without_a_value_are_the_settings_defaults() -> None:
    """Each registered mount reads its options into fields of the settings, and a mount may have none."""
    fields = {name: value for mount in MOUNTS for name, value in mount.read_options().items()}

    assert Settings(**fields) == Settings()
    assert ToyMount().read_options() == {}
