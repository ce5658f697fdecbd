"""The JSON of Forgejo's responses, in the shapes of its OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fetcher.simulator.clock import stamp
from fetcher.simulator.history import Author, Commit
from fetcher.simulator.repository import Repository

NUMBERED_FROM = 1_000
"""A world numbers the repositories of all hosts together; an instance counts its own from one."""
NEVER = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Bodies:
    """The JSON of one instance, as one client addressed it."""

    root: str
    host: str

    def repository(self, repo: Repository) -> dict[str, Any]:
        url, page = f"{self.root}/api/v1/repos/{repo.full_name}", f"https://{self.host}/{repo.full_name}"
        return {
            "id": repo.database_id - NUMBERED_FROM,
            "owner": self.user(repo.owner),
            "name": repo.name,
            "full_name": repo.full_name,
            "description": repo.description or "",
            "empty": repo.empty,
            "private": repo.private,
            "fork": repo.fork,
            "template": False,
            "mirror": False,
            "size": 0 if repo.empty else 128 + repo.stars,
            "language": repo.language or "",
            "languages_url": f"{url}/languages",
            "html_url": page,
            "url": url,
            "link": "",
            "ssh_url": f"ssh://git@{self.host}/{repo.full_name}.git",
            "clone_url": f"{page}.git",
            "original_url": "",
            "website": "",
            "stars_count": repo.stars,
            "forks_count": repo.forks,
            "watchers_count": repo.subscribers,
            "open_issues_count": 0,
            "open_pr_counter": 0,
            "release_counter": 0,
            "default_branch": repo.default_branch,
            "archived": repo.archived,
            "created_at": stamp(repo.created_at),
            "updated_at": stamp(repo.pushed_at),
            "archived_at": NEVER,
            "permissions": {"admin": False, "push": False, "pull": True},
            "has_issues": True,
            "has_wiki": False,
            "has_pull_requests": True,
            "has_projects": False,
            "has_releases": True,
            "has_packages": False,
            "has_actions": False,
            "ignore_whitespace_conflicts": False,
            "allow_merge_commits": True,
            "allow_rebase": True,
            "default_merge_style": "merge",
            "avatar_url": "",
            "internal": False,
            "mirror_interval": "",
            "object_format_name": repo.object_format,
            "mirror_updated": NEVER,
            "topics": [],
        }

    def user(self, login: str) -> dict[str, Any]:
        return {
            "id": int.from_bytes(login.encode(), "big") % 900_000 + 1,
            "login": login,
            "login_name": "",
            "source_id": 0,
            "full_name": login.title(),
            "email": f"{login}@noreply.{self.host}",
            "avatar_url": f"https://{self.host}/avatars/{login}",
            "html_url": f"https://{self.host}/{login}",
            "language": "",
            "is_admin": False,
            "last_login": NEVER,
            "created": "2020-01-01T00:00:00Z",
            "restricted": False,
            "active": False,
            "prohibit_login": False,
            "location": "",
            "website": "",
            "description": "",
            "visibility": "public",
            "followers_count": 0,
            "following_count": 0,
            "starred_repos_count": 0,
        }

    def commit(self, repo: Repository, shown: Commit, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a commit; statistics, the signature and files stand in it unless the query switches them off."""
        url = f"{self.root}/api/v1/repos/{repo.full_name}/git/commits"
        account = None if shown.author.login is None else self.user(shown.author.login)
        body: dict[str, Any] = {
            "url": f"{url}/{shown.oid}",
            "sha": shown.oid,
            "created": _local(shown.committed_at),
            "html_url": f"https://{self.host}/{repo.full_name}/commit/{shown.oid}",
            "commit": {
                "url": f"{url}/{shown.oid}",
                "author": _signature(shown.author, shown.authored_at),
                "committer": _signature(shown.author, shown.committed_at),
                "message": "Merge branch\n" if shown.is_merge else "Change something\n",
                "tree": {"url": f"{url}/tree", "sha": shown.oid, "created": _local(shown.committed_at)},
            },
            "author": account,
            "committer": account,
            "parents": [{"url": f"{url}/{oid}", "sha": oid, "created": NEVER} for oid in shown.parents],
        }
        if query.get("verification") != "false":
            verification = {"verified": False, "reason": "gpg.error.not_signed_commit", "signature": "", "payload": ""}
            body["commit"]["verification"] = verification
        if query.get("files") != "false":
            body["files"] = [{"filename": f"src/module_{at}.py", "status": "modified"} for at in range(3)]
        if query.get("stat") != "false":
            body["stats"] = {"total": 120, "additions": 80, "deletions": 40}
        return body


def _signature(author: Author, moment: datetime) -> dict[str, str]:
    return {"name": author.name, "email": author.email, "date": _local(moment)}


def _local(moment: datetime) -> str:
    """Return a time in its own zone, in whole seconds."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
