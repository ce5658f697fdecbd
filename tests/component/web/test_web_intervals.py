"""Computed intervals on the page and in the metrics: the interval, its reason, and a package's next check."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fetcher.domain.sweeping import Sweep, SweepLimit, SweepPlan
from fetcher.upstreams.github.limits import GITHUB
from tests.component.web.conftest import Harness
from tests.component.web.test_web_metrics import scrape

MINUTE = timedelta(minutes=1)


def plan(harness: Harness, sweep: Sweep, limited_by: SweepLimit) -> SweepPlan:
    now = harness.clock.now()
    packages = (100, 0, 0, 0, 0, 0, 900)
    return SweepPlan(GITHUB, sweep, now, now, packages, limited_by, "graphql", 5_000.0, 800.0)


@pytest.mark.parametrize(
    ("unit", "limited_by", "words"),
    [
        (timedelta(seconds=1), SweepLimit.SHORTEST, "GitHub each 5 min: the shortest interval"),
        (10 * MINUTE, SweepLimit.QUOTA, "GitHub from each 10 min (active within a day) to each 10 h"),
    ],
)
def test_the_interval_and_its_reason(harness: Harness, unit: timedelta, limited_by: SweepLimit, words: str) -> None:
    """The overview states each upstream's interval, the reason, and the share of the quota."""
    harness.store.sweeps.save(plan(harness, Sweep(unit), limited_by))
    text = harness.client.get("/").text
    assert words in text
    assert "16.0\N{NARROW NO-BREAK SPACE}% of 5,000 graphql an hour" in text
    assert "projects each 24 h" in text


def test_before_the_first_computation(harness: Harness) -> None:
    """Until intervals are computed, the page states the interval that is used meanwhile."""
    assert "statistics and heads each 24 h" in harness.client.get("/").text


def test_metrics(harness: Harness) -> None:
    """Intervals are exported by upstream and activity; the longest of all bounds the age of a fresh package."""
    harness.store.sweeps.save(plan(harness, Sweep(60 * MINUTE), SweepLimit.QUOTA))
    found = scrape(harness.client)
    assert found["fetcher_sweep_interval_seconds", "active", GITHUB] == 3_600
    assert found["fetcher_sweep_interval_seconds", "silent", GITHUB] == 64 * 3_600
    assert found["fetcher_sweep_quota_ratio", GITHUB] == 0.16
    assert found["fetcher_refresh_interval_seconds",] == 64 * 3_600


def test_a_fixed_interval(harness: Harness) -> None:
    """A fixed interval ignores the computed ones."""
    harness.store.sweeps.save(plan(harness, Sweep(60 * MINUTE), SweepLimit.QUOTA))
    fixed = replace(harness.context, settings=harness.context.settings.model_copy(update={"refresh_interval": MINUTE}))
    assert fixed.cadence().longest == timedelta(hours=1)  # contributors and commits are confirmed each hour
    assert not fixed.cadence().sweeps
