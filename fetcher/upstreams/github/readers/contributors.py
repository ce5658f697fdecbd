"""Readers of contributors and participation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import TypeAdapter

from fetcher.domain.model import WEEKS_SHOWN, Contribution
from fetcher.domain.outcome import Fetched, Malformed, NonValue
from fetcher.http.messages import Answer, Response
from fetcher.http.shapes import parse
from fetcher.upstreams.github.readers.classify import classify
from fetcher.upstreams.github.readers.shapes import Participation, RestContributor

_CONTRIBUTORS = TypeAdapter(list[RestContributor])
_PARTICIPATION = TypeAdapter(Participation)
_NEXT = re.compile(r"<[^<>]*[?&]page=(\d{1,9})(?:[&#][^<>]*)?>\s*;[^,]*rel=\"?next\"?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ContributorsPage:
    """One page of contributors with a login, and the number of the next page, if any."""

    people: tuple[Contribution, ...]
    next_page: int | None


def read_contributors(answer: Answer) -> Fetched[ContributorsPage] | NonValue:
    """Read one page. An empty repository has status 204 without a body."""
    if isinstance(answer, Response) and answer.status == 204:
        return Fetched(ContributorsPage((), None))
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    entries = parse(_CONTRIBUTORS, response.body, "contributors")
    if isinstance(entries, Malformed):
        return entries
    people = tuple(Contribution(e.login, e.contributions) for e in entries if e.login)
    found = _NEXT.search(response.headers.get("link", ""))
    return Fetched(ContributorsPage(people, int(found.group(1)) if found else None))


def read_participation(answer: Answer) -> Fetched[tuple[int, ...]] | NonValue:
    """Read the 52 rolling weeks, oldest first. An empty repository has no list and therefore 52 zeros."""
    response = classify(answer)
    if not isinstance(response, Response):
        return response
    parsed = parse(_PARTICIPATION, response.body, "participation")
    if isinstance(parsed, Malformed):
        return parsed
    weeks = parsed.all or [0] * WEEKS_SHOWN
    if len(weeks) != WEEKS_SHOWN:
        return Malformed(f"participation: expected {WEEKS_SHOWN} weeks, got {len(weeks)}")
    return Fetched(tuple(weeks))
