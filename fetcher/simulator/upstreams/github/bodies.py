"""The JSON of GitHub's REST responses, in the shapes of its documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fetcher.simulator.clock import stamp
from fetcher.simulator.comparison import Comparison
from fetcher.simulator.history import Author, Commit, Contributor, Week
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.github.node_ids import NodeIds, node_id

FILES_SHOWN = 3
PATCH = "@@ -1,3 +1,3 @@\n-before\n+after\n" * 20


def account_id(login: str) -> int:
    """Return a stable number for a login, as every account has one."""
    return int.from_bytes(login.encode(), "big") % 900_000_000 + 1


@dataclass(frozen=True, slots=True)
class Bodies:
    """The JSON of repositories, accounts and their parts, as one client addressed the API."""

    root: str
    """The API's root as the client addressed it: every link starts with it."""
    node_ids: NodeIds = NodeIds.NEW

    def account(self, login: str) -> dict[str, Any]:
        number = account_id(login)
        return {
            "login": login,
            "id": number,
            "node_id": node_id("User", number, self.node_ids),
            "url": f"{self.root}/users/{login}",
            "html_url": f"https://github.com/{login}",
            "type": "Bot" if login.endswith("[bot]") else "User",
            "site_admin": False,
        }

    def repository(self, repo: Repository) -> dict[str, Any]:
        url = f"{self.root}/repos/{repo.full_name}"
        pushed_at = stamp(repo.pushed_at)
        return {
            "id": repo.database_id,
            "node_id": node_id("Repository", repo.database_id, self.node_ids),
            "name": repo.name,
            "full_name": repo.full_name,
            "private": repo.private,
            "owner": self.account(repo.owner),
            "html_url": f"https://github.com/{repo.full_name}",
            "description": repo.description,
            "fork": repo.fork,
            "url": url,
            "contributors_url": f"{url}/contributors",
            "commits_url": f"{url}/commits{{/sha}}",
            "compare_url": f"{url}/compare/{{base}}...{{head}}",
            "created_at": stamp(repo.created_at),
            "updated_at": pushed_at,
            "pushed_at": pushed_at,
            "homepage": None,
            "size": 0 if repo.empty else 128 + repo.stars,
            "stargazers_count": repo.stars,
            "watchers_count": repo.stars,
            "watchers": repo.stars,
            "forks_count": repo.forks,
            "forks": repo.forks,
            "open_issues_count": 0,
            "language": repo.language,
            "license": _license(repo.license),
            "archived": repo.archived,
            "disabled": repo.disabled,
            "visibility": "private" if repo.private else "public",
            "default_branch": repo.default_branch,
            "network_count": repo.forks,
            "subscribers_count": repo.subscribers,
        }

    def contributor(self, counted: Contributor) -> dict[str, Any]:
        author = counted.author
        if author.login is not None:
            return self.account(author.login) | {"contributions": counted.contributions}
        return {
            "email": author.email,
            "name": author.name,
            "type": "Anonymous",
            "contributions": counted.contributions,
        }

    def commit(self, full_name: str, shown: Commit) -> dict[str, Any]:
        url = f"{self.root}/repos/{full_name}/commits"
        author = shown.author
        return {
            "sha": shown.oid,
            "node_id": f"C_{shown.oid}",
            "url": f"{url}/{shown.oid}",
            "commit": {
                "author": _signature(author, stamp(shown.authored_at)),
                "committer": _signature(author, stamp(shown.committed_at)),
                "message": "Merge pull request" if shown.is_merge else "Change something",
                "comment_count": 0,
            },
            "author": None if author.login is None else self.account(author.login),
            "committer": None if author.login is None else self.account(author.login),
            "parents": [{"sha": parent, "url": f"{url}/{parent}"} for parent in shown.parents],
        }

    def comparison(
        self, full_name: str, compared: Comparison, shown: Sequence[Commit], *, with_files: bool
    ) -> dict[str, Any]:
        """Return one page of a comparison; only the first has the files and their patches."""
        files = [
            {"filename": f"src/module_{number}.py", "status": "modified", "changes": 40, "patch": PATCH}
            for number in range(min(FILES_SHOWN, len(compared.ahead)) if with_files else 0)
        ]
        return {
            "url": f"{self.root}/repos/{full_name}/compare",
            "base_commit": self.commit(full_name, compared.base),
            "merge_base_commit": self.commit(full_name, compared.merge_base),
            "status": compared.status,
            "ahead_by": len(compared.ahead),
            "behind_by": compared.behind_by,
            "total_commits": len(compared.ahead),
            "commits": [self.commit(full_name, one) for one in shown],
            "files": files,
        }


def _license(spdx_id: str | None) -> dict[str, Any] | None:
    if spdx_id is None:
        return None
    return {"key": spdx_id.lower(), "name": spdx_id, "spdx_id": spdx_id, "url": None}


def participation(everybody: Sequence[int], owner: Sequence[int]) -> dict[str, Any]:
    return {"all": everybody, "owner": owner}


def commit_activity(weeks: Sequence[Week]) -> list[dict[str, Any]]:
    return [week.as_json() for week in weeks]


def _signature(author: Author, date: str) -> dict[str, str]:
    return {"name": author.name, "email": author.email, "date": date}
