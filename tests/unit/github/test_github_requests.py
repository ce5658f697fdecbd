"""GitHub requests: addresses, headers and variables."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from fetcher.domain.model import RepoRef, Validators
from fetcher.http.messages import Request
from fetcher.settings import PUBLIC_API
from fetcher.upstreams.github import queries, requests
from fetcher.upstreams.github.limits import Resource, Route
from fetcher.upstreams.github.requests import Api, PageRef, api_at

API = api_at(PUBLIC_API)
PUBLIC = Api("https://api.github.com", "https://api.github.com/graphql", "github.com", "https://github.com")
REPO = RepoRef("github.com", "octo/cat")
SINCE = datetime(2025, 11, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("https://api.github.com", PUBLIC),
        ("https://api.github.com/", PUBLIC),
        (
            "https://git.example:8443/api/v3/",
            Api(
                "https://git.example:8443/api/v3",
                "https://git.example:8443/api/graphql",
                "git.example",
                "https://git.example:8443",
            ),
        ),
        (
            "http://127.0.0.1:9/github",
            Api(
                "http://127.0.0.1:9/github",
                "http://127.0.0.1:9/github/graphql",
                "github.com",
                "http://127.0.0.1:9/github",
            ),
        ),
    ],
)
def test_where_the_apis_are(root: str, expected: Api) -> None:
    """GraphQL is below the public root and beside an Enterprise server's; repositories have its host."""
    assert api_at(root) == expected


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (requests.repository(API, REPO, Validators()), "/repos/octo/cat"),
        (requests.newest_commit(API, REPO), "/repos/octo/cat/commits?per_page=1"),
        (requests.contributors(API, REPO), "/repos/octo/cat/contributors?per_page=100"),
        (requests.contributors(API, REPO, 3), "/repos/octo/cat/contributors?per_page=100&page=3"),
        (requests.participation(API, REPO), "/repos/octo/cat/stats/participation"),
        (requests.rate_limit(API), "/rate_limit"),
    ],
)
def test_rest_requests(request_: Request, path: str) -> None:
    """Every REST request is a GET of its documented path in the pinned API version, for one core point."""
    assert request_.url == PUBLIC_API + path
    assert (request_.method, request_.resource, request_.points) == ("GET", Resource.CORE, 1)
    assert request_.headers["x-github-api-version"] == requests.API_VERSION
    assert "authorization" not in request_.headers


def test_names_cannot_leave_their_place_in_the_path() -> None:
    """A slash, a dot-dot or a question mark in a name is quoted."""
    evil = RepoRef("github.com", "../../a?b#c/d")
    assert requests.newest_commit(API, evil).url.startswith(f"{PUBLIC_API}/repos/..%2F..%2Fa%3Fb%23c/d/commits?")


def test_conditional_requests() -> None:
    """An entity tag has priority over a date; without either the request is unconditional."""
    both = requests.repository(API, REPO, Validators('"tag"', "yesterday")).headers
    dated = requests.repository(API, REPO, Validators(None, "yesterday")).headers
    assert both["if-none-match"] == '"tag"'
    assert "if-modified-since" not in both
    assert dated["if-modified-since"] == "yesterday"
    assert not {"if-none-match", "if-modified-since"} & requests.repository(API, REPO, Validators()).headers.keys()


def test_graphql_requests() -> None:
    """Names and ids are variables, never part of the document; a full batch costs one GraphQL point."""
    by_id = requests.statistics_by_id(API, ["R_1", "R_2"])
    by_name = requests.statistics_by_name(API, [REPO, RepoRef("github.com", 'o"/n}')])
    viewer = requests.viewer(API)
    for request in (by_id, by_name, viewer):
        assert (request.method, request.url, request.resource) == ("POST", API.graphql, Resource.GRAPHQL)
        assert request.points == 1
    assert json.loads(by_id.body or b"")["variables"] == {"ids": ["R_1", "R_2"]}
    assert json.loads(by_name.body or b"")["variables"] == {"o0": "octo", "n0": "cat", "o1": 'o"', "n1": "n}"}


def test_heads_of_many_repositories() -> None:
    """One query requests every head, with ids and start time as variables, and parents only on demand."""
    request = requests.heads(API, ["R_1", "R_2"], SINCE, parents=False)
    assert (request.method, request.url, request.resource) == ("POST", API.graphql, Resource.GRAPHQL)
    assert request.route is Route.HISTORY
    sent = json.loads(request.body or b"")
    assert sent == {
        "query": queries.heads(parents=False),
        "variables": {"ids": ["R_1", "R_2"], "since": "2025-11-15T00:00:00Z"},
    }
    with_parents = json.loads(requests.heads(API, ["R_1"], SINCE, parents=True).body or b"")
    assert with_parents["query"] == queries.heads(parents=True)


def test_pages_of_several_histories() -> None:
    """One query requests pages of several repositories, each with its node id, head and cursor."""
    pages = [PageRef("R_1", "aa", "aa 99"), PageRef("R_2", "bb", 'b"}')]
    request = requests.history_pages(API, pages, SINCE, parents=False)
    assert (request.method, request.url, request.resource) == ("POST", API.graphql, Resource.GRAPHQL)
    assert request.route is Route.HISTORY
    sent = json.loads(request.body or b"")
    assert sent["query"] == queries.pages(2, parents=False)
    assert sent["variables"] == {
        "since": "2025-11-15T00:00:00Z",
        "i0": "R_1",
        "h0": "aa",
        "a0": "aa 99",
        "i1": "R_2",
        "h1": "bb",
        "a1": 'b"}',
    }
    with_parents = json.loads(requests.history_pages(API, pages, SINCE, parents=True).body or b"")
    assert with_parents["query"] == queries.pages(2, parents=True)
