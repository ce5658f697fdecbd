"""A repository as a view of GraphQL."""

from fetcher.simulator.clock import stamp
from fetcher.simulator.graphql_queries import View
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.github.bodies import account_id
from fetcher.simulator.upstreams.github.graphql_commits import Commits, counted, user
from fetcher.simulator.upstreams.github.node_ids import node_id, node_id_of
from fetcher.simulator.upstreams.github.options import GitHubOptions


def repository(repo: Repository, options: GitHubOptions) -> View:
    commits = Commits(repo, options)
    pushed_at = stamp(repo.pushed_at)
    return {
        "__typename": "Repository",
        "id": node_id("Repository", repo.database_id, options.node_ids),
        "databaseId": repo.database_id,
        "name": repo.name,
        "nameWithOwner": repo.full_name,
        "owner": lambda info: user(repo.owner, options),
        "url": f"https://github.com/{repo.full_name}",
        "stargazerCount": repo.stars,
        "forkCount": repo.forks,
        "watchers": lambda info, **page: counted(repo.subscribers),
        "stargazers": lambda info, **page: counted(repo.stars),
        "description": repo.description,
        "isArchived": repo.archived,
        "archivedAt": pushed_at if repo.archived else None,
        "isDisabled": repo.disabled,
        "isPrivate": repo.private,
        "isEmpty": repo.empty,
        "isFork": repo.fork,
        "isInOrganization": False,
        "isLocked": False,
        "isMirror": False,
        "isTemplate": False,
        "diskUsage": 128,
        "pushedAt": pushed_at,
        "createdAt": lambda info: stamp(repo.created_at),
        "updatedAt": pushed_at,
        "defaultBranchRef": lambda info: _branch(repo, commits),
        "object": lambda info, oid=None, expression=None: commits.object(oid, expression),
        "primaryLanguage": _named("Language", repo.language, options),
        "licenseInfo": _named("License", repo.license, options),
    }


def _named(kind: str, name: str | None, options: GitHubOptions) -> View | None:
    if name is None:
        return None
    number = account_id(name)
    return {
        "__typename": kind,
        "id": node_id(kind, number, options.node_ids),
        "key": name.lower(),
        "name": name,
        "spdxId": name,
    }


def _branch(repo: Repository, commits: Commits) -> View | None:
    tip = commits.tip()
    if tip is None:
        return None
    return {
        "id": f"REF_{node_id_of(repo)}",
        "name": repo.default_branch,
        "prefix": "refs/heads/",
        "target": tip,
    }
