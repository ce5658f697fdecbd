"""The cost and duration of a pass: a catalogue's size in, requests, points and hours out. Pure.

The constants are the product's own: the ledger's limits and rate, the lanes and their batches, the cadence. Other
values are in ``Catalogue`` and ``Answers``, with defaults. ``benchmarks/plan.py`` and the tests compare the result with
a simulated run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from fetcher.domain.model import Purpose
from fetcher.domain.scheduling import Cadence
from fetcher.domain.sweeping import SweepPlan
from fetcher.quota.limits import EffectiveLimits, QuotaPolicy, affordable_at, effective_limits
from fetcher.refresh.sweep_planning import Account, Terms, plan_sweep
from fetcher.upstreams.base import Lane
from fetcher.upstreams.batching import QUICK_SECONDS, BatchSize
from fetcher.upstreams.github import limits as github
from fetcher.upstreams.github.histories import FIRST_SIZE, HEADS_PER_QUERY
from fetcher.upstreams.github.lanes import GRAPHQL_LANE, HISTORY_LANE, LISTS_LANE, lanes_for
from fetcher.upstreams.github.limits import Resource
from fetcher.upstreams.github.queries import PAGE_SIZE
from fetcher.upstreams.pypi import limits as pypi
from fetcher.upstreams.pypi.limits import PYPI

IDLE_SHARES = (0.05, 0.1, 0.15, 0.2, 0.2, 0.3)
"""Shares of the packages without activity within a day: within 4, 16, 64, 256 and 1,024 days, and longer."""
MOVED = 0.05
RELEASED = 0.01
NEWCOMERS = 0.2
COMMIT_PAGES = 0.25
"""Pages of commits beyond the first, a history: two packages in five have commits in the year, log-normally
distributed with a median of 10 and a 90th percentile of 150, as the simulator invents them."""
MOVED_COMMIT_PAGES = 4.0
"""The same of a package that moves, by the same spread: the more commits a year, the more often it does."""
HISTORIES = HEADS_PER_QUERY
"""Histories per query. GitHub publishes no response time for them; the batch size adapts to it."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONNECTIONS_A_POINT = 100
"""GraphQL's primary cost: connection requests divided by this and rounded, at least one."""
_HEAD_CONNECTIONS = 2
"""A head's number of commits, and the first page of its history."""
_PAGE_CONNECTIONS = 1


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The size of a catalogue, and the share that changes between two passes."""

    packages: int
    moved: float = MOVED
    """Share of the packages whose default branch has another head."""
    released: float = RELEASED
    """Share of the packages whose project has changed on the index."""
    newcomers: float = NEWCOMERS
    """Share of the moved packages whose list confirms the history: a new author, a tie, a forced push."""
    further_pages: float = 0.02
    """Pages of contributors beyond the first, per list."""
    commit_pages: float = COMMIT_PAGES
    """Pages of a year's commits beyond the first, per history of any package."""
    moved_commit_pages: float = MOVED_COMMIT_PAGES
    """Pages of a year's commits beyond the first, per history of a moved package."""
    merges: bool = True
    """True if merges count. Otherwise each commit's parents are requested, at one connection per commit."""
    projects: float = 1.0
    """Share of the packages that have a project."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Response times in seconds. The size of GraphQL's batches adapts to them; ``histories`` is the resulting size."""

    graphql: float = QUICK_SECONDS
    rest: float = 0.5
    pypi: float = 0.2
    histories: int = HISTORIES
    """Histories, or further pages, per query."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Worker processes, and the concurrent requests of each."""

    processes: int
    repository_concurrency: int
    project_concurrency: int


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's settings."""

    cadence: Cadence = field(default_factory=Cadence)
    serial_threshold: int = 500
    plan_interval: timedelta = timedelta(minutes=1)
    identities: int = 1
    share: float | None = None
    """Share of each quota for computed intervals of statistics; ``None``: the cadence's interval."""
    github: QuotaPolicy = github.POLICY
    pypi: QuotaPolicy = pypi.POLICY


@dataclass(frozen=True, slots=True)
class Cost:
    """The requests of a pass. ``graphql`` is in points; a REST request is one point."""

    graphql: int
    queries: int
    rest: int
    pypi: int


@dataclass(frozen=True, slots=True)
class Seconds:
    """Total response seconds of a pass."""

    graphql: float
    rest: float
    pypi: float


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit, and the duration of a pass under this limit alone."""

    name: str
    resource: str | None
    takes: timedelta


@dataclass(frozen=True, slots=True)
class Pass:
    """A full pass: its cost, and its duration under each limit."""

    name: str
    cost: Cost
    seconds: Seconds
    bounds: tuple[Bound, ...]

    @property
    def binding(self) -> Bound:
        return max(self.bounds, key=lambda bound: bound.takes)

    @property
    def takes(self) -> timedelta:
        return self.binding.takes


def first_pass(of: Catalogue, policy: Policy, answers: Answers, workers: Workers) -> Pass:
    """Return the first pass, in which all sources are due at once.

    The history of a head is requested twice: with all its pages for the commits, and with the list of contributors.
    """
    projects = round(of.packages * of.projects)
    growing = workers.processes * (_growing(BatchSize()) + _growing(BatchSize(FIRST_SIZE), answers.histories))
    queries = [
        _Queries(growing, growing),
        _statistics(of.packages, GRAPHQL_LANE.batch),
        _histories(HISTORY_LANE, of.packages, 1, of.packages * of.commit_pages, of, answers),
        _histories(LISTS_LANE, of.packages, 1, 0, of, answers),
    ]
    rest = of.packages * (1 + of.further_pages)
    index = 2 * projects + _roots(projects, policy)  # the JSON API, and the status from the Simple API
    return _pass("first pass", _cost(queries, rest, index), policy, answers, workers)


def intervals(of: Catalogue, policy: Policy) -> SweepPlan | None:
    """Return the intervals of statistics at GitHub that the product would compute; ``None`` for a fixed interval."""
    if policy.share is None:
        return None
    active = round(of.packages * of.moved)
    packages = [active, *(round((of.packages - active) * share) for share in IDLE_SHARES)]
    lanes = lanes_for(anonymous=False)
    resources = tuple(
        replace(one, primary=one.primary * policy.identities, seconds=one.seconds * policy.identities)
        for one in policy.github.resources
    )
    limits = replace(policy.github, resources=resources, seconds=policy.github.seconds * policy.identities)
    terms = Terms(policy.share, policy.plan_interval)
    return plan_sweep(Account(github.GITHUB, lanes, limits, ""), packages, (), terms, None, _EPOCH)


def daily_pass(of: Catalogue, policy: Policy, answers: Answers, workers: Workers, *, at_once: bool = False) -> Pass:
    """Return one interval of the steady state: moved packages, and the slow re-checks within the interval.

    Packages come due evenly over the interval, and each dispatch claims the due ones. ``at_once``: all of them are due
    at one time, as after an outage, so that batches are full.
    """
    projects = round(of.packages * of.projects)
    share = policy.cadence.interval / policy.cadence.recheck
    moved, rechecked = of.packages * of.moved, of.packages * share
    confirmed = moved * of.newcomers
    plans = 1.0 if at_once else policy.cadence.interval / policy.plan_interval
    statistics = _statistics(of.packages, GRAPHQL_LANE.batch if at_once else _filled(of.packages))
    if not at_once and (plan := intervals(of, policy)) is not None:
        statistics = _sweeps(plan, policy)
    found = min(plans, statistics.queries, moved)
    pages = moved * of.moved_commit_pages + rechecked * of.commit_pages
    queries = [
        statistics,
        _histories(HISTORY_LANE, moved + rechecked, _either(plans, found, rechecked), pages, of, answers),
        _histories(LISTS_LANE, confirmed + rechecked, _either(plans, min(found, confirmed), rechecked), 0, of, answers),
    ]
    requested = of.released if projects > policy.serial_threshold else 1.0
    rest = (confirmed + rechecked) * (1 + of.further_pages)
    cost = _cost(queries, rest, round(projects * (requested + 2 * share)) + _roots(projects, policy))
    return _pass("a day" if policy.cadence.interval == _DAY else "an interval", cost, policy, answers, workers)


def most_packages(like: Catalogue, policy: Policy, answers: Answers, workers: Workers) -> int:
    """Return the largest size of such a catalogue whose daily pass fits into the interval."""
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


def _growing(size: BatchSize, full: int = GRAPHQL_LANE.batch) -> int:
    """Return the extra queries of a new process until its batches have grown."""
    more = 0
    while size.size < full:
        size.answered(size.size, 0)
        more += 1
    return more


@dataclass(frozen=True, slots=True)
class _Queries:
    """GraphQL queries and their points. Both are averages, not integers."""

    queries: float
    points: float


def _cost(queries: Sequence[_Queries], rest: float, index: int) -> Cost:
    points, number = sum(one.points for one in queries), sum(one.queries for one in queries)
    return Cost(round(points), round(number), round(rest), index)


def _statistics(packages: int, filled: float) -> _Queries:
    number = math.ceil(packages / filled)
    return _Queries(number, number)


def _sweeps(plan: SweepPlan, policy: Policy) -> _Queries:
    """Return the queries for statistics in an interval of the cadence: full ones, and the last one of each plan."""
    full = plan.sweep.rate(plan.packages) / GRAPHQL_LANE.batch * (policy.cadence.interval / _HOUR)
    number = full + min(full, policy.cadence.interval / policy.plan_interval)
    return _Queries(number, number)


def _histories(lane: Lane, items: float, occasions: float, pages: float, of: Catalogue, answers: Answers) -> _Queries:
    """Return the queries for ``items`` histories and ``pages`` further pages, due on ``occasions`` occasions.

    On each occasion the lane claims the due packages, in batches. A batch sends its heads, then all its further pages.
    Each of the two takes an integer number of queries.
    """
    if not items or not occasions:
        return _Queries(0, 0)
    batch = min(max(items / occasions, 1.0), lane.batch)
    claims = items / batch
    parents = 0 if of.merges else PAGE_SIZE
    heads = _batched(batch, _HEAD_CONNECTIONS + parents, answers.histories)
    further = _batched(pages / claims, _PAGE_CONNECTIONS + parents, answers.histories)
    return _Queries(claims * (heads.queries + further.queries), claims * (heads.points + further.points))


def _batched(items: float, connections: int, size: int) -> _Queries:
    """Return the queries of one batch: ``items`` of ``connections`` connections each, ``size`` in a query.

    Less than one item on average is the probability of a query for one.
    """
    full, rest = divmod(items, size)
    last, chance = max(rest, 1.0), min(rest, 1.0)
    points = full * _points(size * connections) + chance * _points(last * connections)
    return _Queries(full + chance, points)


def _points(connections: float) -> int:
    return max(1, math.floor(connections / _CONNECTIONS_A_POINT + 0.5))


def _either(plans: float, some: float, others: float) -> float:
    """Return how many of ``plans`` have due packages, of two kinds that come due independently."""
    return plans * (1 - (1 - min(some / plans, 1)) * (1 - min(others / plans, 1)))


def _filled(packages: int) -> float:
    """Return the repositories per query of the steady state: those due within its look-ahead, at most a full batch."""
    return min(GRAPHQL_LANE.batch, max(1.0, packages * GRAPHQL_LANE.look_ahead))


def _pass(name: str, cost: Cost, policy: Policy, answers: Answers, workers: Workers) -> Pass:
    seconds = Seconds(cost.queries * answers.graphql, cost.rest * answers.rest, cost.pypi * answers.pypi)
    return Pass(
        name,
        cost,
        seconds,
        (*_github(cost, seconds, policy), *_index(cost, seconds, policy.pypi), _busy(seconds, workers)),
    )


def _github(cost: Cost, seconds: Seconds, policy: Policy) -> list[Bound]:
    each = policy.identities
    graphql, core = (
        effective_limits(policy.github, resource, Purpose.BACKGROUND, "")
        for resource in (Resource.GRAPHQL, Resource.CORE)
    )
    hourly = ((Resource.GRAPHQL, graphql, cost.graphql), (Resource.CORE, core, cost.rest))
    by_minute = ((Resource.GRAPHQL, graphql, cost.queries), (Resource.CORE, core, cost.rest))
    both = seconds.graphql + seconds.rest
    return [
        *(Bound("points an hour", resource, _hourly(points / each, own)) for resource, own, points in hourly),
        *(
            Bound("points a minute", resource, _windows(points / each, own.points, own))
            for resource, own, points in by_minute
        ),
        Bound(
            "response seconds a minute",
            Resource.GRAPHQL,
            _windows(1000 * seconds.graphql / each, graphql.resource_ms, graphql),
        ),
        Bound("response seconds a minute, all of GitHub", None, _windows(1000 * both / each, core.total_ms, core)),
        Bound("requests in flight, all of GitHub", None, timedelta(seconds=both / each / core.in_flight)),
    ]


def _index(cost: Cost, seconds: Seconds, policy: QuotaPolicy) -> list[Bound]:
    """Return the limits of an index, which has a single quota set by Fetcher itself."""
    own = effective_limits(policy, PYPI, Purpose.BACKGROUND, "")
    return [
        Bound("requests a second", PYPI, _windows(cost.pypi, own.points, own)),
        Bound("requests in flight", PYPI, timedelta(seconds=seconds.pypi / own.in_flight)),
    ]


def _busy(seconds: Seconds, workers: Workers) -> Bound:
    """Return the limit of the processes. Each handles one batch at a time: a query, or several repositories or
    projects.
    """
    waits = seconds.graphql + seconds.rest / workers.repository_concurrency + seconds.pypi / workers.project_concurrency
    return Bound("worker processes that wait for answers", None, timedelta(seconds=waits / workers.processes))


def _windows(amount: float, allowed: float, own: EffectiveLimits) -> timedelta:
    return timedelta(milliseconds=amount / allowed * own.window)


def _hourly(points: float, own: EffectiveLimits) -> timedelta:
    """Return full hours, each up to the background's last point, and the part of one more that its rate needs."""
    usable = own.primary * (1 - own.floor)
    hours = max(0, math.ceil(points / usable) - 1)
    left = own.primary - (points - hours * usable)
    last = affordable_at(math.floor(left), own.primary, own.hour, 0, own)
    return timedelta(milliseconds=hours * own.hour + min(max(last, 0), own.hour))
