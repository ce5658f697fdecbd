"""The way of the largest directory: facts, and every page of the commits at each fetch, with httpx alone.

It requests the pages as its code does: 50 commits a page of Forgejo with all their parts, 100 of the others, the first
page of forks and watchers. Its filter by date is left out, because Forgejo and Bitbucket do not know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx


def fetch(client: httpx.Client, kind: str, root: str, path: str) -> int:
    """Request one repository; return the number of commits that were read."""
    return sum(len(page) for page in _PAGES[kind](client, root, path))


def _get(client: httpx.Client, url: str) -> httpx.Response:
    answer = client.get(url)
    if answer.status_code not in (200, 409):
        answer.raise_for_status()
    return answer


def _linked(client: httpx.Client, url: str) -> Iterator[list[Any]]:
    """Yield the pages of a list by their ``Link`` headers; an empty repository has none."""
    following: str | None = url
    while following:
        answer = _get(client, following)
        yield answer.json() if answer.status_code == 200 else []
        following = answer.links.get("next", {}).get("url")


def _github(client: httpx.Client, root: str, path: str) -> Iterator[list[Any]]:
    _get(client, f"{root}/repos/{path}")
    _get(client, f"{root}/repos/{path}/contributors?per_page=100")
    yield from _linked(client, f"{root}/repos/{path}/commits?per_page=100")


def _forgejo(client: httpx.Client, root: str, path: str) -> Iterator[list[Any]]:
    _get(client, f"{root}/api/v1/repos/{path}")
    yield from _linked(client, f"{root}/api/v1/repos/{path}/commits?limit=50")


def _bitbucket(client: httpx.Client, root: str, path: str) -> Iterator[list[Any]]:
    url = f"{root}/2.0/repositories/{path}"
    for part in ("", "/forks", "/watchers"):
        _get(client, url + part)
    following: str | None = f"{url}/commits?pagelen=100"
    while following:
        page = _get(client, following).json()
        yield page["values"]
        following = page.get("next")


_PAGES = {"github": _github, "forgejo": _forgejo, "bitbucket": _bitbucket}
KINDS = tuple(_PAGES)
