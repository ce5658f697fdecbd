"""The yardstick, not Fetcher: a plain sequential updater, as commonly written with PyGithub.

It handles one package after another: the repository, all contributors, the newest commit, the participation array, and
PyPI's JSON. It requests everything every time, stores nothing, and does not pace itself.
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
    """Values of a package as the plain updater finds them; ``None`` after an error."""

    stars: int | None
    participants: tuple[str, ...] | None
    newest: datetime | None
    weeks: tuple[int, ...] | None
    version: str | None


def update(packages: Sequence[tuple[str, str]], upstreams: SimulatorProcess) -> list[Found]:
    """Request each (``owner/name``, project), one request at a time."""
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
    except GithubException:  # an empty repository or a limit: a plain updater continues
        return Found(None, None, None, None, version)
    weeks = None if participation is None else tuple(participation.all)
    return Found(repository.stargazers_count, people, newest, weeks, version)
