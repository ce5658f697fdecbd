"""How full GraphQL queries are: how many repositories, heads or pages each one was for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.table import Table

from fetcher.domain.lag import Lag
from fetcher.domain.model import Purpose, Record
from fetcher.domain.outcome import NonValue
from fetcher.http.messages import Answer, Request
from fetcher.upstreams.github.limits import Resource, Route

STATISTICS, HEADS, PAGES = "statistics", "heads", "further pages"
CONNECTIONS = {STATISTICS: 1, HEADS: 2, PAGES: 1}
"""Connections an item, where merges count."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Queries of one kind: how many items each was for."""

    items: tuple[int, ...] = ()

    def points(self, kind: str) -> int:
        """Return what they cost by GitHub's formula: connections divided by 100 and rounded, at least one."""
        return sum(max(1, (CONNECTIONS[kind] * number + 50) // 100) for number in self.items)

    @property
    def mean(self) -> float:
        return sum(self.items) / len(self.items) if self.items else 0.0


@dataclass(slots=True)
class QueryObserver:
    """A ``fetcher.ports.Observer`` that notes the size of every GraphQL query."""

    seen: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def responded(self, request: Request, answer: Answer, outcome: NonValue | None) -> None:
        """See ``fetcher.ports.Observer``."""
        if request.resource is Resource.GRAPHQL and request.body and request.route is not Route.VIEWER:
            variables = json.loads(request.body)["variables"]
            self.seen[_kind(request, variables)].append(_items(variables))

    def changed(self, lags: Sequence[Lag]) -> None:
        """Do nothing."""

    def refreshed(self, purpose: Purpose, packages: int, records: Sequence[Record]) -> None:
        """See ``fetcher.ports.Observer``."""

    def take(self) -> dict[str, Sent]:
        """Return the notes since the last call."""
        taken = {kind: Sent(tuple(items)) for kind, items in self.seen.items()}
        self.seen.clear()
        return taken


def _kind(request: Request, variables: Mapping[str, object]) -> str:
    if request.route is Route.STATISTICS:
        return STATISTICS
    return HEADS if "ids" in variables else PAGES


def _items(variables: Mapping[str, object]) -> int:
    ids = variables.get("ids")
    return len(ids) if isinstance(ids, list) else sum(name[0] in "ni" and name[1:].isdigit() for name in variables)


def queries_table(found: Iterable[tuple[str, Mapping[str, Sent]]]) -> Table:
    """Return a table with one row a pass: queries, items a query and points of each kind."""
    table = Table(title="GraphQL queries: how many, items in each on average, points", title_justify="left")
    table.add_column("pass")
    for kind in CONNECTIONS:
        table.add_column(kind, justify="right")
    for name, sent in found:
        cells = []
        for kind in CONNECTIONS:
            one = sent.get(kind, Sent())
            cells.append(f"{len(one.items):,} x {one.mean:.1f}: {one.points(kind):,}" if one.items else "")
        table.add_row(name, *cells)
    return table
