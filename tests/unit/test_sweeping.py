"""The intervals of sweeps: their bounds, their sum, and their effect over a simulated year."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from random import Random
from statistics import mean, quantiles

from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.sweeping import (
    CLASSES,
    IDLE,
    LONGEST,
    LONGEST_UNIT,
    SHORTEST,
    Sweep,
    class_of,
    fitting,
    last_activity,
)
from tests.harness.clock import NOW

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
YEAR = 365 * DAY
counts = st.lists(st.integers(0, 500_000), min_size=CLASSES, max_size=CLASSES)


@given(counts, st.floats(1, 1e6))
def test_intervals_fit_and_keep_their_bounds(packages: list[int], most: float) -> None:
    """The intervals need no more requests than allowed, or are the longest ones; none is outside the bounds."""
    sweep = fitting(packages, most)
    intervals = [sweep.of_class(number) for number in range(CLASSES)]
    assert sweep.rate(packages) <= most or sweep.unit == LONGEST_UNIT
    assert all(SHORTEST <= interval <= LONGEST for interval in intervals)
    assert intervals == sorted(intervals)


@given(counts, st.floats(1, 1e6))
def test_intervals_are_the_shortest_that_fit(packages: list[int], most: float) -> None:
    """Intervals that are one in a hundred shorter would need more requests than allowed, or would be too short."""
    sweep = fitting(packages, most)
    shorter = Sweep(sweep.unit * 0.99)
    assert shorter.rate(packages) > most or sweep.is_shortest or not any(packages)


def test_each_class_is_requested_half_as_often_as_the_former() -> None:
    """Between the bounds, an interval doubles where the time without activity grows fourfold."""
    sweep = Sweep(10 * MINUTE)
    intervals = [sweep.interval(idle) for idle in (*IDLE, None)]
    assert intervals == [10 * MINUTE * 2**number for number in range(CLASSES)]
    assert all(longer == 4 * shorter for shorter, longer in pairwise(IDLE))
    assert class_of(DAY) == 0
    assert class_of(DAY + MINUTE) == 1
    assert class_of(10 * YEAR) == CLASSES - 1


def test_a_catalogue_that_fits_has_one_interval() -> None:
    """All packages have the shortest interval if the quota allows it."""
    packages = [500] * CLASSES
    sweep = fitting(packages, 12 * sum(packages))
    assert sweep.is_shortest
    assert sweep.rate(packages) == 12 * sum(packages)


def test_compressed_time() -> None:
    """Intervals and the bounds of classes are shorter by the same factor."""
    sweep = Sweep(HOUR, 0.01)
    assert sweep.interval(DAY * 0.01) == HOUR * 0.01
    assert sweep.interval(DAY * 0.02) == 2 * HOUR * 0.01


def test_last_activity() -> None:
    """A changed response is activity now; otherwise the newest known time that is not in the future counts."""
    stated = [NOW - DAY, NOW + DAY]
    assert last_activity(None, seen=NOW, changed=True, stated=stated) == NOW
    assert last_activity(NOW - HOUR, seen=NOW, changed=False, stated=stated) == NOW - HOUR
    assert last_activity(None, seen=NOW, changed=False, stated=stated) == NOW - DAY
    assert last_activity(None, seen=NOW, changed=False, stated=[]) == NOW


def test_a_year_of_pushes() -> None:
    """A year over packages from daily pushes to none: with the requests of equal intervals, the mean age of a push
    when it is stored is about half as large, and no package waits for more than a week.
    """
    rng = Random(7)  # noqa: S311  (no secret: the same each time)
    gaps = [rng.choice((1, 1, 30, 90, 365, 2000, 4000)) * DAY for _ in range(200)]
    pushes = [_pushes(rng, gap) for gap in gaps]
    classes = [0] * CLASSES
    for times in pushes:
        classes[class_of(-times[0])] += 1
    sweep = fitting(classes, 200 / 24)  # the requests of a sweep a day
    weighted = [_waits(times, sweep) for times in pushes]
    equal = [_waits(times, None) for times in pushes]
    waits, daily = [w for one in weighted for w in one[0]], [w for one in equal for w in one[0]]
    assert mean(waits) < 0.6 * mean(daily)
    assert quantiles(waits, n=20)[-1] < quantiles(daily, n=20)[-1]
    assert sum(one[1] for one in weighted) <= 1.25 * sum(one[1] for one in equal)
    assert max(waits) <= LONGEST / HOUR
    silent = [w for one, gap in zip(weighted, gaps, strict=True) if gap >= YEAR for w in one[0]]
    active = [w for one, gap in zip(weighted, gaps, strict=True) if gap == DAY for w in one[0]]
    assert mean(active) < mean(silent)


def _pushes(rng: Random, gap: timedelta) -> list[timedelta]:
    """Return times of pushes from the last one before the year on, ``gap`` apart on the average."""
    times = [-rng.expovariate(1.0) * gap]
    while times[-1] < YEAR:
        times.append(times[-1] + rng.expovariate(1.0) * gap)
    return [time for index, time in enumerate(times) if index == 0 or 0 * DAY <= time < YEAR]


def _waits(pushes: Sequence[timedelta], sweep: Sweep | None) -> tuple[list[float], int]:
    """Return the hours from each push to the request that finds it, and the number of requests in the year."""
    pending, known, at, requests = list(pushes[1:]), pushes[0], timedelta(0), 0
    heapq.heapify(pending)
    waits: list[float] = []
    while at < YEAR:
        requests += 1
        while pending and pending[0] <= at:
            known = heapq.heappop(pending)
            waits.append((at - known) / HOUR)
        at += DAY if sweep is None else sweep.interval(at - known)
    return waits, requests
