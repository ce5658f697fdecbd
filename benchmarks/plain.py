"""THE YARDSTICK, not Fetcher: a plain sequential updater, as one is written in an afternoon with PyGithub.

One package after another: the repository, all contributors, the newest commit, the participation array, and PyPI's
JSON. It asks everything every time, stores nothing, and does not pace itself: it is as quick as it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx
from github import Auth, Github, GithubException

from benchmarks.simulated import SimulatorProcess


@dataclass(frozen=True, slots=True)
class Found:
    """What the plain updater knows of a package; None where it was refused."""

    stars: int | None
    participants: tuple[str, ...] | None
    newest: datetime | None
    weeks: tuple[int, ...] | None
    version: str | None


def update(packages: Sequence[tuple[str, str]], upstreams: SimulatorProcess) -> list[Found]:
    """Ask for each (``owner/name``, project), one request at a time."""
    github = Github(
        base_url=upstreams.github,
        auth=Auth.Token(upstreams.token),
        per_page=100,
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
    )
    with github, httpx.Client(base_url=upstreams.pypi, timeout=60) as index:
        return [_package(github, index, full_name, project) for full_name, project in packages]


def _package(github: Github, index: httpx.Client, full_name: str, project: str) -> Found:
    answer = index.get(f"/pypi/{project}/json")
    version = answer.json()["info"]["version"] if answer.status_code == httpx.codes.OK else None
    try:
        repository = github.get_repo(full_name)
        people = tuple(person.login for person in repository.get_contributors())
        newest = repository.get_commits()[0].commit.committer.date
        participation = repository.get_stats_participation()
    except GithubException:  # an empty repository, a limit: a plain updater goes on
        return Found(None, None, None, None, version)
    weeks = None if participation is None else tuple(participation.all)
    return Found(repository.stargazers_count, people, newest, weeks, version)
