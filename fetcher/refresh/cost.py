"""What refreshing one package would cost now, by the rules that decide what is asked. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from fetcher.gate import AskWhole, Compare, question
from fetcher.model import DETAIL_SOURCES, Source, Target
from fetcher.planner import Cadence
from fetcher.refresh.projects import is_status_due

_ANOTHER_HEAD = "another head"
_PAGE = 100
"""Contributors a page."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests that asking these sources takes."""

    sources: tuple[Source, ...]
    requests: int
    why: str


def costs(target: Target, now: datetime, cadence: Cadence, *, anonymous: bool) -> list[Cost]:
    """What a refresh of all sources would ask now; what answers it could get is not known, so the usual ones count."""
    found = []
    if target.repo is not None and Source.GITHUB in target.claimed:
        found.append(_statistics(anonymous=anonymous))
        found += _details(target, now)
    if target.project is not None and Source.PYPI in target.claimed:
        found.append(_project(target, now, cadence))
    return found


def _statistics(*, anonymous: bool) -> Cost:
    if anonymous:
        return Cost((Source.GITHUB,), 2, "without a token: the repository and its newest commit")
    return Cost((Source.GITHUB,), 1, "one GraphQL point, which up to a hundred packages share")


def _details(target: Target, now: datetime) -> list[Cost]:
    """What is open of the head that is known, and what a new head would cost."""
    found = []
    open_now = question(target, now)
    if open_now.sources:
        found.append(_asking(target, open_now, ""))
    elif target.head_oid is not None:
        found.append(Cost(DETAIL_SOURCES, 0, "both are of the head: nothing is asked while it stays"))
    moved = replace(target, head_oid=_ANOTHER_HEAD)
    if not open_now.sources:
        found.append(_asking(moved, question(moved, now), "if the head has moved: "))
    return found


def _asking(target: Target, what: Compare | AskWhole, when: str) -> Cost:
    if isinstance(what, Compare):
        return Cost(what.sources, 1, f"{when}one comparison since {what.base[:10]}, if all can be derived from it")
    pages = 0
    if Source.CONTRIBUTORS in what.sources:
        people = len(target.contributors.people) if target.contributors is not None else 0
        pages = max(math.ceil(people / _PAGE), 1)
    days = 1 if Source.COMMITS in what.sources else 0
    return Cost(what.sources, pages + days, f"{when}asked whole, contributors a hundred a page")


def _project(target: Target, now: datetime, cadence: Cadence) -> Cost:
    if is_status_due(target.state(Source.PYPI), now, cadence):
        return Cost((Source.PYPI,), 2, "the JSON API, and the Simple API for the project's status")
    return Cost((Source.PYPI,), 1, "one conditional request to the JSON API")
