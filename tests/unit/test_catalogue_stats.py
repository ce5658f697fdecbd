"""Arithmetic of the catalogue statistics: histograms, ages, shares and sums, without a database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.catalogue_stats import CatalogueStats, Histogram, SourceStats, merged
from fetcher.domain.model import Source
from fetcher.domain.views import PackageState
from tests.harness.clock import NOW

AT = NOW.timestamp()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def _histogram(*buckets: tuple[float, float, int]) -> Histogram:
    return Histogram(tuple((AT + start, AT + end, moments) for start, end, moments in buckets))


def test_moments_are_spread_over_their_bucket() -> None:
    """Before a bucket none of it counts, behind it all, within it as much as lies before."""
    histogram = _histogram((-100, -60, 40), (-60, 0, 6))
    found = [histogram.until(NOW - timedelta(seconds=back)) for back in (100, 90, 60, 30, 0, -9)]
    assert found == [0, 10, 40, 43, 46, 46]
    assert histogram.total == 46


def test_a_bucket_without_width() -> None:
    """A moment exactly on an edge can be a bucket by itself."""
    assert _histogram((0, 0, 3)).until(NOW) == 3
    assert _histogram((0, 0, 3)).until(NOW - MINUTE) == 0


def test_ranks_are_counted_from_the_newest() -> None:
    """The median of a bucket lies in its middle, all of it reaches to its start."""
    histogram = _histogram((-200, -100, 50), (-100, 0, 50))
    assert histogram.newest(0.25) == NOW - timedelta(seconds=49)
    assert histogram.newest(0.5) == NOW - timedelta(seconds=99)
    assert histogram.newest(1) == NOW - timedelta(seconds=199)
    assert Histogram().newest(0.5) is None


def test_ages_and_shares() -> None:
    """A package without a response has no age, but counts as not within; no age exceeds the oldest response's."""
    one = SourceStats(Source.INDEX, packages=10, answers=_histogram((-90, -80, 4)), oldest=NOW - 85 * MINUTE / 60)
    assert one.age(0.95, NOW) == one.age(1, NOW) == timedelta(seconds=85)
    assert one.within(HOUR, NOW) == 0.4
    assert one.within(timedelta(seconds=85), NOW) == 0.2
    assert SourceStats(Source.INDEX).within(HOUR, NOW) is None
    assert SourceStats(Source.INDEX, packages=1).age(1, NOW) is None


def test_due_and_overdue_follow_the_clock() -> None:
    """Packages become due after the count; those that have waited for an eighth of the interval are overdue."""
    one = SourceStats(Source.REPOSITORY, due=_histogram((-4 * 3600, -3 * 3600, 2), (-60, 0, 3), (0, 3600, 60)))
    assert (one.due_by(NOW), one.overdue(NOW, DAY)) == (5, 2)
    assert (one.due_by(NOW + 30 * MINUTE), one.overdue(NOW + 3 * HOUR, DAY)) == (35, 5)


def test_pace_is_of_the_minutes_before() -> None:
    """The rate covers the last ten minutes, whatever came before them."""
    one = SourceStats(Source.REPOSITORY, answers=_histogram((-7200, -600, 10_000), (-600, 0, 1200)))
    assert one.pace(NOW, 10 * MINUTE) == 2
    assert one.pace(NOW, 5 * MINUTE) == 2


def test_states_name_all() -> None:
    """States that do not depend on time are as counted; the others become stale after one and a half intervals."""
    figures = CatalogueStats(NOW, {PackageState.GONE: 3}, _histogram((-3600, 0, 8)), never_fetched=2)
    assert figures.packages == 13
    assert figures.states(NOW, HOUR) == {
        PackageState.RETIRED: 0,
        PackageState.GONE: 3,
        PackageState.FAILING: 0,
        PackageState.UNSUPPORTED: 0,
        PackageState.NOT_FETCHED: 2,
        PackageState.STALE: 0,
        PackageState.FRESH: 8,
    }
    assert figures.states(NOW + HOUR, HOUR)[PackageState.STALE] == 4


def _source_figures(buckets: list[tuple[int, int]]) -> SourceStats:
    answers = _histogram(*((-float(start), -float(start) + 1, moments) for start, moments in buckets))
    return SourceStats(Source.REPOSITORY, sum(m for _, m in buckets), answers, failures={"gone": 1, "missing": 2})


parts_of_a_catalogue = st.lists(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), unique_by=lambda bucket: bucket[0]).map(
        lambda buckets: CatalogueStats(
            NOW - MINUTE * len(buckets),
            {PackageState.RETIRED: 1},
            never_fetched=1,
            sources={Source.REPOSITORY: _source_figures(buckets)},
        )
    ),
    min_size=1,
    max_size=5,
)


@given(parts_of_a_catalogue, st.integers(0, 60))
def test_a_sum_equals_its_parts(parts: list[CatalogueStats], back: int) -> None:
    """Each count of the sum is the sum of the counts, and the sum is as old as its oldest part."""
    full, moment = merged(parts), NOW - timedelta(seconds=back)
    assert full.measured_at == min(part.measured_at for part in parts)
    assert full.packages == 2 * len(parts)
    assert full.settled[PackageState.RETIRED] == full.parts == len(parts)
    assert full.failures == {"missing": 2 * len(parts), "gone": len(parts)}
    assert full.source(Source.REPOSITORY).answers.until(moment) == sum(
        part.source(Source.REPOSITORY).answers.until(moment) for part in parts
    )
    assert merged([merged(parts[:1]), *parts[1:]]) == full


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_ages_are_off_by_a_share_of_themselves_at_most(share: float) -> None:
    """Within a bucket, the error is less than its width."""
    moments = [AT - second * 60 for second in range(1, 1000)]
    buckets = sorted({(moment // 1024 * 1024) for moment in moments})
    histogram = Histogram(tuple((b, b + 1024, sum(b <= m < b + 1024 for m in moments)) for b in buckets))
    exact = sorted(moments, reverse=True)[int(len(moments) * share)]
    found = histogram.newest(share)
    assert found is not None
    assert abs(found.timestamp() - exact) < 1024
