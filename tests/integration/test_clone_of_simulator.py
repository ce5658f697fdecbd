"""A real git client against the simulator: clones, shallow clones and fetches of every forge's histories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.changes import Push, force_push, push, rename, repository_of
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Simulator

pytestmark = pytest.mark.skipif(which("git") is None, reason="there is no git client here")

MOUNTED = {"github.com": "github", "gitlab.com": "gitlab", "codeberg.org": "forgejo", "bitbucket.org": "bitbucket"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Serve eight generated packages, two on each forge."""
    with Simulator(synthetic(8, 3, hosts=tuple(MOUNTED))) as running:
        yield running


def packages(simulator: Simulator) -> list[Repository]:
    """Return the packages that have commits."""
    found = (simulator.world.repository_by_id(number) for number in simulator.world.repository_ids())
    return [one for one in found if one is not None and not one.empty]


def address_of(simulator: Simulator, repository: Repository) -> str:
    """Return the clone address."""
    return f"{simulator.address(MOUNTED[repository.host])}/{repository.full_name}.git"


def git(folder: Path, *arguments: str) -> str:
    """Run git without a user's settings and without prompts, and return its output."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("options", [(), ("--filter=tree:0",)], ids=["whole", "without trees"])
def test_git_clones_every_forge(simulator: Simulator, tmp_path: Path, options: tuple[str, ...]) -> None:
    """The clone has the head and all commits of the history, and every object is sound."""
    for number, repository in enumerate(packages(simulator)):
        clone = tmp_path / str(number)
        git(tmp_path, "clone", "-q", "--bare", *options, address_of(simulator, repository), str(clone))
        tip = repository.history.tip
        assert tip is not None
        listed = git(clone, "log", "--format=%H %at %ct %an", "HEAD").splitlines()
        expected = [
            f"{one.oid} {one.authored_at.timestamp():.0f} {one.committed_at.timestamp():.0f} {one.author.name}"
            for one in repository.history.commits()
        ]

        assert listed[0].startswith(tip.oid)
        assert sorted(listed) == sorted(expected)
        git(clone, "fsck", "--strict", "--full")


def test_git_fetches_what_was_pushed(simulator: Simulator, tmp_path: Path) -> None:
    """A fetch after pushes, a forced push and a rename brings the branch as it is now."""
    repository = next(one for one in packages(simulator) if one.host == "gitlab.com")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--bare", address_of(simulator, repository), str(clone))
    push(simulator.world, repository.target, Push(commits=3, merge=True))
    force_push(simulator.world, repository.target, dropped=2, commits=2)
    rename(simulator.world, repository.target, "renamed")
    branch = repository.default_branch
    git(clone, "fetch", "-q", "origin", f"+refs/heads/{branch}:refs/heads/{branch}")
    now = repository_of(simulator.world, repository.target)

    assert now.history.tip is not None
    assert git(clone, "rev-parse", branch).strip() == now.history.tip.oid
    assert int(git(clone, "rev-list", "--count", branch)) == now.history.count


def test_git_clones_a_depth(simulator: Simulator, tmp_path: Path) -> None:
    """A shallow clone has the newest commits alone."""
    repository = packages(simulator)[0]
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--bare", "--depth=1", address_of(simulator, repository), str(clone))

    assert repository.history.tip is not None
    assert git(clone, "rev-list", "HEAD").split() == [repository.history.tip.oid]
