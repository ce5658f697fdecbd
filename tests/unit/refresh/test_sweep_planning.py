"""Intervals from the quota, the catalogue and the moves: what limits them, and how they are damped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.model import Source
from fetcher.domain.sweeping import CLASSES, LONGEST, LONGEST_UNIT, SHORTEST, SweepLimit, SweepPlan
from fetcher.quota import QuotaPolicy, QuotaStatus, ResourceLimits
from fetcher.refresh.sweep_planning import (
    RATE_SHARE,
    RESERVE,
    STANDS_FOR,
    Account,
    Route,
    Spent,
    Terms,
    plan_sweep,
)
from fetcher.upstreams.base import Lane
from fetcher.upstreams.github.lanes import lanes_for
from fetcher.upstreams.github.limits import GITHUB, POLICY
from fetcher.upstreams.pypi.limits import POLICY as INDEX
from fetcher.upstreams.pypi.upstream import PROJECTS_LANE
from tests.harness.clock import NOW

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
IDENTITY = "account:7"
GITHUB_ACCOUNT = Account(GITHUB, lanes_for(anonymous=False), POLICY, IDENTITY)
ANONYMOUS = Account(GITHUB, lanes_for(anonymous=True), POLICY, "anonymous:here")
TERMS = Terms(0.25, MINUTE)


def catalogue(packages: int) -> list[int]:
    """Return classes as of a directory: a twentieth active within a day, a third silent for years."""
    shares = (0.05, 0.05, 0.1, 0.15, 0.15, 0.2, 0.3)
    return [round(packages * share) for share in shares]


def plan(
    account: Account,
    packages: list[int],
    *statuses: QuotaStatus,
    terms: Terms = TERMS,
    before: SweepPlan | None = None,
    now: timedelta = timedelta(0),
    spent: Mapping[Route, Spent] = MappingProxyType({}),
) -> SweepPlan:
    found = plan_sweep(account, packages, statuses, terms, before, NOW + now, spent)
    assert found is not None
    return found


def reported(limit: int, resource: str = "graphql") -> QuotaStatus:
    return QuotaStatus(IDENTITY, GITHUB, resource, limit, limit, NOW + HOUR, None, None, 0)


@pytest.mark.parametrize("packages", [5, 500, 5_500])
def test_small_catalogues_have_the_shortest_interval(packages: int) -> None:
    """Up to 5,500 packages, each is requested every five minutes, for less than a quarter of the quota."""
    found = plan(GITHUB_ACCOUNT, catalogue(packages))
    assert (found.sweep.shortest, found.sweep.longest) == (SHORTEST, SHORTEST)
    assert found.limited_by is SweepLimit.SHORTEST
    assert found.share < 0.25
    assert found.quota == 5_000


@given(st.lists(st.integers(0, 300_000), min_size=CLASSES, max_size=CLASSES), st.sampled_from([5_000, 12_500]))
def test_sweeps_stay_within_the_share(packages: list[int], limit: int) -> None:
    """Sweeps of any catalogue stay within the share of the points and half of the seconds, or say that they do not."""
    found = plan(GITHUB_ACCOUNT, packages, reported(limit))
    requests = found.sweep.rate(packages) / 100
    assert found.quota == limit
    assert SHORTEST <= found.sweep.shortest <= DAY
    assert found.sweep.longest <= LONGEST
    if found.limited_by is not SweepLimit.EXCEEDED:
        assert requests <= 0.25 * limit
        assert requests * 2 <= RATE_SHARE * 60 * 60
    else:
        assert found.sweep.unit == LONGEST_UNIT


def test_a_million() -> None:
    """A million packages are weighted: active ones within two hours, silent ones in days; seconds are the limit."""
    found = plan(GITHUB_ACCOUNT, catalogue(1_000_000))
    assert found.weighted
    assert found.limited_by is SweepLimit.RATE
    assert found.sweep.shortest <= 2 * HOUR
    assert DAY <= found.sweep.longest <= LONGEST


def test_more_quota_shortens_the_intervals() -> None:
    """The reported limit counts, and so does the share that the operator sets."""
    packages = catalogue(60_000)
    small = plan(GITHUB_ACCOUNT, packages, reported(1_000))
    large = plan(GITHUB_ACCOUNT, packages, reported(12_500))
    generous = plan(GITHUB_ACCOUNT, packages, reported(1_000), terms=replace(TERMS, share=0.5))
    assert large.sweep.unit < generous.sweep.unit < small.sweep.unit
    assert small.limited_by is SweepLimit.QUOTA


def test_without_a_credential() -> None:
    """Without a token, 15 of 60 requests an hour are seven packages: some packages an hour, a hundred within a day."""
    assert plan(ANONYMOUS, catalogue(5)).sweep.shortest <= HOUR
    hundred = plan(ANONYMOUS, catalogue(100))
    assert HOUR < hundred.sweep.shortest < hundred.sweep.longest
    assert hundred.share <= 0.3
    assert hundred.quota == 60
    assert plan(ANONYMOUS, catalogue(5_000)).limited_by is SweepLimit.EXCEEDED


def test_a_forge_without_batches_and_without_a_documented_quota() -> None:
    """The same rule: a quarter of two requests a second are 1,800 packages an hour."""
    lane = Lane("forge", (Source.REPOSITORY, Source.COMMITS), "api", 10, 1)
    forge = Account("forge", (lane,), QuotaPolicy((ResourceLimits("api", 2),), window=timedelta(seconds=1)), "forge")
    found = plan(forge, [0] * (CLASSES - 1) + [3_000])
    allowed = 0.25 * found.quota
    assert 0.85 * allowed <= found.sweep.rate(found.packages) <= allowed
    assert found.limited_by is SweepLimit.QUOTA


def test_an_index_has_no_sweeps() -> None:
    """An upstream without repositories has no computed interval."""
    account = Account("pypi", (PROJECTS_LANE,), INDEX, "index")
    assert plan_sweep(account, catalogue(10), (), TERMS, None, NOW) is None


def test_intervals_do_not_flap() -> None:
    """While the catalogue grows and shrinks by a twentieth, every five minutes for a day, intervals stay."""
    current = plan(GITHUB_ACCOUNT, catalogue(50_000))
    first = current
    for step in range(288):
        size = 50_000 + 2_500 * (-1) ** step
        current = plan(GITHUB_ACCOUNT, catalogue(size), before=current, now=(step + 1) * 5 * MINUTE)
        assert (current.sweep, current.since) == (first.sweep, first.since)


def test_intervals_follow_the_catalogue() -> None:
    """They become longer at once when the share is exceeded, and shorter after an hour; due times then follow."""
    first = replace(plan(GITHUB_ACCOUNT, catalogue(50_000)), placed_after=None)
    grown = plan(GITHUB_ACCOUNT, catalogue(100_000), before=first, now=MINUTE)
    assert grown.sweep.unit > first.sweep.unit
    assert grown.since == NOW + MINUTE
    early = plan(GITHUB_ACCOUNT, catalogue(50_000), before=grown, now=2 * MINUTE)
    assert early.sweep == grown.sweep
    late = plan(GITHUB_ACCOUNT, catalogue(50_000), before=grown, now=MINUTE + STANDS_FOR)
    assert late.sweep.unit < grown.sweep.unit
    assert late.placed_after == 0


def test_many_moves_leave_half_of_the_share() -> None:
    """However many heads move, sweeps keep half of their share, so that moved heads are found."""
    few, many = [1_000, 0, 0, 0, 0, 0, 19_000], [20_000, 0, 0, 0, 0, 0, 0]
    lanes = (Lane("forge", (Source.REPOSITORY,), "api", 10, 1), Lane("forge", (Source.COMMITS,), "api", 10, 0.1))
    forge = Account("forge", lanes, QuotaPolicy((ResourceLimits("api", 10_000, 20_000),)), "forge")
    assert plan(forge, many).sweep.rate(many) >= 0.5 * 0.25 * 20_000 * 0.89
    assert plan(forge, few).sweep.rate(few) > plan(forge, many).sweep.rate(many)


STATISTICS, HISTORY = (GITHUB, "statistics"), (GITHUB, "history")


@pytest.mark.parametrize("filled", [30, 100])
@pytest.mark.parametrize("histories", [0, 600])
@pytest.mark.parametrize("repeated", [1.0, 1.3])
def test_the_measured_points_stay_within_the_share(filled: int, histories: int, repeated: float) -> None:
    """Queries that are not full, their repeats and histories are measured: after two hours the share holds.

    Six hours are simulated, with intervals computed every five minutes. Sweeps send as many queries as these require.
    """
    packages = catalogue(5_500)
    swept: list[float] = []
    current, changes = None, 0
    for step in range(72):
        hour = sum(swept[-12:])
        queries, others = hour * repeated / filled, histories * min(step, 12) / 12
        spent = {STATISTICS: Spent(queries, hour, queries), HISTORY: Spent(others)}
        current = plan(GITHUB_ACCOUNT, packages, before=current, now=step * 5 * MINUTE, spent=spent)
        swept.append(current.sweep.rate(packages) / 12)
        if step > 24:
            assert queries + others <= 0.25 * 5_000
            changes += current.since == NOW + step * 5 * MINUTE
    assert changes <= 1
    assert current is not None
    assert current.used >= 0.25 * 5_000 * (1 - RESERVE) * 0.8 or current.sweep.longest == SHORTEST


def test_slow_queries_leave_half_of_the_seconds() -> None:
    """The measured response time counts: at five seconds a query, sweeps use half of the seconds of a minute."""
    packages = catalogue(50_000)
    usual = plan(GITHUB_ACCOUNT, packages)
    slow = plan(GITHUB_ACCOUNT, packages, spent={STATISTICS: Spent(100, 10_000, 500)})
    assert slow.limited_by is SweepLimit.RATE
    assert slow.sweep.rate(packages) / 100 * 5 <= RATE_SHARE * 60 * 60
    assert slow.sweep.rate(packages) < usual.sweep.rate(packages) / 2


def test_a_few_requests_are_not_measured() -> None:
    """A route is measured from its twentieth point: the plan of a new installation is the computed one."""
    packages = catalogue(50_000)
    assert plan(GITHUB_ACCOUNT, packages, spent={STATISTICS: Spent(19, 19, 190)}) == plan(GITHUB_ACCOUNT, packages)


def test_an_outage_does_not_make_the_intervals_the_longest() -> None:
    """If every query of an hour fails, intervals are as for queries a tenth full."""
    packages = catalogue(50_000)
    failed = plan(GITHUB_ACCOUNT, packages, spent={STATISTICS: Spent(500, 0, 50)})
    tenth = plan(GITHUB_ACCOUNT, packages, spent={STATISTICS: Spent(500, 5_000, 50)})
    assert failed == tenth
    assert failed.sweep.longest < LONGEST
