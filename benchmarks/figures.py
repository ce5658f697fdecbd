"""Measurements of one pass, and the bounds that they must meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from rich.table import Table
from sqlalchemy import select

from benchmarks.correctness import Verdict
from benchmarks.engine import Stretch
from benchmarks.queries import Sent
from benchmarks.simulated import SimulatorProcess
from fetcher.store.schema import observations
from fetcher.wiring import Parts

_PAGE = 100
_STATISTICS_A_POINT = 100
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class CatalogueStats:
    """Measurements of a pass over ``packages``."""

    name: str
    packages: int
    stretch: Stretch
    extra_pages: int
    """Pages of contributors beyond the first, over all requested lists."""
    verdict: Verdict
    hour: float
    """Length of GitHub's hour in seconds."""
    queries: Mapping[str, Sent]
    moved: int = 0
    """Heads that have moved since the pass before, or in ``cause``."""
    released: int = 0
    cause: CatalogueStats | None = None
    """The previous day's pass, whose lists this one confirms; costs are then given for both together."""

    @property
    def graphql_points(self) -> int:
        return self.stretch.counted.points.get("graphql", 0)

    @property
    def graphql(self) -> float:
        """Return the GraphQL points a package."""
        return self.graphql_points / self.packages

    @property
    def rest_points(self) -> int:
        return self.stretch.counted.points.get("core", 0)

    @property
    def rest(self) -> float:
        """Return the REST points a package, with those of ``cause``, without contributors' pages beyond the first."""
        before = self.cause.rest if self.cause else 0.0
        return (self.rest_points - self.extra_pages) / self.packages + before

    @property
    def rest_per_moved(self) -> float | None:
        """Return the REST points a moved package, of this pass and ``cause``."""
        before = self.cause.rest_points if self.cause else 0
        return (self.rest_points + before) / self.moved if self.moved else None

    @property
    def graphql_per_moved(self) -> float | None:
        """Return the GraphQL points a moved package beyond the statistics of all, of this pass and ``cause``."""
        found = [self, self.cause] if self.cause else [self]
        beyond = sum(one.graphql_points - one.packages / _STATISTICS_A_POINT for one in found)
        return beyond / self.moved if self.moved else None

    @property
    def minutes(self) -> float:
        """Return the minutes of GitHub's time."""
        return self.stretch.elapsed.total_seconds() / self.hour * 60

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
    """Largest allowed value ``most`` of a pass ``of``, in catalogues of ``least`` to ``largest`` packages."""

    of: str
    what: str
    figure: Callable[[CatalogueStats], float]
    most: Callable[[CatalogueStats], float]
    least: int = 0
    largest: int = 10**9


def at_most(most: float) -> Callable[[CatalogueStats], float]:
    return lambda _: most


def extra_pages(parts: Parts, simulator: SimulatorProcess) -> int:
    """Return the pages beyond the first of the requested contributors' lists, computed from the lists' lengths.

    Requests are not counted, because a page requested twice must show in the result.
    """
    asked = {name.lower() for name in simulator.packages_asked("contributors")}
    if not asked:
        return 0
    with parts.store.engine.connect() as connection:
        rows = connection.execute(select(observations.c.full_name, observations.c.contributors)).all()
    lengths = (len(row.contributors or ()) for row in rows if (row.full_name or "").lower() in asked)
    return sum(max(0, math.ceil(length / _PAGE) - 1) for length in lengths)


def passes_table(title: str, found: Iterable[CatalogueStats]) -> Table:
    """Build a table with a row a pass."""
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("pass")
    for column in (
        "packages",
        "GraphQL points\na package",
        "REST points\na package*",
        "further\npages",
        "a moved one\nREST",
        "a moved one\nGraphQL",
        "PyPI: root\n+ projects",
        "limits\ntripped",
        "requests in\na pause",
        "answered\n202",
        "GitHub's\nminutes",
        "worker CPU\nms a package",
        "differences, un-\nconfirmed / checked",
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
            _maybe(one.rest_per_moved),
            _maybe(one.graphql_per_moved),
            f"{one.roots} + {one.pypi - one.roots:,}",
            str(counted.tripped),
            str(counted.asked_while_waiting),
            str(counted.not_ready),
            f"{one.minutes:.1f}" if one.minutes < _DAY else "",
            f"{one.cpu_ms:.2f}",
            f"{one.differences}, {one.verdict.unconfirmed} / {one.verdict.checked}",
        )
    return table


def _maybe(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.3f}"


def bounds_table(found: Collection[CatalogueStats], bounds: Iterable[Bound]) -> Table:
    """Build a table of each bound beside the measured value."""
    table = Table(title="Bounds", title_justify="left")
    for column in ("pass", "figure"):
        table.add_column(column)
    for column in ("measured", "at most", "met"):
        table.add_column(column, justify="right")
    for bound in bounds:
        for one in found:
            if one.name != bound.of or not bound.least <= one.packages <= bound.largest:
                continue
            value, most = bound.figure(one), bound.most(one)
            met = "[green]yes[/]" if value <= most else "[red]NO[/]"
            table.add_row(f"{one.name} ({one.packages:,})", bound.what, f"{value:,.4g}", f"{most:,.4g}", met)
    return table


def told_differences(found: Iterable[CatalogueStats]) -> list[str]:
    """Return a line with the differing fields for each pass that differs."""
    return [
        f"{one.name}: differs in {', '.join(f'{field} ({count})' for field, count in one.verdict.differences.items())}"
        for one in found
        if one.differences
    ]
