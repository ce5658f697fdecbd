"""What the upstreams allow, and how the ledger spreads it: constants and arithmetic, no state, no input or output.

Sources: GitHub's "Rate limits for the REST API" (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api),
its "Rate limits and query limits for the GraphQL API" and "Best practices for using the REST API". Inside the ledger
every time and span is a whole number of milliseconds: Python and Lua then compute the very same figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from fetcher.model import Purpose
from fetcher.wire import Resource

ANONYMOUS: Final = "anonymous"
"""An identity that begins so has no credential."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_TICKS: Final = 120
"""Into how many steps a sliding window is cut: bounds its memory; a step leaves whole, so never too early."""
_SAME_CLOCK: Final = 10
"""A reset that lies more than this part of the window before the request was sent was told by another clock."""
_GITHUB_FADE, _PYPI_FADE = 1, 10
"""GitHub bills the seconds that answers take: better to expect too much. PyPI does not, and one answer that hung for 30
seconds would have plans hold back for the next few hundred."""
_UNSCALED: Final = frozenset({"skew", "outage", "longest_pause"})
"""What belongs to our machines, not to the upstream's hour."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit of the upstreams and every choice of pace. Figures of the upstreams are as documented."""

    primary: int = 5_000
    """Points an hour of REST, and as many of GraphQL, assumed until a header tells (an App may have 12,500)."""
    anonymous_primary: int = 60
    """Requests an hour without a credential; GraphQL needs one ("Primary rate limit for unauthenticated users")."""
    hour: timedelta = timedelta(hours=1)
    rest_points: int = 900
    """Points a minute for REST; a GET is one, also when it answers 304 ("About secondary rate limits")."""
    graphql_points: int = 2_000
    """Points a minute for GraphQL; a query is one whatever its primary cost ("About secondary rate limits")."""
    minute: timedelta = timedelta(seconds=60)
    in_flight: int = 100
    """Concurrent requests, REST and GraphQL together ("About secondary rate limits")."""
    seconds: float = 90.0
    """CPU seconds in 60 s of real time, estimated by response time ("About secondary rate limits")."""
    graphql_seconds: float = 60.0
    """Of those, at most so many for GraphQL."""
    pypi_in_flight: int = 10
    """Our own courtesy: PyPI names no figure but asks for few connections (its API page)."""
    pypi_points: int = 20
    """Our own courtesy: requests in ``pypi_span``."""
    pypi_span: timedelta = timedelta(seconds=1)

    reserved: float = 0.10
    """Share of the primary quota that the background leaves to people; it shrinks evenly to ``floor`` by the reset."""
    floor: float = 0.01
    """What the background never takes: repeats inside the transport are spent before they are billed."""
    burst: float = 0.10
    """Share that may go at once when a window opens; the rest is spread evenly to its reset."""
    headroom: float = 0.95
    """People's part of points a minute and of requests in flight: other programs may share the identity."""
    background: float = 0.90
    """The background's part of the same, so that a person always finds a place."""
    seconds_headroom: float = 0.99
    """People's part of the response seconds; what we measure contains the network and so overstates already."""
    background_seconds: float = 0.95
    """The background's part of the same."""
    gust: timedelta = timedelta(seconds=10)
    gust_share: float = 1 / 3
    """Of a minute's response seconds the background takes at most this share in ``gust``: a whole minute's worth at
    once would leave people waiting for it to pass, and go out before it is known how long answers take."""

    pause: timedelta = timedelta(seconds=60)
    """"Wait for at least one minute", then longer each time ("Exceeding the rate limit")."""
    pause_cap: timedelta = timedelta(hours=1)
    longest_pause: timedelta = timedelta(days=1)
    """A longer ``retry-after`` is taken for a mistake: the ledger asks again after a day."""
    hold: timedelta = timedelta(seconds=150)
    """A grant never settled ends then (Celery's hard time limit) and counts as spent."""
    patience: timedelta = timedelta(seconds=30)
    """A probe that is silent so long is given up, and another goes."""
    soon: timedelta = timedelta(seconds=1)
    """When to ask again where only an answer still in flight can tell more."""
    outage: timedelta = timedelta(seconds=2)
    """When to ask again where the ledger itself does not answer."""
    grace: timedelta = timedelta(seconds=2)
    """Added to every moment an upstream names: its clock is not ours."""
    jitter: timedelta = timedelta(seconds=5)
    """Resets this near to each other are of the same window."""
    skew: timedelta = timedelta(seconds=5)
    """Workers' clocks may differ by less than this; what is more is a clock that was set back."""

    def scaled(self, factor: float) -> Limits:
        """The same limits in compressed time: with 1/60 an hour lasts a minute, and so do all windows and pauses."""
        scaled: dict[str, Any] = {
            field.name: getattr(self, field.name) * factor
            for field in fields(self)
            if isinstance(getattr(self, field.name), timedelta) and field.name not in _UNSCALED
        }
        seconds, graphql_seconds = self.seconds * factor, self.graphql_seconds * factor
        return replace(self, **scaled, seconds=seconds, graphql_seconds=graphql_seconds)


DOCUMENTED: Final = Limits()
"""The limits as the upstreams document them, in real time."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The limits as they stand for one kind of ask, in whole numbers and milliseconds. 0 is "no such limit"."""

    resource: str
    background: bool
    barred: bool
    primary: int
    hour: int
    minute: int
    burst: float
    reserved: float
    floor: float
    points: int
    span: int
    tick: int
    in_flight: int
    own_ms: int
    all_ms: int
    gust_ms: int
    gust: int
    most_ms: int
    """No single request is expected to take longer, or one slow answer would shut the ledger."""
    fade: int
    """By so many parts of a hundred the slowest of late is forgotten with each answer."""
    pause: int
    pause_cap: int
    hold: int
    patience: int
    soon: int
    grace: int
    jitter: int
    skew: int
    other_clock: int


def to_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    return _EPOCH + ms * _MS


def span_ms(span: timedelta) -> int:
    return span // _MS


def seconds_ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def account_name(identity: str, resource: Resource) -> str:
    """REST and GraphQL of an identity share an account; PyPI's pauses are no business of GitHub's."""
    return f"{{{identity}}}:{'pypi' if resource is Resource.PYPI else 'github'}"


def account_names(identity: str) -> tuple[str, ...]:
    """The names of every account that ``identity`` may have."""
    return tuple({account_name(identity, resource): None for resource in Resource})


def identity_of(account: str) -> str:
    """Whose account it is: the inverse of ``account_name``."""
    return account[1 : account.rindex("}")]


@lru_cache(maxsize=256)
def terms(limits: Limits, resource: Resource, purpose: Purpose, identity: str) -> Terms:
    """What holds when ``identity`` asks for ``resource`` on behalf of ``purpose``."""
    anonymous = identity.startswith(ANONYMOUS)
    background = purpose is Purpose.BACKGROUND
    share, time_share = limits.headroom, limits.seconds_headroom
    if background:
        share, time_share = limits.background, limits.background_seconds
    if resource is Resource.PYPI:
        share = limits.background if background else 1.0
        points, span, in_flight = limits.pypi_points, limits.pypi_span, limits.pypi_in_flight
        own, every = 0.0, 0.0
    else:
        graphql = resource is Resource.GRAPHQL
        points, span, in_flight = limits.rest_points, limits.minute, limits.in_flight
        own, every = 0.0, limits.seconds * time_share
        if graphql:
            points, own = limits.graphql_points, limits.graphql_seconds * time_share
    primary = limits.anonymous_primary if anonymous else limits.primary
    return Terms(
        resource=resource.value,
        background=background,
        barred=anonymous and resource is Resource.GRAPHQL,
        primary=0 if resource is Resource.PYPI else primary,
        burst=limits.burst,
        reserved=limits.reserved,
        floor=limits.floor,
        points=_part(points, share),
        span=span_ms(span),
        tick=max(1, span_ms(span) // _TICKS),
        in_flight=_part(in_flight, share),
        own_ms=int(own * 1000),
        all_ms=int(every * 1000),
        gust_ms=int(every * 1000 * limits.gust_share) if background else 0,
        most_ms=int((own or every) * 1000 / 4),
        fade=_PYPI_FADE if resource is Resource.PYPI else _GITHUB_FADE,
        other_clock=span_ms(limits.hour) // _SAME_CLOCK,
        **_spans(limits),
    )


def _spans(limits: Limits) -> dict[str, int]:
    names = ("hour", "minute", "pause", "pause_cap", "hold", "patience", "gust", "soon", "grace", "jitter", "skew")
    return {name: span_ms(getattr(limits, name)) for name in names}


def _part(whole: int, share: float) -> int:
    """A share in whole pieces, at least one; the addend forgives 0.95's binary tail."""
    return max(1, math.floor(whole * share + 1e-9))


def affordable_at(left: int, limit: int, reset: int, now: int, terms: Terms) -> int:
    """From when on the primary quota bears a request after which ``left`` of ``limit`` points are left.

    People may take the last point. For the background, with ``f`` the elapsed part of the window: used points stay
    under ``limit * (burst + (1 - burst) * f)``, so that work spreads to the reset instead of burst and stall, and
    ``limit * max(reserved * (1 - f), floor)`` stay for people.
    """
    if left < 0 or (terms.background and left < limit * terms.floor):
        return reset + terms.grace
    if not terms.background:
        return now
    share = left / limit
    elapsed = max(0.0, (1 - share - terms.burst) / (1 - terms.burst), 1 - share / terms.reserved)
    return math.ceil(reset - terms.hour + elapsed * terms.hour) if elapsed > 0 else now


def backoff(failures: int, terms: Terms) -> int:
    """How long to pause after so many throttlings that named no end: doubling from a minute to an hour."""
    return int(min(terms.pause * 2 ** (min(failures, 20) - 1), terms.pause_cap))
