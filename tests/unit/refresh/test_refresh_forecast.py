"""Forecasts of the end of a pass, from its rate and the quota."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.catalogue_stats import Histogram, SourceStats
from fetcher.domain.model import Source
from fetcher.quota import QuotaStatus
from fetcher.refresh.forecast import Supply, forecast, supply_for
from fetcher.upstreams.github.lanes import lanes_for
from fetcher.upstreams.github.limits import GITHUB, Resource
from fetcher.upstreams.pypi.upstream import PROJECTS_LANE
from tests.harness.clock import NOW

AT = NOW.timestamp()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def _figures(due: int, answers_a_minute: int, coming: int = 0) -> SourceStats:
    """Return statistics with ``due`` packages, ``coming`` more within an hour, and ten minutes of responses."""
    answers = Histogram(((AT - 600, AT, answers_a_minute * 10),))
    return SourceStats(Source.REPOSITORY, due, answers, due=Histogram(((AT - 9, AT, due), (AT, AT + 3600, coming))))


def test_nothing_due_keeps_up() -> None:
    """A source without due packages keeps up, even without recent requests."""
    found = forecast(_figures(0, 0), NOW, NOW, DAY, None)
    assert (found.keeps_up, found.pace, found.done_at) == (True, 0, None)


def test_a_pass_within_minutes_keeps_up() -> None:
    """A source keeps up with as many due packages as it had responses in ten minutes; one more is a backlog."""
    assert forecast(_figures(600, 60), NOW, NOW, DAY, None).keeps_up
    assert not forecast(_figures(601, 60), NOW, NOW, DAY, None).keeps_up


def test_a_backlog_without_a_quota_is_done_by_its_pace() -> None:
    """A backlog of 6,000 at 60 a minute takes 100 minutes, and longer with the packages that become due meanwhile."""
    found = forecast(_figures(6000, 60), NOW, NOW, DAY, None)
    assert found.done_at is not None
    assert 100 * MINUTE <= found.done_at - NOW <= 110 * MINUTE
    later = forecast(_figures(6000, 60, coming=1800), NOW, NOW, DAY, None)
    assert later.done_at is not None
    assert 130 * MINUTE <= later.done_at - NOW <= 143 * MINUTE


def test_nothing_answers() -> None:
    """A backlog without any response has no end."""
    found = forecast(_figures(100, 0), NOW, NOW, DAY, None)
    assert (found.keeps_up, found.pace, found.done_at) == (False, 0, None)


def test_the_quota_holds_the_pace_back() -> None:
    """With 100 until the reset in 30 minutes, then 1,000 an hour, the last of 2,100 comes early in the second hour."""
    supply = Supply(left=100, reset_at=NOW + HOUR / 2, renewed=1000)
    found = forecast(_figures(2100, 60), NOW, NOW, DAY, supply)
    assert found.done_at is not None
    assert HOUR * 1.75 <= found.done_at - NOW <= HOUR * 2
    assert forecast(_figures(10_000_000, 600_000), NOW, NOW, DAY, supply).done_at is None


@pytest.mark.parametrize(
    ("span", "served"),
    [(HOUR / 2, 100), (HOUR, 600), (1.5 * HOUR, 1100), (2 * HOUR, 1600), (timedelta(0), 0)],
)
def test_the_requests_that_a_quota_allows(span: timedelta, served: float) -> None:
    """A quota serves its rest until the reset, then a window's worth in each window, at most at the rate."""
    supply = Supply(left=100, reset_at=NOW + HOUR / 2, renewed=1000)
    assert supply.serves(1000 / 3600, NOW, span) == pytest.approx(served)


def test_a_quota_whose_reset_is_past_is_full() -> None:
    """A quota past its reset is full, because its window begins with the next request."""
    supply = Supply(left=0, reset_at=NOW - HOUR, renewed=1000)
    assert supply.serves(1, NOW, HOUR) == 1000


def _standing(resource: Resource, remaining: int, limit: int | None = 5000) -> QuotaStatus:
    return QuotaStatus("me", GITHUB, resource, limit, remaining, NOW + HOUR, None, None, 0)


def test_which_quota_serves_which_source() -> None:
    """Statistics use GraphQL in batches, or two REST requests each without a token; an index has no quota."""
    both = [_standing(Resource.CORE, 400), _standing(Resource.GRAPHQL, 4000)]
    lanes, anonymous = lanes_for(anonymous=False), lanes_for(anonymous=True)
    graphql, rest = supply_for(Source.REPOSITORY, both, lanes), supply_for(Source.REPOSITORY, both[:1], anonymous)
    assert graphql is not None
    assert (graphql.left, graphql.renewed) == (400_000, 500_000)
    assert rest is not None
    assert (rest.left, rest.renewed) == (200, 2500)
    history = supply_for(Source.COMMITS, both, lanes)
    lists = supply_for(Source.CONTRIBUTORS, both, lanes, window_scale=0.5)
    assert history is not None
    assert history.left == 280_000
    assert lists is not None
    assert (lists.left, lists.window) == (400, HOUR / 2)
    assert supply_for(Source.INDEX, both, (*lanes, PROJECTS_LANE)) is None
    assert supply_for(Source.REPOSITORY, [_standing(Resource.GRAPHQL, 0, limit=None)], lanes) is None
