"""Charts of a package's page: commits per week, and stars and forks over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from fetcher.domain.formatting import counted
from fetcher.domain.model import HistoryDay
from fetcher.web.charts import Bar, bars, steps


@dataclass(frozen=True, slots=True)
class HistoryChart:
    """A chart of a daily value, with a summary in words."""

    name: str
    summary: str
    chart: Markup
    first: date
    low: int
    high: int


def weeks_chart(weeks: Sequence[int], today: date) -> Markup:
    """Draw commits per week, oldest first."""
    if not weeks:
        return Markup("")
    starts = [today - timedelta(weeks=len(weeks) - number) for number in range(len(weeks))]
    drawn = [
        Bar((count,), f"week from {start}: {counted(count, 'commit')}")
        for start, count in zip(starts, weeks, strict=True)
    ]
    busiest = max(range(len(weeks)), key=lambda number: weeks[number])
    label = f"{counted(sum(weeks), 'commit')} in {len(weeks)} weeks"
    if sum(weeks):
        label += f"; most in the week from {starts[busiest]}: {weeks[busiest]}"
    return bars(drawn, label)


def history_charts(history: Sequence[HistoryDay], today: date) -> list[HistoryChart]:
    """Draw stars and forks over time, each if any value is known."""
    charts = []
    for name in ("stars", "forks"):
        points = [(row.day, value) for row in history if (value := getattr(row, name)) is not None]
        if points:
            (first, before), (_, now) = points[0], points[-1]
            change = "unchanged" if now == before else f"{now - before:+d}"
            summary = f"{counted(now, name.removesuffix('s'))}, {change} since {first}"
            values = [value for _, value in points]
            charts.append(HistoryChart(name, summary, steps(points, today, summary), first, min(values), max(values)))
    return charts
