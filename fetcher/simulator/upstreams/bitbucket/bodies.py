"""The JSON of Bitbucket's responses, in the shapes of its documentation."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from fetcher.simulator.history import Commit
from fetcher.simulator.repository import Repository

HOST = "bitbucket.org"
_FIRST_UUID = UUID("b17b0000-0000-4000-8000-000000000000").int
_PEOPLE = UUID("b17b0000-0000-4000-8001-000000000000")


def uuid_of(repo: Repository) -> str:
    """Return a repository's UUID in braces, from which its number can be read back."""
    return f"{{{UUID(int=_FIRST_UUID + repo.database_id)}}}"


def number_of(text: str) -> int | None:
    """Return the number in a repository's UUID; None if the text is no UUID in braces."""
    try:
        return UUID(text.removeprefix("{").removesuffix("}")).int - _FIRST_UUID if text.startswith("{") else None
    except ValueError:
        return None


def repository(root: str, repo: Repository) -> dict[str, Any]:
    url = f"{root}/2.0/repositories/{repo.full_name}"
    page = f"https://{HOST}/{repo.full_name}"
    clone = [{"name": "https", "href": f"{page}.git"}, {"name": "ssh", "href": f"git@{HOST}:{repo.full_name}.git"}]
    links = {name: {"href": f"{url}/{name}"} for name in ("watchers", "branches", "tags", "commits", "forks", "hooks")}
    return {
        "type": "repository",
        "full_name": repo.full_name,
        "links": {"self": {"href": url}, "html": {"href": page}, "clone": clone, **links},
        "name": repo.name,
        "slug": repo.name,
        "description": repo.description or "",
        "scm": "git",
        "website": "",
        "owner": account(repo.owner),
        "workspace": {"type": "workspace", "uuid": account(repo.owner)["uuid"], "name": repo.owner, "slug": repo.owner},
        "is_private": repo.private,
        "project": {"type": "project", "key": "PROJ", "name": "Untitled project", "uuid": uuid_of(repo)},
        "fork_policy": "allow_forks",
        "created_on": stamp(repo.created_at),
        "updated_on": stamp(repo.pushed_at),
        "size": 0 if repo.empty else 4096 * repo.history.count,
        "language": (repo.language or "").lower(),
        "uuid": uuid_of(repo),
        "mainbranch": None if repo.empty else {"name": repo.default_branch, "type": "branch"},
        "override_settings": {"default_merge_strategy": True, "branching_model": True},
        "parent": None,
        "has_issues": False,
        "has_wiki": False,
    }


def account(name: str) -> dict[str, Any]:
    return {"type": "user", "display_name": name.title(), "nickname": name, "uuid": f"{{{uuid5(_PEOPLE, name)}}}"}


def commit(root: str, repo: Repository, shown: Commit) -> dict[str, Any]:
    """Return a commit. It has one date; the documentation does not state whether it is the author's."""
    url = f"{root}/2.0/repositories/{repo.full_name}/commit"
    author: dict[str, Any] = {"type": "author", "raw": f"{shown.author.name} <{shown.author.email}>"}
    if shown.author.login is not None:
        author["user"] = account(shown.author.login)
    return {
        "type": "commit",
        "hash": shown.oid,
        "date": stamp(shown.committed_at),
        "author": author,
        "message": "Merge branch\n" if shown.is_merge else "Change something\n",
        "links": {"self": {"href": f"{url}/{shown.oid}"}},
        "parents": [
            {"type": "commit", "hash": oid, "links": {"self": {"href": f"{url}/{oid}"}}} for oid in shown.parents
        ],
    }


def stamp(moment: datetime) -> str:
    """Return a time with microseconds and the offset of its zone."""
    return moment.isoformat(timespec="microseconds")
