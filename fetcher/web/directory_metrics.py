"""Catalogue metrics for ``/metrics``: ages, due packages and failures. Their cost does not grow with the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from fetcher.domain.catalogue_stats import CatalogueStats, Histogram
from fetcher.domain.model import OutcomeKind, Source
from fetcher.domain.scheduling import Cadence
from fetcher.domain.sweeping import SweepPlan
from fetcher.monitoring.definitions import OTHER

AGES: Final = tuple(timedelta(hours=hours) for hours in (1, 3, 6, 12, 18, 24, 27, 30, 36, 48, 72, 168, 336, 720))
"""Upper bounds of the age buckets, dense around a day, the default refresh interval."""

FAILURE_KINDS: Final = frozenset({*OutcomeKind, "missing", "failing"})
"""Label values: the results of ``fetcher.domain.formatting.failure_kind``."""


def intervals(cadence: Cadence, plans: Iterable[SweepPlan]) -> Iterator[Metric]:
    """Yield the intervals in force, and the use of the quotas that limit them."""
    yield GaugeMetricFamily(
        "fetcher_refresh_interval_seconds",
        "Longest interval between refreshes of any source of a package.",
        cadence.longest.total_seconds(),
    )
    each = GaugeMetricFamily(
        "fetcher_sweep_interval_seconds",
        "Computed interval of statistics and heads: of packages active within a day, and of the most silent.",
        labels=["upstream", "activity"],
    )
    share = GaugeMetricFamily(
        "fetcher_sweep_quota_ratio", "Share of the quota that the computed intervals use.", labels=["upstream"]
    )
    for plan in [one for one in plans if one.upstream in cadence.sweeps]:
        each.add_metric([plan.upstream, "active"], plan.sweep.shortest.total_seconds())
        each.add_metric([plan.upstream, "silent"], plan.sweep.longest.total_seconds())
        share.add_metric([plan.upstream], plan.share)
    yield from (each, share)


def directory(stats: CatalogueStats, now: datetime, cadence: Cadence) -> Iterator[Metric]:
    """Yield ``stats`` at ``now`` as gauges."""
    states = GaugeMetricFamily("fetcher_packages", "Packages by state.", labels=["state"])
    for state, count in stats.states(now, cadence.longest).items():
        states.add_metric([state], count)
    yield states
    yield from _sources(stats, now, cadence)
    yield _failing(stats)
    yield GaugeMetricFamily(
        "fetcher_figures_age_seconds",
        "Age of the oldest partition of these statistics.",
        max((now - stats.measured_at).total_seconds(), 0),
    )


def _sources(stats: CatalogueStats, now: datetime, cadence: Cadence) -> Iterator[Metric]:
    followed = _by_source("fetcher_followed_packages", "Packages that have the source.")
    answered = _by_source("fetcher_answered_packages", "Packages whose source was ever fetched.")
    due = _by_source("fetcher_due_packages", "Packages whose source is due.")
    overdue = _by_source("fetcher_overdue_packages", "Packages whose source is overdue.")
    leased = _by_source("fetcher_leased_packages", "Packages whose source is leased to a worker.")
    oldest = _by_source("fetcher_oldest_answer_age_seconds", "Age of the oldest of the last successful fetches.")
    ages = GaugeHistogramMetricFamily(
        "fetcher_answer_age_seconds", "Age of the last successful fetch.", labels=["source"]
    )
    for source in Source:
        one, labels = stats.source(source), [source]
        followed.add_metric(labels, one.packages)
        answered.add_metric(labels, one.answered)
        due.add_metric(labels, one.due_by(now))
        overdue.add_metric(labels, one.overdue(now, cadence.longest_of(source)))
        leased.add_metric(labels, one.leased)
        age = one.age(1, now)
        if age is not None:
            oldest.add_metric(labels, age.total_seconds())
        ages.add_metric(labels, _younger(one.answers, now), _sum(one.answers, now))
    yield from (followed, answered, due, overdue, leased, oldest, ages)


def _failing(stats: CatalogueStats) -> Metric:
    failing = GaugeMetricFamily("fetcher_failing_packages", "Packages whose source fails.", labels=["source", "kind"])
    for source in Source:
        kinds = stats.source(source).failures
        known = {kind: count for kind, count in kinds.items() if kind in FAILURE_KINDS}
        unknown = sum(kinds.values()) - sum(known.values())
        for kind, count in sorted({**known, **({OTHER: unknown} if unknown else {})}.items()):
            failing.add_metric([source, kind], count)
    return failing


def _younger(answers: Histogram, now: datetime) -> list[tuple[str, float]]:
    """Return the cumulative buckets of ages."""
    total = answers.total
    buckets: list[tuple[str, float]] = [(f"{age.total_seconds():g}", total - answers.until(now - age)) for age in AGES]
    return [*buckets, ("+Inf", total)]


def _sum(answers: Histogram, now: datetime) -> float:
    """Return the sum of all ages, with each fetch at the middle of its bucket."""
    at = now.timestamp()
    return sum(max(at - (start + end) / 2, 0) * count for start, end, count in answers.buckets)


def _by_source(name: str, description: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, description, labels=["source"])
