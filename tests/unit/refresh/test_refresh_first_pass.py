"""The forecast of a first pass: the packages to go, the time left and the limiting quota."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.catalogue_stats import CatalogueStats, Histogram, SourceStats
from fetcher.domain.model import Source
from fetcher.quota import QuotaStatus
from fetcher.refresh.first_pass import first_pass_in_words, outlook
from fetcher.refresh.forecast import forecast
from fetcher.upstreams.base import Lane
from tests.harness.clock import DAY, HOUR, MINUTE, NOW

AT = NOW.timestamp()
LANES = (
    Lane("forge", (Source.REPOSITORY,), "graphql", 100, 100),
    Lane("forge", (Source.CONTRIBUTORS, Source.COMMITS), "core", 1, 1),
)
TITLES = {"forge": "Forge"}


def _source(source: Source, answered: int, missing: int, seconds: float = 600) -> SourceStats:
    """Return a source that is as far as this after ``seconds`` of a first pass."""
    answers = Histogram(((AT - seconds, AT, answered),)) if answered else Histogram()
    oldest = NOW - timedelta(seconds=seconds) if answered else None
    due = Histogram(((AT - 9, AT - 8, missing),)) if missing else Histogram()
    return SourceStats(source, answered + missing, answers, oldest, due)


def _stats(*sources: SourceStats, to_go: int = 0) -> CatalogueStats:
    return CatalogueStats(NOW, never_fetched=to_go, sources={one.source: one for one in sources})


def _quota(remaining: int, limit: int = 5000) -> list[QuotaStatus]:
    reset = NOW + HOUR
    return [QuotaStatus("x", "forge", name, limit, remaining, reset, None, None, 0) for name in ("core", "graphql")]


def test_limited_by_the_quota() -> None:
    """1,551 packages at 39 a minute take 40 minutes. The quota limits a source from half its even pace on."""
    stats = _stats(_source(Source.REPOSITORY, 2000, 0), _source(Source.CONTRIBUTORS, 449, 1551, 690), to_go=1551)
    found = outlook(stats, NOW, DAY, _quota(1800, 4000), LANES, TITLES)
    assert (found.to_go, found.slowest, found.limit) == (1551, Source.CONTRIBUTORS, "Forge")
    assert found.left is not None
    assert 38 * MINUTE <= found.left <= 46 * MINUTE
    assert dict(found.limited_by) == {Source.CONTRIBUTORS: "Forge"}


def test_a_burst_is_no_pace() -> None:
    """A tenth of the quota goes at once. The rest comes evenly: 1,755 packages at 50 a minute take 35 minutes."""
    stats = _stats(_source(Source.CONTRIBUTORS, 245, 1755, 100), to_go=1755)
    found = outlook(stats, NOW, DAY, _quota(2800, 3000), LANES, TITLES)
    assert found.left is not None
    assert 35 * MINUTE <= found.left <= 39 * MINUTE
    assert found.forecasts[Source.CONTRIBUTORS].done_at == NOW + found.left
    line = f"first fetch: 1,755 packages to go, about {found.left // MINUTE} min, limited by Forge's quota"
    assert first_pass_in_words(found) == line


def test_limited_by_the_workers() -> None:
    """A pace far below the quota's is the workers' own."""
    stats = _stats(_source(Source.CONTRIBUTORS, 10, 300), to_go=300)
    found = outlook(stats, NOW, DAY, _quota(4000), LANES, TITLES)
    assert (found.limit, dict(found.limited_by)) == (None, {})


def test_before_the_first_response() -> None:
    """Without a response the quota's even pace is assumed; without a quota there is no forecast."""
    stats = _stats(_source(Source.CONTRIBUTORS, 0, 2500), to_go=2500)
    found = outlook(stats, NOW, DAY, _quota(5000), LANES, TITLES)
    assert found.left is not None
    assert 30 * MINUTE <= found.left <= 34 * MINUTE
    assert outlook(stats, NOW, DAY, [], LANES, TITLES).left is None


def test_a_single_response_is_no_pace() -> None:
    """One response a minute after the start does not forecast three hours: the even pace holds until there are more."""
    stats = _stats(_source(Source.CONTRIBUTORS, 1, 199, 60), to_go=199)
    found = outlook(stats, NOW, DAY, _quota(4800), LANES, TITLES)
    assert found.left is not None
    assert found.left <= 5 * MINUTE
    assert outlook(stats, NOW, DAY, [], LANES, TITLES).left is None


def test_no_first_pass() -> None:
    """Due packages that were fetched before are no first pass."""
    stats = _stats(_source(Source.REPOSITORY, 100, 0))
    found = outlook(stats, NOW, DAY, _quota(5000), LANES, TITLES)
    assert (found.to_go, found.left, found.slowest, found.limit) == (0, None, None, None)
    assert first_pass_in_words(found) is None


@pytest.mark.parametrize("seconds", [12, 60, 300])
def test_an_early_forecast(seconds: int) -> None:
    """Early in a pass the rate is measured from the first response on, not over minutes without any."""
    one = _source(Source.REPOSITORY, 2 * seconds, 5000, seconds)
    found = forecast(one, NOW, NOW, DAY, None)
    assert found.pace == pytest.approx(2, rel=0.05)
    assert found.done_at is not None
    assert 2490 <= (found.done_at - NOW).total_seconds() <= 2900
