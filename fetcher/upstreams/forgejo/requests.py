"""Request builders for the API of Forgejo and Gitea. Source: the OpenAPI document that each instance serves."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote, urlencode

from fetcher.domain.model import RepoRef
from fetcher.http.messages import Request
from fetcher.upstreams.hosted.base import ForgeHost

RESOURCE = "api"
"""Quota bucket of the API's requests."""
PAGE_SIZE = 50
"""Commits in one response: the largest page of an instance with default settings (``MAX_RESPONSE_ITEMS``)."""
_SMALL = 1024 * 1024
"""Most bytes of a response. A repository takes some 4 KB, and a page of commits some 150 KB."""


class Route(StrEnum):
    """Kind of a request."""

    REPOSITORY = "forgejo_repository"
    ACCOUNTS = "forgejo_accounts"
    VERSION = "forgejo_version"


def version(host: ForgeHost) -> Request:
    """Build the request for the instance's version, which every credential may send."""
    return _request(host, Route.VERSION, "version")


def repository_by_id(host: ForgeHost, repository_id: str) -> Request:
    """Build the request for a repository by its number, which survives renames and transfers."""
    return _request(host, Route.REPOSITORY, f"repositories/{quote(repository_id, safe='')}")


def repository_by_path(host: ForgeHost, repo: RepoRef) -> Request:
    """Build the request for a repository by owner and name. A renamed one is a redirect (307)."""
    return _request(host, Route.REPOSITORY, f"repos/{quote(repo.path)}")


def newest_commits(host: ForgeHost, repo: RepoRef, head: str | None, since: str | None) -> Request:
    """Build the request for the newest commits that lead to ``head`` but not to ``since``, with their accounts.

    Statistics, signatures and changed files are on by default and cost the instance a diff for each commit.
    """
    query = {"limit": str(PAGE_SIZE), "stat": "false", "verification": "false", "files": "false"}
    query |= {name: oid for name, oid in (("sha", head), ("not", since)) if oid is not None}
    return _request(host, Route.ACCOUNTS, f"repos/{quote(repo.path)}/commits?{urlencode(query)}")


def _request(host: ForgeHost, route: Route, path: str) -> Request:
    url = f"{host.root}/api/v1/{path}"
    return Request(host.name, RESOURCE, route, url, headers={"accept": "application/json"}, max_bytes=_SMALL)
