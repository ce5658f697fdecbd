"""``python -m benchmarks.freshness_model``: the time from a push to its values in the store, for any size, simulated.

The product's own functions compute the intervals, each package's slot and the share of the quota. Pushes fall at random
times of a week on random packages of each class of activity. Not simulated: faults, manual requests and the ledger.
Beside it stand a sweep a day, and an updater that takes 24 hours for a pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fetcher.domain.scheduling import phase
from fetcher.domain.sweeping import CLASSES, SweepPlan
from fetcher.sizing import Catalogue, Policy, intervals
from fetcher.upstreams.github.lanes import GRAPHQL_LANE

SECOND, MINUTE, DAY, WEEK = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1), timedelta(days=7)
START = datetime(2026, 1, 1, tzinfo=UTC)
SHARE = 0.25
PUSHES = 20_000
"""Simulated pushes of each class."""
PROCESSES = 2
"""Worker processes, each with one query at a time."""
SIZES = (500, 5_500, 50_000, 1_000_000)
UNITS = ((DAY, "d"), (timedelta(hours=1), "h"), (MINUTE, "min"))
NAMES = ("a day", "4 days", "16 days", "64 days", "256 days", "1,024 days", "longer ago")


@dataclass(frozen=True, slots=True)
class Ages:
    """Times from a push to the stored head and to the stored weeks, in order."""

    head: Sequence[timedelta]
    weeks: Sequence[timedelta]


def simulated(packages: int, interval: timedelta, queries: float, rng: Random) -> Ages:
    """Simulate pushes to packages with ``interval``, while each plan sends ``queries`` for statistics.

    A package is claimed by the first plan after its slot. Its query is any of the plan's. The plan that follows the
    last query claims the moved heads.
    """
    head, weeks = [], []
    rounds = max(math.ceil(queries / PROCESSES), 1)
    answer = SECOND * GRAPHQL_LANE.seconds
    for _ in range(PUSHES):
        pushed = WEEK * rng.random()
        start = interval * phase(rng.randrange(packages))
        due = start + interval * max(math.ceil((pushed - start) / interval), 0)
        planned = MINUTE * math.ceil(due / MINUTE)
        # A query reads the head when it is sent, and the values are stored after its response.
        stored = planned + answer * rng.randint(1, rounds)
        head.append(stored - pushed)
        weeks.append(planned + answer * (rounds + 1) - pushed)
    return Ages(sorted(head), sorted(weeks))


def of_a_day(rng: Random) -> Ages:
    """Simulate pushes beside an updater that takes a day for a pass: each package is read once a day, at its turn."""
    ages = sorted(DAY * rng.random() for _ in range(PUSHES))
    return Ages(ages, ages)


def quantile(ages: Sequence[timedelta], share: float) -> timedelta:
    """Return the age below which ``share`` of the pushes are."""
    return ages[math.ceil(share * len(ages)) - 1]


def in_words(age: timedelta) -> str:
    """Return an age in minutes, hours or days."""
    unit, name = next((unit, name) for unit, name in UNITS if age >= 2 * unit or unit == MINUTE)
    return f"{age / unit:.1f} {name}"


def plan_of(packages: int) -> SweepPlan:
    """Return the product's intervals for a catalogue of ``packages``, 5 % of which move a day."""
    found = intervals(Catalogue(packages), Policy(share=SHARE))
    assert found is not None
    return found


def table(packages: int, rng: Random) -> Table:
    """Build the table of one size: a row for each class of activity, and the alternatives."""
    plan = plan_of(packages)
    queries = plan.sweep.rate(plan.packages) / GRAPHQL_LANE.packages_per_request / 60
    title = f"{packages:,} packages: {plan.share:.0%} of the quota, limited by {plan.limited_by}"
    shown = Table(title=title, title_justify="left")
    for column in ("last activity within", "interval", "head p50", "head p95", "weeks p50", "weeks p95"):
        shown.add_column(column, justify="left" if column.startswith("last") else "right")

    def row(name: str, interval: str, ages: Ages) -> None:
        figures = (quantile(of, share) for of in (ages.head, ages.weeks) for share in (0.5, 0.95))
        shown.add_row(name, interval, *map(in_words, figures))

    for number in range(CLASSES):
        interval = plan.sweep.of_class(number)
        row(NAMES[number], in_words(interval), simulated(packages, interval, queries, rng))
    row("a sweep a day", in_words(DAY), simulated(packages, DAY, packages / 1440 / 100, rng))
    row("a pass of 24 hours", in_words(DAY), of_a_day(rng))
    return shown


def main(packages: Annotated[list[int] | None, typer.Option(help="Number of packages; repeatable.")] = None) -> None:
    """Print the ages of each class of activity, for each size."""
    rng = Random(14)  # noqa: S311 - chooses invented pushes
    Console(width=120).print(*(table(size, rng) for size in packages or SIZES), sep="\n")


if __name__ == "__main__":
    typer.run(main)
