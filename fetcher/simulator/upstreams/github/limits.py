"""GitHub's limits, counted exactly and per identity: primary quotas, points a minute, requests in flight, seconds.

Sources: "Rate limits for the REST API", "Best practices for using the REST API" and "Rate limits and node limits for
the GraphQL API" in GitHub's documentation. Nothing here reads a clock: each call has the argument ``now``.
"""

import math
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import cycle

ANONYMOUS = "address "
"""Prefix of the identity of a request without a token: its address follows."""


class Resource(StrEnum):
    """The quotas of GitHub that are simulated; the values are those of ``x-ratelimit-resource``."""

    CORE = "core"
    GRAPHQL = "graphql"


class Reason(StrEnum):
    """The limit that refused a request."""

    PRIMARY = "primary"
    IN_FLIGHT = "in flight"
    POINTS = "points a minute"
    SECONDS = "response seconds a minute"


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a secondary limit: GitHub uses either status, and states the seconds to wait or does not.

    GraphQL's may also have status 200: the message is then at the top level of the body.
    """

    status: int
    retry_after: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every limit, for a full hour; ``hour`` compresses the hour, the minute and the waits by the same factor."""

    hour: timedelta = timedelta(hours=1)
    core_per_hour: int = 5_000
    graphql_per_hour: int = 5_000
    anonymous_per_hour: int = 60
    rest_points_per_minute: int = 900
    graphql_points_per_minute: int = 2_000
    in_flight: int = 100
    seconds_per_minute: int = 90
    graphql_seconds_per_minute: int = 60
    notice: timedelta = timedelta(milliseconds=250)
    """A request within this time of a refusal was sent before it: it is refused, but does not count as repeated."""
    forms: tuple[Form, ...] = (Form(403, True), Form(429, True), Form(403, False), Form(429, False))
    graphql_forms: tuple[Form, ...] = (
        Form(403, True),
        Form(429, True),
        Form(403, False),
        Form(429, False),
        Form(200, True),
    )
    enforced: bool = True

    @property
    def minute(self) -> timedelta:
        return self.hour / 60

    def per_hour(self, resource: Resource, *, anonymous: bool) -> int:
        if anonymous:
            return self.anonymous_per_hour if resource is Resource.CORE else 0
        return self.core_per_hour if resource is Resource.CORE else self.graphql_per_hour

    def points(self, resource: Resource) -> int:
        return self.rest_points_per_minute if resource is Resource.CORE else self.graphql_points_per_minute


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal of a request, with the data of its response."""

    reason: Reason
    form: Form
    until: datetime
    again: bool = False
    """Sent during a wait: the identity had received the refusal already."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a primary quota, as in the ``x-ratelimit-*`` headers."""

    limit: int
    used: int
    reset: datetime

    @property
    def remaining(self) -> int:
        return self.limit - self.used


@dataclass(slots=True)
class _Sliding:
    """An exact sum over the last minute."""

    total: float = 0
    entries: deque[tuple[datetime, float]] = field(default_factory=deque)

    def add(self, now: datetime, amount: float) -> None:
        self.entries.append((now, amount))
        self.total += amount

    def since(self, start: datetime) -> float:
        while self.entries and self.entries[0][0] <= start:
            self.total -= self.entries.popleft()[1]
        return self.total


@dataclass(slots=True)
class _Wait:
    """The refusal that an identity received, with its time."""

    told: datetime
    refusal: Refusal


def _one_each() -> dict[Resource, _Sliding]:
    return {resource: _Sliding() for resource in Resource}


@dataclass(slots=True)
class _Account:
    """The use of one identity."""

    anonymous: bool
    in_flight: int = 0
    standing: dict[Resource, Standing] = field(default_factory=dict)
    points: dict[Resource, _Sliding] = field(default_factory=_one_each)
    seconds: dict[Resource, _Sliding] = field(default_factory=_one_each)
    waits: dict[Resource | None, _Wait] = field(default_factory=dict)
    """Primary quotas pause one resource, other limits pause all (None)."""


class Ledger:
    """The account of every identity; ``anonymous`` ones are addresses without a token."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._accounts: dict[str, _Account] = {}
        self._forms = {Resource.CORE: cycle(limits.forms), Resource.GRAPHQL: cycle(limits.graphql_forms)}

    def admit(self, identity: str, resource: Resource, points: int, now: datetime) -> Refusal | None:
        """Admit the request (return None; one :meth:`release` follows), or return its refusal.

        The points of the minute are spent here, those of the hour in :meth:`charge`. A refused request costs nothing.
        """
        account = self._account(identity)
        if self.limits.enforced:
            refusal = self._still_waiting(account, resource, now) or self._breach(account, resource, points, now)
            if refusal is not None:
                return refusal
        account.points[resource].add(now, points)
        account.in_flight += 1
        return None

    def release(self, identity: str, resource: Resource, took: timedelta, now: datetime) -> None:
        """Record a response sent after ``took``, which stands for the CPU seconds that GitHub counts."""
        account = self._account(identity)
        account.in_flight -= 1
        account.seconds[resource].add(now, took.total_seconds())

    def charge(self, identity: str, resource: Resource, cost: int, now: datetime) -> bool:
        """Take ``cost`` from the hour's quota; if less is left, take nothing and return False."""
        if not self.limits.enforced:
            return True
        standing = self.standing(identity, resource, now)
        if cost > standing.remaining:
            self._primary_refusal(self._account(identity), resource, standing, now)
            return False
        self._account(identity).standing[resource] = Standing(standing.limit, standing.used + cost, standing.reset)
        return True

    def standing(self, identity: str, resource: Resource, now: datetime) -> Standing:
        """Return the current quota: its hour starts at the first request after the last one ended."""
        account = self._account(identity)
        known = account.standing.get(resource)
        if known is None or now >= known.reset:
            limit = self.limits.per_hour(resource, anonymous=account.anonymous)
            known = account.standing[resource] = Standing(limit, 0, now + self.limits.hour)
        return known

    def set_remaining(self, identity: str, resource: Resource, remaining: int, now: datetime) -> None:
        """Set the rest of this hour's quota, as if another client had used the difference."""
        standing = self.standing(identity, resource, now)
        account, used = self._account(identity), standing.limit - remaining
        account.standing[resource] = Standing(standing.limit, used, standing.reset)
        account.waits.pop(resource, None)

    def told_to_wait(self, identity: str, refusal: Refusal, now: datetime) -> None:
        """Record a refusal sent by a fault: from now on it counts against the identity like any other."""
        self._account(identity).waits[None] = _Wait(now, refusal)

    def in_flight(self) -> int:
        return sum(account.in_flight for account in self._accounts.values())

    def _account(self, identity: str) -> _Account:
        account = self._accounts.get(identity)
        if account is None:
            account = self._accounts[identity] = _Account(anonymous=identity.startswith(ANONYMOUS))
        return account

    def _still_waiting(self, account: _Account, resource: Resource, now: datetime) -> Refusal | None:
        for scope in (None, resource):
            wait = account.waits.get(scope)
            if wait is None:
                continue
            if now >= wait.refusal.until:
                del account.waits[scope]
                continue
            on_its_way = now <= wait.told + self.limits.notice
            return replace(wait.refusal, again=not on_its_way)
        return None

    def _breach(self, account: _Account, resource: Resource, points: int, now: datetime) -> Refusal | None:
        reason = self._reason(account, resource, points, now)
        if reason is None:
            standing = account.standing.get(resource)
            if standing is None or now >= standing.reset or standing.remaining > 0:
                return None
            return self._primary_refusal(account, resource, standing, now)
        refusal = Refusal(reason, next(self._forms[resource]), now + self.limits.minute)
        account.waits[None] = _Wait(now, refusal)
        return refusal

    def _primary_refusal(self, account: _Account, resource: Resource, standing: Standing, now: datetime) -> Refusal:
        """Return the refusal for a used-up hour: the reset states the end of the wait, never ``retry-after``."""
        refusal = Refusal(Reason.PRIMARY, replace(next(self._forms[resource]), retry_after=False), standing.reset)
        account.waits[resource] = _Wait(now, refusal)
        return refusal

    def _reason(self, account: _Account, resource: Resource, points: int, now: datetime) -> Reason | None:
        """Return the secondary limit that one more request of so many points would exceed."""
        limits, start = self.limits, now - self.limits.minute
        compressed = limits.minute / timedelta(minutes=1)
        if account.in_flight >= limits.in_flight:
            return Reason.IN_FLIGHT
        if account.points[resource].since(start) + points > limits.points(resource):
            return Reason.POINTS
        seconds = {one: account.seconds[one].since(start) for one in Resource}
        if sum(seconds.values()) > limits.seconds_per_minute * compressed:
            return Reason.SECONDS
        graphql_seconds = limits.graphql_seconds_per_minute * compressed
        if resource is Resource.GRAPHQL and seconds[Resource.GRAPHQL] > graphql_seconds:
            return Reason.SECONDS
        return None


def whole_seconds(until: datetime, now: datetime) -> int:
    """Return the value of ``retry-after``: whole seconds, never fewer than are left, at least one."""
    return max(1, math.ceil((until - now).total_seconds()))
