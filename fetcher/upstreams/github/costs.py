"""The cost of refreshing one repository now, by the rules that choose its requests. Pure."""

from __future__ import annotations

import math
from datetime import datetime

from fetcher.domain.model import DETAIL_SOURCES, Source, Target
from fetcher.upstreams.base import Cost
from fetcher.upstreams.github.change_detection import needs_list
from fetcher.upstreams.heads import to_request

_PAGE = 100
"""Contributors per page."""


def costs(target: Target, now: datetime, *, anonymous: bool, over_git: bool = False) -> list[Cost]:
    """Return the requests of a refresh of the claimed sources of a repository now."""
    if target.repo is None or Source.REPOSITORY not in target.claimed:
        return []
    if over_git:
        return [_statistics(anonymous=anonymous, over_git=True), *_over_git(target)]
    return [_statistics(anonymous=anonymous), *_details(target, now, anonymous=anonymous)]


def _over_git(target: Target) -> list[Cost]:
    """Return the costs of details whose commits are read over git."""
    listed = math.ceil(len(target.contributors.people) / _PAGE) if target.contributors is not None else 1
    commits = Cost((Source.COMMITS,), 1, "if the head has moved: the new commits over git, which spend no quota")
    people = Cost((Source.CONTRIBUTORS,), max(listed, 1), "if the head has moved: contributors, a hundred a page")
    return [commits, people]


def _statistics(*, anonymous: bool, over_git: bool = False) -> Cost:
    if anonymous and over_git:
        return Cost((Source.REPOSITORY,), 1, "without a token: the repository; its newest commit over git")
    if anonymous:
        return Cost((Source.REPOSITORY,), 2, "without a token: the repository and its newest commit")
    return Cost((Source.REPOSITORY,), 1, "one GraphQL query, which up to a hundred packages share")


def _details(target: Target, now: datetime, *, anonymous: bool) -> list[Cost]:
    """Return the open requests at the known head, and the cost of a new head."""
    due = tuple(source for source in DETAIL_SOURCES if to_request(target, source, now))
    pages = max(math.ceil(len(target.contributors.people) / _PAGE), 1) if target.contributors is not None else 1
    if anonymous:
        if due:
            requests = (Source.COMMITS in due) + pages * (Source.CONTRIBUTORS in due)
            return [Cost(due, requests, "participation, and contributors a hundred a page")]
        unmoved = "both describe the head: nothing is requested while it stays"
        moved = "if the head has moved: participation, and contributors a hundred a page"
        return [Cost(DETAIL_SOURCES, 0, unmoved), Cost(DETAIL_SOURCES, 1 + pages, moved)]
    found = []
    if due:
        found.append(Cost((Source.COMMITS,), 1, "the history of the head, in a GraphQL query that many packages share"))
    elif target.head_oid is not None:
        found.append(Cost(DETAIL_SOURCES, 0, "both describe the head: nothing is requested while it stays"))
        found.append(Cost(DETAIL_SOURCES, 1, "if the head has moved: its history, in a GraphQL query that many share"))
    if Source.CONTRIBUTORS in due and needs_list(target, now):
        found.append(Cost((Source.CONTRIBUTORS,), pages, "GitHub's list of contributors, a hundred a page"))
    return found
