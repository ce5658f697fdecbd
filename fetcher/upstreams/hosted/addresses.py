"""Grammars of repository paths on other forges, by kind. Pages of a repository name that repository."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias
from urllib.parse import unquote

from fetcher.catalogue.addresses import Location
from fetcher.domain.forges import ForgeKind
from fetcher.domain.model import RepoRef

MOST_SEGMENTS: Final = 21
"""Most segments of a path: 20 levels of groups and the repository's name."""

_SEGMENT = re.compile(r"~?[A-Za-z0-9_.][A-Za-z0-9_.+-]*")
_LONGEST_SEGMENT = 255

# fmt: off
_PAGES: Final = frozenset({
    "actions", "activity", "blob", "branch", "branches", "commit", "commits", "diff", "downloads", "graphs", "issues",
    "log", "merge_requests", "plain", "pipelines", "projects", "pull-requests", "pulls", "raw", "refs", "releases",
    "snapshot", "src", "stats", "summary", "tag", "tags", "tree", "wiki",
})
# fmt: on
"""Segments after a repository's name in the addresses of its pages, on forges and in cgit."""

# fmt: off
_OWN_PAGES: Final = {
    ForgeKind.GITLAB: frozenset({
        "-", "admin", "api", "dashboard", "explore", "groups", "help", "users", "search", "snippets", "uploads",
    }),
    ForgeKind.FORGEJO: frozenset({
        "-", "admin", "api", "assets", "attachments", "explore", "issues", "notifications", "org", "pulls", "repo",
        "user",
    }),
    ForgeKind.BITBUCKET: frozenset({"account", "api", "dashboard", "product", "repo", "site", "snippets"}),
    ForgeKind.GIT: frozenset[str](),
}
# fmt: on
"""First segments that are the host's own pages and never an account."""

_Split: TypeAlias = Callable[[Sequence[str]], Sequence[str]]


def parse(location: Location, kind: ForgeKind) -> RepoRef | str:
    """Parse a repository's path on a host of ``kind``; a text states the violation.

    GitLab has groups in up to 20 levels and separates pages by ``/-/``. Forgejo and Bitbucket have an owner and a name.
    Paths of plain git servers have any depth, and keep ``.git``, which belongs to the name there.
    """
    segments = [unquote(one) for one in location.segments]
    if segments and segments[0].lower() in _OWN_PAGES[kind]:
        return f"/{segments[0]}/… is a page of the host, not a repository"
    web = location.scheme in {"http", "https"}
    path = _SPLITS[kind](segments)
    if len(path) < len(segments) and not web and kind is not ForgeKind.GIT:
        return "expected a repository and nothing behind it in an address for git"
    if kind is not ForgeKind.GIT and path:
        path = [*path[:-1], path[-1].removesuffix(".git")]
    fault = _fault(path, kind)
    return RepoRef(location.host, "/".join(path)) if fault is None else fault


def _nested(segments: Sequence[str]) -> Sequence[str]:
    """Return GitLab's path: up to ``-``, to a name with ``.git``, or to a page of the former form of addresses."""
    if "-" in segments:
        return segments[: segments.index("-")]
    return _up_to_page(segments, 2)


def _two(segments: Sequence[str]) -> Sequence[str]:
    return segments[:2]


def _any_depth(segments: Sequence[str]) -> Sequence[str]:
    if "-" in segments:
        return segments[: segments.index("-")]
    return _up_to_page(segments, 2)


def _up_to_page(segments: Sequence[str], first: int) -> Sequence[str]:
    """Return the segments before a page's: after a name with ``.git``, otherwise from the segment ``first`` on."""
    named = next((i for i, one in enumerate(segments) if one.endswith(".git") and one != ".git"), None)
    if named is not None:
        return segments[: named + 1]
    page = next((i for i, one in enumerate(segments) if i >= first and one in _PAGES), len(segments))
    return segments[:page]


_SPLITS: Final[dict[ForgeKind, _Split]] = {
    ForgeKind.GITLAB: _nested,
    ForgeKind.FORGEJO: _two,
    ForgeKind.BITBUCKET: _two,
    ForgeKind.GIT: _any_depth,
}


def _fault(path: Sequence[str], kind: ForgeKind) -> str | None:
    """Return the violation of the kind's rules; ``None`` if the path is valid."""
    if not path:
        return "expected the path of a repository, got none"
    if len(path) == 1 and kind is not ForgeKind.GIT:
        return f"it names the account {_quoted(path[0])}, not a repository"
    if len(path) > MOST_SEGMENTS:
        return f"expected at most {MOST_SEGMENTS} segments"
    bad = next((one for one in path if not _is_segment(one)), None)
    if bad is not None:
        return f"expected names of letters, digits, dots, hyphens and underscores, got {_quoted(bad)}"
    return None


def _is_segment(text: str) -> bool:
    return len(text) <= _LONGEST_SEGMENT and text not in {".", ".."} and _SEGMENT.fullmatch(text) is not None


def _quoted(text: str) -> str:
    """Return a segment for a message. One with ``@`` or ``:`` may hold a password and is not shown."""
    return "another" if {"@", ":"} & set(text) else ascii(text[:40])
