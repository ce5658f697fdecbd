"""Projects and commits as GraphQL reads them: dictionaries, with a function for each field that has arguments."""

from typing import Any

from graphql import GraphQLError

from fetcher.simulator.clock import stamp
from fetcher.simulator.git_log import by_oid, git_log, holds
from fetcher.simulator.graphql_queries import View
from fetcher.simulator.history import Commit
from fetcher.simulator.repository import Repository

NUMBERED_FROM = 2_000
"""A world numbers the repositories of all hosts together; an instance counts its own from one."""
GLOBAL_ID = "gid://gitlab/Project/"
MOST_PER_PAGE = 100
NO_PAGES: View = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}


def number_of(repo: Repository) -> int:
    return repo.database_id - NUMBERED_FROM


def project(repo: Repository) -> View:
    return {
        "id": f"{GLOBAL_ID}{number_of(repo)}",
        "fullPath": repo.full_name,
        "path": repo.name,
        "name": repo.name,
        "description": repo.description,
        "archived": repo.archived,
        "isSelfArchived": repo.archived,
        "isForked": repo.fork,
        "markedForDeletion": repo.disabled,
        "starCount": repo.stars,
        "forksCount": repo.forks,
        "openIssuesCount": 0,
        "openMergeRequestsCount": 0,
        "topics": [],
        "visibility": "private" if repo.private else "public",
        "createdAt": stamp(repo.created_at),
        "updatedAt": stamp(repo.pushed_at),
        "lastActivityAt": stamp(repo.pushed_at),
        "webUrl": f"https://{repo.address}",
        "httpUrlToRepo": f"https://{repo.address}.git",
        "statistics": None,
        "repository": _repository(repo),
    }


def _repository(repo: Repository) -> View:
    return {
        "exists": True,
        "empty": repo.empty,
        "rootRef": None if repo.empty else repo.default_branch,
        "commitCount": repo.history.count,
        "lastCommit": lambda info, **_: _last(repo),
        "tree": lambda info, **_: {"lastCommit": _last(repo)},
        "commit": lambda info, ref: _last(repo, ref),
        "commits": lambda info, **arguments: _commits(repo, **arguments),
    }


def _start(repo: Repository, ref: str | None = None) -> str | None:
    """Return the oid that a reference names: the head, or a commit of the default branch."""
    tip = repo.history.tip
    branch = repo.default_branch
    if tip is None:
        return None
    if ref in (None, "HEAD", branch, f"refs/heads/{branch}"):
        return None if repo.default_branch_missing else tip.oid
    return ref if holds(repo.history, str(ref)) else None


def _last(repo: Repository, ref: str | None = None) -> View | None:
    start = _start(repo, ref)
    return None if start is None else commit(by_oid(repo.history)[start])


def _commits(repo: Repository, ref: str, first: int | None = None, after: str | None = None, **_dates: Any) -> View:
    """Return a page of ``git log`` from a reference; a cursor is the place in it."""
    start = _start(repo, ref)
    if start is None:
        return {"nodes": [], "pageInfo": NO_PAGES}
    log = git_log(repo.history, start)
    if after is not None and not (after.isascii() and after.isdigit()):
        raise GraphQLError("Please provide a valid cursor")
    begin = 0 if after is None else int(after) + 1
    stop = min(len(log), begin + min(first or MOST_PER_PAGE, MOST_PER_PAGE))
    page = {**NO_PAGES, "hasNextPage": stop < len(log), "endCursor": str(stop - 1)}
    return {"nodes": [commit(one) for one in log[begin:stop]], "pageInfo": page}


def commit(one: Commit) -> View:
    login = one.author.login
    account = {"id": f"gid://gitlab/User/{login}", "name": one.author.name, "username": login}
    return {
        "id": f"gid://gitlab/CommitPresenter/{one.oid}",
        "sha": one.oid,
        "shortId": one.oid[:8],
        "message": one.message,
        "authorName": one.author.name,
        "authorEmail": one.author.email,
        "authoredDate": stamp(one.authored_at),
        "committedDate": stamp(one.committed_at),
        "author": account if login else None,
    }
