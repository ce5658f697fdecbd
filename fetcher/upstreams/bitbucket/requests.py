"""Request builders for Bitbucket's API 2.0. Source: developer.atlassian.com/cloud/bitbucket/rest.

No request is conditional. ``fields`` leaves some 300 bytes of a repository, so a 304 would save less than its validator
costs, and whether it counts as a request is not documented.
"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote

from fetcher.http.messages import Request
from fetcher.upstreams.hosted.base import ForgeHost

RESOURCE = "api"
"""Quota bucket of the API's requests. Git is counted apart, with a thousand times as many."""
_FIELDS = "uuid,full_name,description,mainbranch.name"
_SMALL = 256 * 1024
"""Most bytes of a response. A repository takes some 300, and a description may be long."""


class Route(StrEnum):
    """Kind of a request."""

    REPOSITORY = "bitbucket_repository"
    TOTAL = "bitbucket_total"
    HOOK_EVENTS = "bitbucket_hook_events"


class Total(StrEnum):
    """A list of a repository whose length is one of its facts."""

    FORKS = "forks"
    WATCHERS = "watchers"


def hook_events(host: ForgeHost) -> Request:
    """Build the request for the subjects of webhooks: a short constant list, which every credential may read."""
    return _request(host, Route.HOOK_EVENTS, "hook_events")


def repository_by_id(host: ForgeHost, uuid: str) -> Request:
    """Build the request for a repository by its UUID: the empty braces stand for any workspace.

    A UUID survives renames and transfers, for which Bitbucket has no redirect.
    """
    return _request(host, Route.REPOSITORY, f"repositories/%7B%7D/%7B{quote(uuid, safe='')}%7D?fields={_FIELDS}")


def repository_by_path(host: ForgeHost, path: str) -> Request:
    """Build the request for a repository by workspace and slug."""
    return _request(host, Route.REPOSITORY, f"repositories/{quote(path)}?fields={_FIELDS}")


def total(host: ForgeHost, path: str, of: Total) -> Request:
    """Build the request for the length of a list. A page states it as ``size``, whatever the page holds."""
    return _request(host, Route.TOTAL, f"repositories/{quote(path)}/{of}?pagelen=1&fields=size")


def _request(host: ForgeHost, route: Route, path: str) -> Request:
    url = f"{host.root}/2.0/{path}"
    return Request(host.name, RESOURCE, route, url, headers={"accept": "application/json"}, max_bytes=_SMALL)
