"""GitHub's name, resources, routes and quota policy.

Sources: "Rate limits for the REST API" (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api), "Rate
limits and query limits for the GraphQL API" and "Best practices for using the REST API".
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

from fetcher.quota import QuotaPolicy, ResourceLimits

GITHUB: Final = "github"
"""Name of the upstream."""


class Resource(StrEnum):
    """A quota bucket. GitHub counts REST ("core") and GraphQL apart. Git's requests spend neither."""

    CORE = "core"
    GRAPHQL = "graphql"
    GIT = "git"


class Route(StrEnum):
    """Kind of a request."""

    STATISTICS = "statistics"
    VIEWER = "viewer"
    REPOSITORY = "repository"
    NEWEST_COMMIT = "newest_commit"
    CONTRIBUTORS = "contributors"
    HISTORY = "history"
    PARTICIPATION = "participation"
    RATE_LIMIT = "rate_limit"


REST: Final = ResourceLimits(
    Resource.CORE,
    points=900,  # a minute; a GET costs one, also when it returns 304 ("About secondary rate limits")
    primary=5_000,  # an hour, until a response reports the quota (an App may have 12,500)
    anonymous_primary=60,  # an hour ("Primary rate limit for unauthenticated users")
)
GRAPHQL: Final = ResourceLimits(
    Resource.GRAPHQL,
    points=2_000,  # a minute; a query costs one, whatever its primary cost ("About secondary rate limits")
    primary=5_000,
    anonymous_primary=60,
    seconds=60.0,  # part of the policy's seconds that GraphQL may use
    credential_required=True,
)
CLONES: Final = ResourceLimits(
    Resource.GIT,
    points=120,  # a minute, our own pace: GitHub documents no limit for git, and slows down where it burdens others
    in_flight=3,  # of them two for the background
)
POLICY: Final = QuotaPolicy(
    (REST, GRAPHQL, CLONES),
    in_flight=100,  # REST and GraphQL together ("About secondary rate limits")
    seconds=90.0,  # CPU seconds in 60 s of real time, estimated by response time ("About secondary rate limits")
    latency_decay=1,
)
"""The documented limits in real time."""


def with_primary(points: int) -> QuotaPolicy:
    """Return the policy of an identity with ``points`` an hour of each resource."""
    return replace(POLICY, resources=tuple(replace(one, primary=points) for one in POLICY.resources))
