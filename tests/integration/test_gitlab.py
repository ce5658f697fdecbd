"""A GitLab package through the command: subgroups, renames, transfers, deletions, forced pushes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fetcher.simulator.changes import (
    Facts,
    Push,
    delete,
    empty,
    force_push,
    push,
    recreate,
    rename,
    repository_of,
    set_facts,
)
from fetcher.simulator.clock import Clock
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Simulator
from fetcher.simulator.truth import of_repository
from fetcher.simulator.world import World
from tests.integration.conftest import Fetcher

NOW = datetime.now(UTC)
HOST = "gitlab.com"
PATH = f"{HOST}/group/backend/team/alpha"
BETA = f"{HOST}/group/beta"


@pytest.fixture
def world() -> World:
    """Return two projects of GitLab, one of them in subgroups, with accounts and an anonymous author."""
    world = World(Clock(NOW))
    made = NOW - timedelta(days=600)
    for address, stars in ((PATH, 7), (BETA, 2)):
        owner, _, name = address.removeprefix(f"{HOST}/").rpartition("/")
        number = world.new_repository_id()
        world.put_repository(
            Repository(
                database_id=number,
                host=HOST,
                owner=owner,
                name=name,
                created_at=made,
                pushed_at=made,
                description="An <example>\nof a package",
                stars=stars,
                forks=3,
            )
        )
        push(world, address, Push(login="ann", commits=4, age=timedelta(days=200)))
        push(world, address, Push(anonymous=True, commits=2, age=timedelta(days=30)))
        push(world, address, Push(login="bob", merge=True))
    return world


@pytest.fixture
def forge(world: World) -> Iterator[Simulator]:
    with Simulator(world) as running:
        yield running


@pytest.fixture
def connected(bare: Fetcher, forge: Simulator) -> Fetcher:
    """Provide the command with the simulator as every forge."""
    bare.settings.update(
        github_api_url=forge.github_url, pypi_url=forge.pypi_url, forges=forge.environment["FETCHER_FORGES"]
    )
    return bare


@pytest.fixture
def filled(connected: Fetcher, tmp_path: Path) -> Fetcher:
    """Provide the command with both packages imported and refreshed."""
    addresses = tmp_path / "addresses.txt"
    addresses.write_text(f"https://{PATH}/-/tree/main\nhttps://{BETA.upper().replace('GITLAB.COM', HOST)}.git\n")
    assert connected("import", str(addresses)).status == 0
    done = connected("refresh", "--all")
    assert done.status == 0, done.err
    return connected


def document(fetcher: Fetcher, slug: str = "alpha") -> dict[str, Any]:
    shown = fetcher("show", slug, "--format", "v4")
    assert shown.status == 0, shown.err
    return dict(json.loads(shown.out))


def is_true(fetcher: Fetcher, forge: Simulator, address: str = PATH) -> None:
    """Compare the document with the simulator's truth."""
    repository = repository_of(forge.world, address)
    truth = of_repository(repository, forge.world.clock.today())
    shown = document(fetcher)
    assert (shown["repo_watchers"], shown["repo_forks"]) == (truth["stars"], truth["forks"])
    assert shown["repo_description"] == truth["description"]
    assert shown["commits_over_52"] == truth["participation"]
    assert shown["participants"] == truth["people"]
    tip = repository.history.tip
    assert tip is not None
    assert datetime.fromisoformat(shown["last_updated"]) == tip.committed_at


def test_a_document_equals_the_truth(filled: Fetcher, forge: Simulator) -> None:
    """A project in subgroups, added by the address of one of its pages: stars, weeks, people and the head."""
    is_true(filled, forge)
    assert document(filled)["participants"] == ["ann", "bob", "Nameless"]


def test_an_unmoved_project_costs_no_git(filled: Fetcher, forge: Simulator) -> None:
    """Both projects share one query, which states their heads."""
    forge.log.clear()
    assert filled("refresh", "--all").status == 0

    assert forge.log.summary()["routes"] == {"gitlab graphql": {"200": 1}}


def test_a_push_is_fetched(filled: Fetcher, forge: Simulator) -> None:
    """The new commits come over git, and the account of a new author with one query."""
    push(forge.world, PATH, Push(login="cyd", commits=9))
    assert filled("refresh", "alpha").status == 0

    is_true(filled, forge)
    assert document(filled)["participants"][0] == "cyd"


def test_a_forced_push_counts_the_branch_again(filled: Fetcher, forge: Simulator) -> None:
    """The weeks and the people are those of the commits that are left."""
    force_push(forge.world, PATH, dropped=1, commits=2)
    assert filled("refresh", "alpha").status == 0

    is_true(filled, forge)


@pytest.mark.parametrize(("name", "owner"), [("omega", None), ("alpha", "elsewhere/deeper"), ("omega", "elsewhere")])
def test_renames_and_transfers_keep_the_package(
    filled: Fetcher, forge: Simulator, name: str, owner: str | None
) -> None:
    """The project is found by its number, its values stay true, and the new path is shown."""
    rename(forge.world, PATH, name, owner)
    moved = f"{HOST}/{owner or 'group/backend/team'}/{name}"
    push(forge.world, moved, Push(login="ann"))
    assert filled("refresh", "alpha").status == 0

    is_true(filled, forge, moved)
    assert f"{PATH}, now named {moved.removeprefix(f'{HOST}/')}" in filled("explain", "alpha").out


def test_a_former_path_is_followed(connected: Fetcher, forge: Simulator) -> None:
    """GraphQL does not find it; REST redirects to the project, and git states the head."""
    rename(forge.world, PATH, "omega", "elsewhere")
    assert connected("add", f"https://{PATH}/").status == 0
    done = connected("refresh", "alpha")

    assert done.status == 0, done.err
    is_true(connected, forge, f"{HOST}/elsewhere/omega")


@pytest.mark.parametrize("hide", ["private", "deleted"])
def test_a_hidden_project_keeps_its_values(filled: Fetcher, forge: Simulator, hide: str) -> None:
    """It is reported as missing; the other project of the same query is refreshed."""
    before = document(filled)
    if hide == "private":
        set_facts(forge.world, PATH, Facts(private=True))
    else:
        delete(forge.world, PATH)
    set_facts(forge.world, BETA, Facts(stars=99))
    done = filled("refresh", "--all")

    assert done.status == 1
    (failure,) = json.loads(filled("failures", "--json").out)
    assert (failure["slug"], failure["upstream"], failure["outcome"]) == ("alpha", "gitlab", "missing")
    assert document(filled) == before | {"last_fetched": document(filled)["last_fetched"]}
    assert document(filled, "beta")["repo_watchers"] == 99


def test_another_project_under_the_path_is_refused(filled: Fetcher, forge: Simulator) -> None:
    """A deletion and a re-creation give another number, which is never taken for the known project."""
    recreate(forge.world, PATH, commits=3, login="stranger")
    done = filled("refresh", "alpha")

    assert done.status == 1
    assert "is now another repository" in done.err
    assert "stranger" not in document(filled)["participants"]


def test_archived_and_empty_projects(filled: Fetcher, forge: Simulator) -> None:
    """An archived one says so; an emptied one has 52 zeros and no author, which is no failure."""
    set_facts(forge.world, PATH, Facts(archived=True))
    empty(forge.world, PATH)
    assert filled("refresh", "alpha").status == 0
    shown = document(filled)

    assert (shown["commits_over_52"], shown["participants"]) == ([0] * 52, [])
    assert "archived" in filled("show", "alpha").out


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(kind=Kind.STATUS, status=429, retry_after=3600, upstream="gitlab", route="graphql"), "waiting"),
        (Rule(kind=Kind.HTML, upstream="gitlab", route="graphql"), "malformed"),
        (Rule(kind=Kind.HTML, upstream="gitlab", route="git"), "malformed"),
        (Rule(kind=Kind.TRUNCATE, upstream="gitlab", route="git"), "transient"),
    ],
)
def test_faults_lose_no_value(filled: Fetcher, forge: Simulator, rule: Rule, expected: str) -> None:
    """A limit, a login page and half a pack leave the stored values; afterwards everything is true again."""
    before = document(filled)
    push(forge.world, PATH, Push(login="ann", commits=2))
    forge.faults.add(rule)
    assert filled("refresh", "alpha").status != 0
    during = document(filled)
    outcomes = {one["outcome"] for one in json.loads(filled("failures", "--json").out)}
    forge.faults.clear()

    assert during["participants"] == before["participants"]
    assert during["commits_over_52"] == before["commits_over_52"]
    assert outcomes == ({expected} if expected != "waiting" else set())
    if expected != "waiting":
        assert filled("refresh", "alpha").status == 0
        is_true(filled, forge)
