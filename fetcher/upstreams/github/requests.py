"""Request builders for GitHub's two APIs. Sources: the REST reference of ``API_VERSION``, and the GraphQL schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit, urlunsplit

from fetcher.domain.model import RepoRef, Validators
from fetcher.http.messages import Request
from fetcher.settings import PUBLIC_API
from fetcher.upstreams.github import queries
from fetcher.upstreams.github.limits import GITHUB, Resource, Route
from fetcher.upstreams.github.queries import PAGE_SIZE

API_VERSION = "2022-11-28"
"""The REST API version of every request. GitHub serves it for at least 24 months after a newer one appears."""
PUBLIC_HOST = "github.com"
_ENTERPRISE_SUFFIX = "/api/v3"
_UNCONDITIONAL = Validators()


@dataclass(frozen=True, slots=True)
class Api:
    """The addresses of one GitHub's APIs."""

    rest: str
    graphql: str
    host: str
    """The host in repositories' addresses: github.com, or an Enterprise server's own."""
    git: str
    """Root of clone addresses."""


def api_at(root: str) -> Api:
    """Return the APIs of a GitHub by its REST root. An Enterprise root ``…/api/v3`` has GraphQL beside it."""
    root = root.rstrip("/")
    parts = urlsplit(root)
    if parts.path.endswith(_ENTERPRISE_SUFFIX):
        path = parts.path.removesuffix("/v3") + "/graphql"
        clones = urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix(_ENTERPRISE_SUFFIX), "", ""))
        return Api(root, urlunsplit((parts.scheme, parts.netloc, path, "", "")), parts.hostname or PUBLIC_HOST, clones)
    clones = f"https://{PUBLIC_HOST}" if root == PUBLIC_API else root
    return Api(root, f"{root}/graphql", PUBLIC_HOST, clones)


def statistics_by_id(api: Api, node_ids: Sequence[str]) -> Request:
    """Build the query for up to 100 repositories by node id, which costs one point."""
    return _graphql(api, Route.STATISTICS, queries.BY_ID, {"ids": list(node_ids)}, packages=len(node_ids))


def statistics_by_name(api: Api, repos: Sequence[RepoRef]) -> Request:
    """Build the query for up to 100 repositories by name. It costs one point, and follows renames."""
    variables = {f"o{i}": repo.owner for i, repo in enumerate(repos)} | {f"n{i}": r.name for i, r in enumerate(repos)}
    return _graphql(api, Route.STATISTICS, queries.by_name(len(repos)), variables, packages=len(repos))


@dataclass(frozen=True, slots=True)
class PageRef:
    """A further page of one commit's history: the commit, and the cursor before the page."""

    node_id: str
    head_oid: str
    after: str


def heads(api: Api, node_ids: Sequence[str], since: datetime, *, parents: bool) -> Request:
    """Build the query for heads of up to 100 repositories, each with its newest commits since ``since``."""
    variables = {"ids": list(node_ids), "since": _timestamp(since)}
    points = _points(len(node_ids) * (2 + (PAGE_SIZE if parents else 0)))
    return _graphql(api, Route.HISTORY, queries.heads(parents=parents), variables, points, packages=len(node_ids))


def history_pages(api: Api, pages: Sequence[PageRef], since: datetime, *, parents: bool) -> Request:
    """Build the query for further pages of histories, of one repository or many."""
    variables: dict[str, object] = {"since": _timestamp(since)}
    for index, page in enumerate(pages):
        variables |= {f"i{index}": page.node_id, f"h{index}": page.head_oid, f"a{index}": page.after}
    points = _points(len(pages) * (1 + (PAGE_SIZE if parents else 0)))
    return _graphql(api, Route.HISTORY, queries.pages(len(pages), parents=parents), variables, points)


def viewer(api: Api) -> Request:
    """Build the query for the token's account, to which the quota belongs."""
    return _graphql(api, Route.VIEWER, queries.VIEWER, {})


def repository(api: Api, repo: RepoRef, validators: Validators) -> Request:
    """Build the REST request for one repository, used without a token."""
    return _rest(f"{_repo_url(api, repo)}", Route.REPOSITORY, validators)


def newest_commit(api: Api, repo: RepoRef) -> Request:
    """Build the request for the head of the default branch, as a list of one."""
    return _rest(f"{_repo_url(api, repo)}/commits?per_page=1", Route.NEWEST_COMMIT)


def contributors(api: Api, repo: RepoRef, page: int = 1) -> Request:
    """Build the request for one page of contributors, most commits first. GitHub leaves anonymous authors out."""
    suffix = f"&page={page}" if page > 1 else ""
    return _rest(f"{_repo_url(api, repo)}/contributors?per_page={PAGE_SIZE}{suffix}", Route.CONTRIBUTORS)


def participation(api: Api, repo: RepoRef) -> Request:
    """Build the request for commits by rolling week of 52. Its response is 202 while GitHub computes it."""
    return _rest(f"{_repo_url(api, repo)}/stats/participation", Route.PARTICIPATION)


def clone_path(repo: RepoRef) -> str:
    """Return a repository's path below the root of clone addresses."""
    return f"{repo.path}.git"


def rate_limit(api: Api) -> Request:
    """Build the request for every remaining quota. It costs no primary quota and is used by ``fetcher doctor`` only."""
    return _rest(f"{api.rest}/rate_limit", Route.RATE_LIMIT)


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _repo_url(api: Api, repo: RepoRef) -> str:
    return f"{api.rest}/repos/{quote(repo.owner, safe='')}/{quote(repo.name, safe='')}"


def _rest(url: str, route: Route, validators: Validators = _UNCONDITIONAL) -> Request:
    headers = {"accept": "application/vnd.github+json", "x-github-api-version": API_VERSION}
    if validators.etag:
        headers["if-none-match"] = validators.etag
    elif validators.last_modified:
        headers["if-modified-since"] = validators.last_modified
    return Request(GITHUB, Resource.CORE, route, url, headers=headers)


def _points(connections: int) -> int:
    """Return the points of a query: one for a hundred connections, rounded, at least one."""
    return max(1, (connections + 50) // 100)


def _graphql(
    api: Api, route: Route, query: str, variables: Mapping[str, object], points: int = 1, packages: int = 0
) -> Request:
    return Request(
        GITHUB,
        Resource.GRAPHQL,
        route,
        api.graphql,
        method="POST",
        headers={"content-type": "application/json", "accept": "application/json"},
        points=points,
        packages=packages,
        body=json.dumps({"query": query, "variables": variables}, separators=(",", ":")).encode(),
    )
