"""Request builders. Sources: GitLab's "GraphQL API", and "Projects API" for REST."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from urllib.parse import quote

from fetcher.domain.model import RepoRef
from fetcher.http.messages import Request
from fetcher.upstreams.gitlab import queries
from fetcher.upstreams.hosted.base import ForgeHost
from fetcher.upstreams.hosted.policies import Resource

GRAPHQL_PATH, REST_PATH = "/api/graphql", "/api/v4"
GLOBAL_ID = "gid://gitlab/Project/"


class Route(StrEnum):
    """Kinds of requests to GitLab's API."""

    PROJECTS = "gitlab_projects"
    ACCOUNTS = "gitlab_accounts"
    PROJECT = "gitlab_project"
    PROBE = "gitlab_probe"


def projects_by_id(host: ForgeHost, ids: Sequence[str], lacking: Collection[str] = ()) -> Request:
    """Build the query for up to 100 projects by number."""
    return _projects(host, queries.by_id(lacking), [GLOBAL_ID + one for one in ids])


def projects_by_path(host: ForgeHost, repos: Sequence[RepoRef], lacking: Collection[str] = ()) -> Request:
    """Build the query for up to 50 projects by path. A former path finds nothing."""
    return _projects(host, queries.by_path(lacking), [repo.path for repo in repos])


def accounts(host: ForgeHost, project_id: str, revision: str) -> Request:
    """Build the query for the authors' accounts of the newest commits of a branch or a commit."""
    return _graphql(host, Route.ACCOUNTS, queries.ACCOUNTS, {"ids": [GLOBAL_ID + project_id], "ref": revision})


def project(host: ForgeHost, repo: RepoRef) -> Request:
    """Build the REST request for one project by path. For a former path GitLab redirects to the project's number."""
    return Request(
        host.name,
        Resource.API,
        Route.PROJECT,
        f"{host.root}{REST_PATH}/projects/{quote(repo.path, safe='')}",
        headers={"accept": "application/json"},
    )


def probe(host: ForgeHost) -> Request:
    """Build a query that reads nothing. Its response shows whether the API is there and accepts the token."""
    return _graphql(host, Route.PROBE, queries.PROBE, {})


def _projects(host: ForgeHost, query: str, wanted: Sequence[str]) -> Request:
    """Build a query about projects. Its complexity grows with the size of the page, so that is the number wanted."""
    return _graphql(host, Route.PROJECTS, query, {"wanted": list(wanted), "first": len(wanted)})


def _graphql(host: ForgeHost, route: Route, query: str, variables: Mapping[str, object]) -> Request:
    return Request(
        host.name,
        Resource.API,
        route,
        host.root + GRAPHQL_PATH,
        method="POST",
        headers={"content-type": "application/json", "accept": "application/json"},
        body=json.dumps({"query": query, "variables": variables}, separators=(",", ":")).encode(),
    )
