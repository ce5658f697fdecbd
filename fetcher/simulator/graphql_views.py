"""A repository as GraphQL reads it: plain dictionaries, because a field costs no more than a look-up then.

What takes work (a history, a connection with arguments) is a function that the executor calls when it is asked for.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from graphql import GraphQLError, GraphQLResolveInfo

from fetcher.simulator.clock import stamp
from fetcher.simulator.github_bodies import account_id
from fetcher.simulator.history import Commit, Tip, tip_of
from fetcher.simulator.repository import Repository, node_id

View = dict[str, Any]
Info: TypeAlias = "GraphQLResolveInfo[Any]"

MOST_PER_PAGE = 100
NO_MORE: View = {"hasNextPage": False, "hasPreviousPage": False, "endCursor": None, "startCursor": None}


def resolve_field(source: Any, info: Info, **arguments: Any) -> Any:
    """The executor's default: a key of the view, called if it takes work."""
    value = source.get(info.field_name)
    return value(info, **arguments) if callable(value) else value


def user(login: str) -> View:
    number = account_id(login)
    return {
        "__typename": "User",
        "id": node_id("U", number),
        "databaseId": number,
        "login": login,
        "url": f"https://github.com/{login}",
    }


def repository(repo: Repository) -> View:
    pushed_at = stamp(repo.pushed_at)
    return {
        "__typename": "Repository",
        "id": repo.node_id,
        "databaseId": repo.database_id,
        "name": repo.name,
        "nameWithOwner": repo.full_name,
        "owner": lambda info: user(repo.owner),
        "url": f"https://github.com/{repo.full_name}",
        "stargazerCount": repo.stars,
        "forkCount": repo.forks,
        "watchers": lambda info, **page: _counted(repo.subscribers),
        "stargazers": lambda info, **page: _counted(repo.stars),
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
        "defaultBranchRef": lambda info: _branch(repo),
        "primaryLanguage": _named("Language", "LA", repo.language),
        "licenseInfo": _named("License", "LI", repo.license),
    }


def _named(kind: str, prefix: str, name: str | None) -> View | None:
    if name is None:
        return None
    number = account_id(name)
    return {"__typename": kind, "id": node_id(prefix, number), "key": name.lower(), "name": name, "spdxId": name}


def _branch(repo: Repository) -> View | None:
    tip = repo.history.tip
    if tip is None:
        return None
    return {
        "id": f"REF_{repo.node_id}",
        "name": repo.default_branch,
        "prefix": "refs/heads/",
        "target": _tip(tip, repo.history.commits),
    }


def _tip(tip: Tip, commits: Callable[[], Sequence[Commit]]) -> View:
    return {
        "__typename": "Commit",
        "id": f"C_{tip.oid}",
        "oid": tip.oid,
        "abbreviatedOid": tip.oid[:7],
        "committedDate": stamp(tip.committed_at),
        "authoredDate": stamp(tip.authored_at),
        "author": lambda info: _actor(commits()[-1]),
        "parents": lambda info, **page: _counted(tip.parents),
        "history": lambda info, **page: _history(commits(), **page),
    }


def _actor(commit: Commit) -> View:
    author = commit.author
    return {
        "name": author.name,
        "email": author.email,
        "date": stamp(commit.authored_at),
        "user": user(author.login) if author.login else None,
    }


def _counted(total: int) -> View:
    """A connection of which only the number is known; its nodes are null, as they are to who may not see them."""
    return {"totalCount": total, "nodes": None, "pageInfo": NO_MORE}


def _history(
    commits: Sequence[Commit],
    first: int | None = None,
    after: str | None = None,
    since: str | None = None,
    until: str | None = None,
    **_backwards: Any,
) -> View:
    """Newest first; ``since`` and ``until`` are committer dates, as in git log."""
    if first is not None and not 0 <= first <= MOST_PER_PAGE:
        raise GraphQLError(f"Requesting {first} records on the connection exceeds the `first` limit of 100 records.")
    lower, upper = (datetime.fromisoformat(text) if text else None for text in (since, until))
    chosen = [
        (at, commit)
        for at, commit in reversed(list(enumerate(commits)))
        if (lower is None or commit.committed_at >= lower) and (upper is None or commit.committed_at <= upper)
    ]
    start = int(after) + 1 if after and after.isdigit() else 0
    stop = start + (first or 0)
    nodes = [_tip(tip_of(commit), lambda at=at: commits[: at + 1]) for at, commit in chosen[start:stop]]  # type: ignore[misc]
    return {
        "totalCount": len(chosen),
        "nodes": nodes,
        "pageInfo": NO_MORE | {"hasNextPage": stop < len(chosen), "endCursor": str(stop - 1) if nodes else None},
    }
