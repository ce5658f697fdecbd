"""CPU profiles by part of the program, and the most expensive functions of Fetcher."""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from collections.abc import Mapping
from typing import TypeAlias

from rich.table import Table

Function: TypeAlias = tuple[str, int, str]
Spent: TypeAlias = tuple[int, int, float, float, object]

PARTS = {
    "fetcher/store": "Fetcher: store",
    "fetcher/github": "Fetcher: reading GitHub",
    "fetcher/pypi": "Fetcher: reading PyPI",
    "fetcher/quota": "Fetcher: ledger",
    "fetcher/": "Fetcher: service, dispatcher, transport",
    "/sqlalchemy/": "SQLAlchemy",
    "/httpx/": "httpx, httpcore, h11",
    "/httpcore/": "httpx, httpcore, h11",
    "/h11/": "httpx, httpcore, h11",
    "/redis/": "redis-py",
    "/ijson/": "ijson",
    "/json/": "json",
    "/asyncio/": "asyncio",
    "/selectors.py": "asyncio",
}
_BUILT_IN = {"sqlite3": "SQLite itself", "epoll": "waiting", "json": "json", "scanner": "json"}


def by_part(profile: cProfile.Profile, packages: int) -> Table:
    """Return the microseconds a package of each part's own time, without waiting."""
    spent: Counter[str] = Counter()
    for function, (_, _, own, _, _) in _stats(profile).items():
        spent[_part(function)] += own  # type: ignore[assignment]  # seconds, which a Counter adds as well
    spent.pop("waiting", None)
    whole = sum(spent.values())
    table = Table(title="Where worker CPU goes, nothing changed (cProfile, own time)", title_justify="left")
    table.add_column("part")
    table.add_column("µs a package\n(profiled)", justify="right")
    table.add_column("share", justify="right")
    for part, seconds in spent.most_common():
        table.add_row(part, f"{1e6 * seconds / packages:.0f}", f"{seconds / whole:.0%}")
    return table


def dearest(profile: cProfile.Profile, packages: int, rows: int = 16) -> Table:
    """Return the functions of Fetcher with the most cumulative time."""
    table = Table(title="Fetcher's own functions, cumulative time", title_justify="left")
    table.add_column("function")
    table.add_column("calls", justify="right")
    table.add_column("µs a package\n(profiled)", justify="right")
    mine = [
        (below, calls, f"{path.rpartition('fetcher/')[2]}:{line} {name}")
        for (path, line, name), (_, calls, _, below, _) in _stats(profile).items()
        if "fetcher/" in path and "site-packages" not in path
    ]
    for below, calls, name in sorted(mine, reverse=True)[:rows]:
        table.add_row(name, f"{calls:,}", f"{1e6 * below / packages:.0f}")
    return table


def _stats(profile: cProfile.Profile) -> Mapping[Function, Spent]:
    found: Mapping[Function, Spent] = vars(pstats.Stats(profile))["stats"]
    return found


def _part(function: Function) -> str:
    path, _, name = function
    if path.startswith("~"):
        return next((part for word, part in _BUILT_IN.items() if word in name), "Python's built-ins")
    within = path if "site-packages" in path or "/lib/python" in path else f"fetcher/{path.rpartition('/fetcher/')[2]}"
    return next((part for word, part in PARTS.items() if word in within), "other libraries")
