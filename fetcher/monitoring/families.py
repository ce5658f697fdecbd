"""Workers' metrics as families of prometheus_client. An unused metric is exposed with its help only."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Final, assert_never

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from fetcher.monitoring.definitions import COUNTED, Counter, Gauge, Histogram
from fetcher.monitoring.recorder import INFINITE, SUM, bound_name, read_field

Labels = tuple[str, ...]

MOST_ZEROS: Final = 64
"""Largest number of series for which a counter is exposed at zero before its first increment."""


def families(counters: Mapping[str, float]) -> Iterator[Metric]:
    """Yield one family for each declared metric; skip fields of unknown metrics."""
    for metric in COUNTED:
        own = [(*read, amount) for field, amount in counters.items() if (read := read_field(metric, field)) is not None]
        match metric:
            case Counter():
                yield _counter(metric, own)
            case Histogram():
                yield _histogram(metric, own)
            case Gauge():
                yield _gauge(metric, own)
            case _:
                assert_never(metric)


def _counter(metric: Counter, fields: Iterable[tuple[Labels, str, float]]) -> Metric:
    family = CounterMetricFamily(metric.name, metric.help, labels=[label.name for label in metric.labels])
    amounts = dict.fromkeys(_known(metric), 0.0) | {labels: amount for labels, _, amount in fields}
    for labels, amount in sorted(amounts.items()):
        family.add_metric(labels, amount)
    return family


def _gauge(metric: Gauge, fields: Iterable[tuple[Labels, str, float]]) -> Metric:
    """Build a family of the stored values only: an unset gauge has no series."""
    family = GaugeMetricFamily(metric.name, metric.help, labels=[label.name for label in metric.labels])
    for labels, _, value in sorted(fields):
        family.add_metric(labels, value)
    return family


def _known(metric: Counter) -> Iterable[Labels]:
    """Return the label values exposed at zero. Prometheus sees no increase in a series that first appears at 1."""
    if prod(len(label.values) for label in metric.labels) > MOST_ZEROS:
        return ()
    return product(*(sorted(label.values) for label in metric.labels))


def _histogram(metric: Histogram, fields: Iterable[tuple[Labels, str, float]]) -> Metric:
    family = HistogramMetricFamily(metric.name, metric.help, labels=[label.name for label in metric.labels])
    sums: defaultdict[Labels, float] = defaultdict(float)
    counts: defaultdict[Labels, list[float]] = defaultdict(lambda: [0.0] * (len(metric.bounds) + 1))
    for labels, part, amount in fields:
        if part == SUM:
            sums[labels] += amount
        else:
            counts[labels][_place(metric, part)] += amount
    for labels, buckets in sorted(counts.items()):
        family.add_metric(labels, _cumulative(metric, buckets), sums[labels])
    return family


def _place(metric: Histogram, bound: str) -> int:
    """Return the bucket's index for ``bound``; a bound of an older version maps to the next one still declared."""
    return len(metric.bounds) if bound == INFINITE else bisect_left(metric.bounds, float(bound))


def _cumulative(metric: Histogram, buckets: list[float]) -> list[tuple[str, float]]:
    total, found = 0.0, []
    for place, count in enumerate(buckets):
        total += count
        found.append((bound_name(metric, place), total))
    return found
