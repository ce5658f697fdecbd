"""How long a pass takes and what it costs, on paper: a catalogue's size in, requests, points and hours out. Pure.

The figures are those that the engine itself goes by: the ledger's limits and pace, the batches, the cadence. What no
constant can tell, how repositories and answers are, is ``Catalogue`` and ``Answers``, with the defaults that the
benchmarks measured. ``benchmarks/plan.py`` and the tests hold all of this against a simulated run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta

from fetcher.domain.model import Purpose
from fetcher.domain.scheduling import Cadence
from fetcher.http.messages import Resource
from fetcher.quota.limits import DOCUMENTED, EffectiveLimits, Limits, affordable_at, effective_limits
from fetcher.refresh.dispatch import GRAPHQL_LANE
from fetcher.upstreams.github.batching import QUICK_SECONDS, BatchSize

MOVED = 0.05
RELEASED = 0.01

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What there is to refresh, and how much of it moves between two passes."""

    packages: int
    moved: float = MOVED
    """Share of the packages whose default branch has another head."""
    released: float = RELEASED
    """Share of the packages whose project has changed on the index."""
    newcomers: float = 0.2
    """Share of the moved ones where the comparison leaves the contributors open: a new author, or a tie."""
    further_pages: float = 0.02
    """Pages of contributors beyond the first, a list."""
    projects: float = 1.0
    """Share of the packages that have a project."""


@dataclass(frozen=True, slots=True)
class Answers:
    """How many seconds answers take. GraphQL's are what the size of batches adapts to."""

    graphql: float = QUICK_SECONDS
    rest: float = 0.5
    pypi: float = 0.2


@dataclass(frozen=True, slots=True)
class Workers:
    """What asks: processes, and how many requests each has under way at once."""

    processes: int
    repository_concurrency: int
    project_concurrency: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator sets."""

    cadence: Cadence = field(default_factory=Cadence)
    serial_threshold: int = 500
    identities: int = 1
    limits: Limits = DOCUMENTED


@dataclass(frozen=True, slots=True)
class Cost:
    """What a pass asks. A GraphQL query of a batch is one point, and so is a REST request."""

    graphql: int
    rest: int
    pypi: int


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit, and how long a pass takes if it were the only one."""

    name: str
    resource: Resource | None
    takes: timedelta


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over everything: what it costs, and how long each limit makes it."""

    name: str
    cost: Cost
    seconds: Answers
    """Of answering, in all."""
    bounds: tuple[Bound, ...]

    @property
    def binding(self) -> Bound:
        return max(self.bounds, key=lambda bound: bound.takes)

    @property
    def takes(self) -> timedelta:
        return self.binding.takes


def first_pass(of: Catalogue, policy: Policy, answers: Answers, workers: Workers, *, cold: bool) -> Pass:
    """Everything is asked for the first time, all of it due at once. ``cold``: GitHub has to compute its statistics."""
    projects = round(of.packages * of.projects)
    lists = of.packages * (2 + of.further_pages + cold)
    cost = Cost(
        graphql=math.ceil(of.packages / GRAPHQL_LANE.batch) + _growing() * workers.processes,
        rest=round(lists),
        pypi=2 * projects + _roots(projects, policy),  # the JSON API, and the status from the Simple API
    )
    return _pass("first pass" + (", cold statistics" if cold else ""), cost, policy, answers, workers)


def daily_pass(of: Catalogue, policy: Policy, answers: Answers, workers: Workers) -> Pass:
    """One interval of the steady state: what moved, and the part of the slow re-checks that falls into it."""
    projects = round(of.packages * of.projects)
    rechecked = policy.cadence.interval / policy.cadence.recheck
    lists = of.packages * (rechecked * (2 + of.further_pages) + of.moved * (1 + of.newcomers * (1 + of.further_pages)))
    asked = of.released if projects > policy.serial_threshold else 1.0
    cost = Cost(
        graphql=math.ceil(of.packages / _filled(of.packages)),
        rest=round(lists),
        pypi=round(projects * (asked + 2 * rechecked)) + _roots(projects, policy),
    )
    return _pass("a day" if policy.cadence.interval == _DAY else "an interval", cost, policy, answers, workers)


def most_packages(like: Catalogue, policy: Policy, answers: Answers, workers: Workers) -> int:
    """How large a catalogue like this one may grow before a daily pass takes longer than the interval."""
    fits, too_many = 0, 1
    while _fits(too_many, like, policy, answers, workers):
        fits, too_many = too_many, 2 * too_many
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _fits(middle, like, policy, answers, workers):
            fits = middle
        else:
            too_many = middle
    return fits


def _fits(packages: int, like: Catalogue, policy: Policy, answers: Answers, workers: Workers) -> bool:
    one = daily_pass(replace(like, packages=packages), policy, answers, workers)
    return one.takes <= policy.cadence.interval


def _roots(projects: int, policy: Policy) -> int:
    return int(projects > policy.serial_threshold)


def _growing() -> int:
    """Queries that a fresh process sends beyond the full ones, until its batches have grown."""
    size, more = BatchSize(), 0
    while size.size < GRAPHQL_LANE.batch:
        size.answered(size.size, 0)
        more += 1
    return more


def _filled(packages: int) -> float:
    """Return the repositories in a query of the steady state: those due within its look-ahead, at most a full batch."""
    return min(GRAPHQL_LANE.batch, max(1.0, packages * GRAPHQL_LANE.look_ahead))


def _pass(name: str, cost: Cost, policy: Policy, answers: Answers, workers: Workers) -> Pass:
    seconds = Answers(cost.graphql * answers.graphql, cost.rest * answers.rest, cost.pypi * answers.pypi)
    return Pass(
        name,
        cost,
        seconds,
        (*_github(cost, seconds, policy), *_index(cost, seconds, policy.limits), _busy(seconds, workers)),
    )


def _github(cost: Cost, seconds: Answers, policy: Policy) -> list[Bound]:
    each = policy.identities
    graphql, core = (
        effective_limits(policy.limits, resource, Purpose.BACKGROUND, "")
        for resource in (Resource.GRAPHQL, Resource.CORE)
    )
    asked = ((Resource.GRAPHQL, graphql, cost.graphql), (Resource.CORE, core, cost.rest))
    both = seconds.graphql + seconds.rest
    return [
        *(Bound("points an hour", resource, _hourly(points / each, own)) for resource, own, points in asked),
        *(
            Bound("points a minute", resource, _windows(points / each, own.points, own))
            for resource, own, points in asked
        ),
        Bound(
            "response seconds a minute",
            Resource.GRAPHQL,
            _windows(1000 * seconds.graphql / each, graphql.resource_ms, graphql),
        ),
        Bound("response seconds a minute, all of GitHub", None, _windows(1000 * both / each, core.total_ms, core)),
        Bound("requests in flight, all of GitHub", None, timedelta(seconds=both / each / core.in_flight)),
    ]


def _index(cost: Cost, seconds: Answers, limits: Limits) -> list[Bound]:
    """An index knows no identities: there is one quota, our own courtesy."""
    own = effective_limits(limits, Resource.PYPI, Purpose.BACKGROUND, "")
    return [
        Bound("requests a second", Resource.PYPI, _windows(cost.pypi, own.points, own)),
        Bound("requests in flight", Resource.PYPI, timedelta(seconds=seconds.pypi / own.in_flight)),
    ]


def _busy(seconds: Answers, workers: Workers) -> Bound:
    """A process has one batch in hand at a time: a query, or some repositories or projects concurrency."""
    waits = seconds.graphql + seconds.rest / workers.repository_concurrency + seconds.pypi / workers.project_concurrency
    return Bound("worker processes that wait for answers", None, timedelta(seconds=waits / workers.processes))


def _windows(amount: float, allowed: float, own: EffectiveLimits) -> timedelta:
    return timedelta(milliseconds=amount / allowed * own.window)


def _hourly(points: float, own: EffectiveLimits) -> timedelta:
    """Whole hours, each to the last point that the background takes, and as much of one more as its pace needs."""
    usable = own.primary * (1 - own.floor)
    hours = max(0, math.ceil(points / usable) - 1)
    left = own.primary - (points - hours * usable)
    last = affordable_at(math.floor(left), own.primary, own.hour, 0, own)
    return timedelta(milliseconds=hours * own.hour + min(max(last, 0), own.hour))
