"""Quota policies of forges: one account for each host and identity, documented limits, careful defaults elsewhere.

GitLab, "Rate limits on GitLab.com": 500 requests a minute from an address, 2,000 with a token, and limits of their own
for git over HTTPS. Bitbucket, "API request limits": 60 requests an hour without an account, 1,000 with one, 60,000 git
operations. Codeberg, by its operators' words to users: 4,000 requests in 30 minutes, git included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from fetcher.quota import QuotaPolicy, ResourceLimits
from fetcher.upstreams.hosted import known
from fetcher.upstreams.hosted.base import ForgeHost


class Resource(StrEnum):
    """A quota bucket of a forge. Where a host counts all requests together, ``API`` is the only one."""

    API = "api"
    GIT = "git"


CAREFUL_PER_SECOND: Final = 1.0
"""Requests a second to a host without documented limits, one at a time."""

MOST_IN_FLIGHT: Final = 8
"""Most concurrent requests to one host, however many a second an operator allows."""

SLOW_BURST: Final = 8
"""Requests that follow each other below one request a second: a repository takes up to five, and it is begun again if
they do not fit into a window."""

_QUARTER: Final = 4
"""Divisor of Codeberg's limit. It is run by volunteers, and other users may share our address."""


def policy_of(host: ForgeHost) -> QuotaPolicy:
    """Return the quota policy of ``host``: documented or careful limits, at the operator's pace if one is set."""
    policy = _DOCUMENTED.get(host.host, _careful)(host)
    return policy if host.per_second is None else _at_pace(policy, host.per_second)


def git_resource(host: ForgeHost) -> Resource:
    """Return the resource that git requests spend: one of their own where the host counts them apart."""
    return Resource.GIT if policy_of(host).has(Resource.GIT) else Resource.API


def _at_pace(policy: QuotaPolicy, per_second: float) -> QuotaPolicy:
    """Return ``policy`` with an even pace for each resource. Limits of an hour stay.

    Below one request a second, the window is as long as ``SLOW_BURST`` requests take at that pace.
    """
    points = math.floor(per_second) if per_second >= 1 else SLOW_BURST
    return replace(
        policy,
        resources=tuple(replace(one, points=points) for one in policy.resources),
        window=timedelta(seconds=points / per_second),
        in_flight=min(MOST_IN_FLIGHT, max(1, math.floor(per_second))),
        headroom=1.0,
        background=1.0,
    )


def _careful(host: ForgeHost) -> QuotaPolicy:
    return _at_pace(QuotaPolicy((ResourceLimits(Resource.API, points=1),)), CAREFUL_PER_SECOND)


def _codeberg(host: ForgeHost) -> QuotaPolicy:
    """Return a quarter of 4,000 requests in any 30 minutes, git included, at most one a second, two at a time.

    The window is shorter than the time between two plans, so that each plan finds it empty. The background leaves a
    fifth, so that a package refreshed by hand need not wait.
    """
    return QuotaPolicy(
        (ResourceLimits(Resource.API, points=45, rolling=4_000 // _QUARTER),),
        hour=timedelta(minutes=30),
        window=timedelta(seconds=45),
        in_flight=2,
        headroom=1.0,
        background=0.8,
    )


def _gitlab_com(host: ForgeHost) -> QuotaPolicy:
    """Return the limits of gitlab.com. The background uses a quarter: users of our network share the address."""
    return QuotaPolicy(
        (
            ResourceLimits(Resource.API, points=2_000 if host.token else 500),
            ResourceLimits(Resource.GIT, points=1_200),  # of 10,000 to 15,000
        ),
        in_flight=6,
        headroom=0.5,
        background=0.25,
    )


def _bitbucket(host: ForgeHost) -> QuotaPolicy:
    """Return the limits of Bitbucket Cloud: hourly for the API, a minute's part of the hour's for git.

    Its hour rolls, and no header reports the rest, so the ledger counts the requests of every hour itself.
    """
    return QuotaPolicy(
        (
            ResourceLimits(Resource.API, points=60, rolling=1_000 if host.token else 60),
            ResourceLimits(Resource.GIT, points=240),  # of 1,000
        ),
        in_flight=4,
        background=0.5,
    )


_DOCUMENTED: Final[dict[str, Callable[[ForgeHost], QuotaPolicy]]] = {
    known.CODEBERG: _codeberg,
    known.GITLAB_COM: _gitlab_com,
    known.BITBUCKET: _bitbucket,
}
