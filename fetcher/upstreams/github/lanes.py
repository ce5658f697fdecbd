"""The lanes in which GitHub's sources are claimed: with a credential, and without one."""

from __future__ import annotations

from typing import Final

from fetcher.domain.model import DETAIL_SOURCES, Source
from fetcher.upstreams.base import PLANS_AHEAD, Lane
from fetcher.upstreams.github.limits import GITHUB, Resource, Route

GRAPHQL_LANE: Final = Lane(
    GITHUB,
    (Source.REPOSITORY,),
    Resource.GRAPHQL,
    100,
    100,
    look_ahead=1 / 8,
    seconds=2.0,
    routes=(Route.STATISTICS,),
)
"""A query for four repositories costs the same point as one for 100. A batch is therefore filled with packages due in
the next eighth of the interval. A request serves a full batch: with 50, every other plan cut one in two (58 points
where 55 are enough). The size of a query adapts to its response time (``batching.BatchSize``)."""

REST_LANE: Final = Lane(GITHUB, (Source.REPOSITORY,), Resource.CORE, 10, 0.5)
"""Without a token. A repository and its newest commit are two requests."""

HISTORY_LANE: Final = Lane(
    GITHUB, (Source.COMMITS,), Resource.GRAPHQL, 70, 70, share=1 / 7, seconds=2.0, routes=(Route.HISTORY,)
)
"""Heads that have moved: their histories bring commits and, derived, contributors. 70 of them cost one point.

A plan claims about 1,000. Lists follow in the queue, and GitHub's hour of REST begins with the first of them (measured
in a first pass of 5,500 with all histories claimed at once: after 11 minutes)."""

LISTS_LANE: Final = Lane(GITHUB, (Source.CONTRIBUTORS,), Resource.CORE, 50, 1, share=1 / PLANS_AHEAD)
"""GitHub's lists of contributors: the first, those that confirm an unsettled history, and the re-check.

A plan claims what the quota serves until the next one. A list claimed beyond that is deferred after its history was
requested, and requests it again (measured in a first pass of 5,500: 16,100 histories instead of 11,400)."""

GIT_REST_LANE: Final = Lane(GITHUB, (Source.REPOSITORY,), Resource.CORE, 10, 1)
"""Without a token, with heads over git. A repository is one request, which costs nothing if it has not changed."""

GIT_LANE: Final = Lane(GITHUB, (Source.COMMITS,), Resource.GIT, 20, 1)
"""Commits over git, one request a package with a moved head."""

GIT_LISTS_LANE: Final = Lane(GITHUB, (Source.CONTRIBUTORS,), Resource.CORE, 10, 1, behind=(Source.REPOSITORY,))
"""Without a token, lists of contributors take the requests that the repositories leave over."""

DETAILS_LANE: Final = Lane(GITHUB, DETAIL_SOURCES, Resource.CORE, 25, 0.5)
"""Without a token. Contributors and participation are two requests."""


def lanes_for(*, anonymous: bool, over_git: bool = False) -> tuple[Lane, ...]:
    """Return the lanes of a credential. Without one there is no GraphQL. Commits may be read over git."""
    if over_git:
        return (GIT_REST_LANE, GIT_LANE, GIT_LISTS_LANE) if anonymous else (GRAPHQL_LANE, GIT_LANE, LISTS_LANE)
    return (REST_LANE, DETAILS_LANE) if anonymous else (GRAPHQL_LANE, HISTORY_LANE, LISTS_LANE)
