"""GitHub's grammar of repository addresses."""

from __future__ import annotations

import re

from fetcher.catalogue.addresses import REPOSITORY_EXPECTED, Location
from fetcher.domain.model import RepoRef

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}")
"""GitHub's rule: 1 to 39 letters, digits and hyphens; managed users of an Enterprise have an underscore as well."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
# fmt: off
_RESERVED = frozenset({
    "about", "account", "apps", "codespaces", "collections", "contact", "customer-stories", "dashboard",
    "enterprise", "events", "explore", "features", "gist", "issues", "join", "login", "logout",
    "marketplace", "new", "notifications", "organizations", "orgs", "pricing", "pulls", "search",
    "security", "sessions", "settings", "signup", "site", "sponsors", "stars", "topics", "trending",
    "users", "watching",
})
# fmt: on
"""First path segments that are GitHub's own pages and never an account."""


def parse(location: Location) -> RepoRef | str:
    """Parse ``/owner/name``; a text states the violation.

    In a web address, segments after the name are ignored: a page of a repository (``/tree/main/part`` of a monorepo,
    ``/issues``) names that repository. A git address ends with the name.
    """
    owner, name, *page = [*location.segments, "", ""][: max(2, len(location.segments))]
    name = name.removesuffix(".git")
    fault = _fault(owner, name)
    if fault is None and any(page) and location.scheme not in {"http", "https"}:
        fault = "expected owner/name and nothing behind it in an address for git"
    return RepoRef(location.host, f"{owner}/{name}") if fault is None else fault


def _fault(owner: str, name: str) -> str | None:
    """Return the violation of GitHub's rules for owner and name; ``None`` if they are valid."""
    if not owner:
        return f"expected {REPOSITORY_EXPECTED}, got no owner"
    if owner.lower() in _RESERVED:
        return f"/{owner}/… is a page of the host, not a repository"
    if not _OWNER.fullmatch(owner):
        return "expected an owner of 1 to 39 letters, digits and hyphens"
    if not name:
        return f"it names the account {owner}, not a repository"
    if not _NAME.fullmatch(name) or name in {".", ".."}:
        return "expected a repository name of 1 to 100 letters, digits, dots, hyphens and underscores"
    return None
