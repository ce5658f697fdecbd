"""The true state of one package as JSON, for comparison by tests in another process."""

from datetime import date
from typing import Any

from fetcher.simulator.clock import stamp
from fetcher.simulator.history import commit_activity, contributors, participation
from fetcher.simulator.project import Project
from fetcher.simulator.repository import Repository


def of_repository(repository: Repository, today: date) -> dict[str, Any]:
    """Return the result of a complete fetch from the repository's host on that day."""
    commits, tip = repository.history.commits(), repository.history.tip
    accounts, anonymous = contributors(commits)
    people = sorted((*accounts, *anonymous), key=lambda one: -one.contributions)
    return {
        "id": repository.database_id,
        "host": repository.host,
        "full_name": repository.full_name,
        "description": repository.description,
        "stars": repository.stars,
        "forks": repository.forks,
        "subscribers": repository.subscribers,
        "archived": repository.archived,
        "disabled": repository.disabled,
        "private": repository.private,
        "block": repository.block,
        "head": tip.oid if tip else None,
        "last_commit": stamp(tip.committed_at) if tip else None,
        "commits": repository.history.count,
        "contributors": [one.author.login for one in accounts],
        "contributions": [one.contributions for one in accounts],
        "anonymous": len(anonymous),
        "people": [one.author.login or one.author.name for one in people],
        "day": today.isoformat(),
        "participation": participation(commits, today),
        "participation_without_merges": participation(commits, today, merges=False),
        "commit_activity": [week.as_json() for week in commit_activity(commits, today)],
    }


def of_project(project: Project) -> dict[str, Any]:
    latest = project.latest()
    return {
        "name": project.name,
        "serial": project.serial,
        "latest": latest.version if latest else None,
        "versions": [release.version for release in project.releases],
        "yanked": [release.version for release in project.releases if release.yanked],
        "status": project.status,
        "status_reason": project.status_reason,
    }
