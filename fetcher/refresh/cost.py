"""The cost of refreshing one package now, by the rules that choose its requests. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from fetcher.domain.model import DETAIL_SOURCES, Source, Target
from fetcher.domain.scheduling import Cadence
from fetcher.upstreams.github.change_detection import needs_list, to_request
from fetcher.upstreams.pypi.projects import is_status_due

_PAGE = 100
"""Contributors per page."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Number of requests for these sources."""

    sources: tuple[Source, ...]
    requests: int
    why: str


def costs(target: Target, now: datetime, cadence: Cadence, *, anonymous: bool) -> list[Cost]:
    """Return the requests of a refresh of all sources now, assuming the usual responses."""
    found = []
    if target.repo is not None and Source.GITHUB in target.claimed:
        found.append(_statistics(anonymous=anonymous))
        found += _details(target, now, anonymous=anonymous)
    if target.project is not None and Source.PYPI in target.claimed:
        found.append(_project(target, now, cadence))
    return found


def _statistics(*, anonymous: bool) -> Cost:
    if anonymous:
        return Cost((Source.GITHUB,), 2, "without a token: the repository and its newest commit")
    return Cost((Source.GITHUB,), 1, "one GraphQL query, which up to a hundred packages share")


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


def _project(target: Target, now: datetime, cadence: Cadence) -> Cost:
    if is_status_due(target.state(Source.PYPI), now, cadence):
        return Cost((Source.PYPI,), 2, "the JSON API, and the Simple API for the project's status")
    return Cost((Source.PYPI,), 1, "one conditional request to the JSON API")
