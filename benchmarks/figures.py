"""One pass in figures, and the bounds that it is held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from rich.table import Table
from sqlalchemy import select

from benchmarks.correctness import Verdict
from benchmarks.engine import Stretch
from benchmarks.simulated import SimulatorProcess
from fetcher.store.schema import observations
from fetcher.wiring import Parts

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Figures:
    """What a pass over ``packages`` came to."""

    name: str
    packages: int
    stretch: Stretch
    extra_pages: int
    """Pages of contributors beyond the first, of those lists that were asked for."""
    verdict: Verdict
    moved: int = 0
    released: int = 0

    @property
    def graphql(self) -> float:
        """Points of GraphQL's quota a package."""
        return self.stretch.counted.points.get("graphql", 0) / self.packages

    @property
    def rest_points(self) -> int:
        return self.stretch.counted.points.get("core", 0)

    @property
    def rest(self) -> float:
        """Points of REST's quota a package, without contributors' pages beyond the first."""
        return (self.rest_points - self.extra_pages) / self.packages

    @property
    def rest_per_moved(self) -> float | None:
        return self.rest_points / self.moved if self.moved else None

    @property
    def pypi(self) -> int:
        return self.stretch.counted.asked("pypi")

    @property
    def roots(self) -> int:
        return self.stretch.counted.asked("pypi", "simple_root")

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.stretch.cpu / self.packages

    @property
    def differences(self) -> int:
        return sum(self.verdict.differences.values())


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure of the pass called ``of`` that may be at most ``most``, in catalogues of ``least`` packages or more."""

    of: str
    what: str
    figure: Callable[[Figures], float]
    most: Callable[[Figures], float]
    least: int = 0


def at_most(most: float) -> Callable[[Figures], float]:
    return lambda _: most


def extra_pages(parts: Parts, simulator: SimulatorProcess) -> int:
    """Pages beyond the first of the contributors' lists that were asked for, by what the lists hold.

    Not by counting requests: a page asked for twice must show in the figures, not be forgiven.
    """
    asked = {name.lower() for name in simulator.packages_asked("contributors")}
    if not asked:
        return 0
    with parts.engine.connect() as connection:
        rows = connection.execute(select(observations.c.full_name, observations.c.contributors)).all()
    lengths = (len(row.contributors or ()) for row in rows if (row.full_name or "").lower() in asked)
    return sum(max(0, math.ceil(length / _PAGE) - 1) for length in lengths)


def passes_table(title: str, found: Iterable[Figures]) -> Table:
    """A row a pass."""
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("pass")
    for column in (
        "packages",
        "GraphQL points\na package",
        "REST points\na package*",
        "further\npages",
        "REST points\na moved one",
        "PyPI: root\n+ projects",
        "limits\ntripped",
        "asked while\ntold to wait",
        "seconds",
        "worker CPU\nms a package",
        "differences\n/ checked",
    ):
        table.add_column(column, justify="right")
    for one in found:
        counted = one.stretch.counted
        table.add_row(
            one.name,
            f"{one.packages:,}",
            f"{one.graphql:.4f}",
            f"{one.rest:.3f}",
            f"{one.extra_pages:,}",
            "" if one.rest_per_moved is None else f"{one.rest_per_moved:.2f}",
            f"{one.roots} + {one.pypi - one.roots:,}",
            str(counted.tripped),
            str(counted.asked_while_waiting),
            f"{one.stretch.seconds:.1f}",
            f"{one.cpu_ms:.2f}",
            f"{one.differences} / {one.verdict.checked}",
        )
    return table


def bounds_table(found: Collection[Figures], bounds: Iterable[Bound]) -> Table:
    """Each bound beside what was measured."""
    table = Table(title="Bounds", title_justify="left")
    for column in ("pass", "figure"):
        table.add_column(column)
    for column in ("measured", "at most", "met"):
        table.add_column(column, justify="right")
    for bound in bounds:
        for one in found:
            if one.name != bound.of or one.packages < bound.least:
                continue
            value, most = bound.figure(one), bound.most(one)
            met = "[green]yes[/]" if value <= most else "[red]NO[/]"
            table.add_row(f"{one.name} ({one.packages:,})", bound.what, f"{value:,.4g}", f"{most:,.4g}", met)
    return table


def told_differences(found: Iterable[Figures]) -> list[str]:
    """Which fields differ, where any does; and how many oldest weeks are still short, as documented."""
    lines = [
        f"{one.name}: differs in {', '.join(f'{field} ({count})' for field, count in one.verdict.differences.items())}"
        for one in found
        if one.differences
    ]
    lines += [
        f"{one.name}: the oldest week is still short in {one.verdict.oldest} of {one.verdict.checked} (as documented)"
        for one in found
        if one.verdict.oldest
    ]
    return lines
