"""Packages on Codeberg and Bitbucket through the commands: import, refresh, documents, failures, doctor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
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
    set_block,
    set_facts,
)
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.history import contributors, participation
from fetcher.simulator.repository import Block
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from tests.harness.facts import plain_repository
from tests.integration.conftest import Fetcher

CODEBERG, BITBUCKET = "codeberg.org", "bitbucket.org"


@dataclass(frozen=True, slots=True)
class Package:
    """One package on one host, before and after changes of its repository."""

    fetcher: Fetcher
    simulator: Simulator
    host: str
    slug: str

    @property
    def address(self) -> str:
        return f"{self.host}/ann/{self.slug}"

    @property
    def world(self) -> World:
        return self.simulator.world

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.fetcher("show", self.slug, "--format", "v4").out)
        return found

    def refresh(self) -> int:
        """Refresh the package by the command; return its status."""
        return self.fetcher("refresh", self.slug).status

    def failure(self) -> dict[str, Any]:
        """Return the only failure that is listed."""
        (found,) = json.loads(self.fetcher("failures", "--json").out)
        return dict(found)

    def is_true(self, address: str | None = None) -> None:
        """Check the document against the repository."""
        true, document = repository_of(self.world, address or self.address), self.document()
        commits, today = true.history.commits(), self.world.clock.today()
        people = [one.author for one in contributors(commits)[0]]
        assert document["repo_watchers"] == (true.stars if self.host == CODEBERG else None)
        assert (document["repo_forks"], document["repo_description"]) == (true.forks, true.description)
        assert document["participants"] == [one.login if self.host == CODEBERG else one.name for one in people]
        assert document["commits_over_52"] == participation(commits, today)
        assert document["last_fetched"] is not None


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Serve both forges without limits."""
    with Simulator(World(), Settings(limits=Limits(enforced=False))) as running:
        yield running


@pytest.fixture(params=[CODEBERG, BITBUCKET])
def package(bare: Fetcher, simulator: Simulator, tmp_path: Path, request: pytest.FixtureRequest) -> Package:
    """Import and refresh a package, whose repository has a year of commits by three people."""
    world, host = simulator.world, str(request.param)
    made = plain_repository(world, host, f"package-{world.new_repository_id()}")
    for login, commits, age in (("ann", 5, 300), ("bob", 3, 90), ("cat", 1, 20)):
        push(world, made.address, Push(commits=commits, login=login, age=timedelta(days=age)))
    bare.settings.update(
        github_api_url=simulator.github_url,
        pypi_url=simulator.pypi_url,
        github_token=simulator.token,
        forges=simulator.environment["FETCHER_FORGES"],
        contact="operator@example.org",
    )
    addresses = tmp_path / "addresses.txt"
    addresses.write_text(f"https://{made.address}\n")
    assert bare("import", str(addresses)).status == 0
    done = bare("refresh", "--all")
    assert done.status == 0, done.err
    simulator.faults.clear()
    return Package(bare, simulator, host, made.name)


def test_a_document_equals_the_repository(package: Package) -> None:
    """Bitbucket has no stars: the document has none either, and not its watchers."""
    package.is_true()


def test_pushes_and_forced_pushes(package: Package) -> None:
    """Counts follow the branch as it is now, and a new author is named."""
    push(package.world, package.address, Push(commits=9, login="dan"))
    assert package.refresh() == 0
    package.is_true()
    force_push(package.world, package.address, dropped=4, commits=2)
    assert package.refresh() == 0
    package.is_true()


@pytest.mark.parametrize("owner", [None, "team"])
def test_renames_and_transfers(package: Package, owner: str | None) -> None:
    """The package keeps its slug, and its next commits are found under the new name."""
    name = f"{package.slug}-next"
    rename(package.world, package.address, name, owner)
    push(package.world, f"{package.host}/{owner or 'ann'}/{name}", Push(login="bob"))

    assert package.refresh() == 0
    package.is_true(f"{package.host}/{owner or 'ann'}/{name}")


def test_missing_repositories_keep_their_values(package: Package) -> None:
    """Private, deleted, and made again by another: each is listed, and nothing stored is lost."""
    before = package.document()
    set_facts(package.world, package.address, Facts(private=True))
    assert package.refresh() == 1
    assert (package.failure()["outcome"], package.host in package.failure()["message"]) == ("missing", True)
    delete(package.world, package.address)
    assert package.refresh() == 1
    recreate(package.world, package.address)
    assert package.refresh() == 1

    assert "another repository" in package.failure()["message"]
    assert package.document() == before


def test_a_blocked_repository(package: Package) -> None:
    """A takedown is listed as such."""
    set_block(package.world, package.address, Block.LEGAL)

    assert package.refresh() == 1
    assert package.failure()["outcome"] == "blocked"


def test_an_emptied_repository(package: Package) -> None:
    """It has 52 zeros and no participant, and fails nothing."""
    empty(package.world, package.address)
    set_facts(package.world, package.address, Facts(archived=True))

    assert package.refresh() == 0
    document = package.document()
    assert (document["commits_over_52"], document["participants"]) == ([0] * 52, [])


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        (Rule(kind=Kind.HTML), "malformed"),
        (Rule(kind=Kind.WRONG_SHAPE), "malformed"),
        (Rule(kind=Kind.STATUS, status=500), "transient"),
        (Rule(kind=Kind.TRUNCATE), "transient"),
        (Rule(kind=Kind.REDIRECT_AWAY), "malformed"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.kind),
)
def test_bad_answers_keep_the_values(package: Package, rule: Rule, outcome: str) -> None:
    """The failure names the reason on one line; the next good response ends it."""
    before = package.document()
    package.simulator.faults.add(rule)
    assert package.refresh() == 1
    found = package.failure()
    package.simulator.faults.clear()

    assert found["outcome"] == outcome
    assert "\n" not in found["message"]
    assert package.document() == before
    assert package.refresh() == 0
    assert json.loads(package.fetcher("failures", "--json").out) == []


def test_doctor_and_explain_name_the_forge(package: Package) -> None:
    """The host is checked under a name of its own, and a package's costs are those of its forge."""
    name = {CODEBERG: "codeberg", BITBUCKET: "bitbucket"}[package.host]
    findings = {one["name"]: one for one in json.loads(package.fetcher("doctor", "--json").out)}
    explained = package.fetcher("explain", package.slug).out

    assert findings[name]["ok"], findings[name]
    assert package.address in explained
    assert "GraphQL" not in explained
