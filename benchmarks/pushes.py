"""New commits between two passes, by the heads' own contributors, on heads drawn by their activity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sqlalchemy import select

from benchmarks.simulated import SimulatorProcess
from fetcher.store.schema import observations
from fetcher.wiring import Parts

MOST_COMMITS = 4
"""Most commits of one push."""
NEWCOMER_EVERY = 5
"""Every fifth moved head has a commit of a new contributor, which GitHub's list confirms a day later."""
_DAYS = 365


@dataclass(frozen=True, slots=True)
class Changes:
    """Changed repositories (full names) and projects (names)."""

    pushed: tuple[str, ...]
    released: tuple[str, ...]

    @property
    def slugs(self) -> frozenset[str]:
        """Return the changed packages: the simulator names a package, its repository and its project alike."""
        return frozenset({name.rpartition("/")[2] for name in self.pushed} | set(self.released))


def push_anywhere(upstreams: SimulatorProcess, seed: int, *, heads: float = 0.05, releases: float = 0.02) -> Changes:
    """Move a share of all heads, active in the last year or not, by their busiest contributor."""
    changed = upstreams.act("churn", heads=heads, releases=releases, seed=seed)
    found = Changes(tuple(changed["pushed"]), tuple(changed["released"]))
    _add_newcomers(upstreams, found.pushed, seed)
    return found


def push_where_active(
    upstreams: SimulatorProcess, parts: Parts, seed: int, *, heads: float = 0.05, releases: float = 0.02
) -> Changes:
    """Move a share of all heads, drawn by their commits of the last year.

    The weight of a head with n commits a year is the chance that one of n commits, spread over the year, falls on a
    day. The author of a push is drawn by contributions.
    """
    rng = Random(seed)  # noqa: S311 - chooses invented packages
    released = upstreams.act("churn", heads=0, releases=releases, seed=seed)["released"]
    columns = (observations.c.full_name, observations.c.contributors, observations.c.day_counts)
    with parts.store.engine.connect() as connection:
        rows = connection.execute(select(*columns).order_by(observations.c.package_id)).all()
    keys: dict[str, float] = {}
    people: dict[str, list[tuple[str, int]]] = {}
    for row in rows:
        commits = sum(row.day_counts or ())
        if commits and row.contributors:
            # Efraimidis and Spirakis: the largest keys are a sample without replacement by these weights.
            keys[row.full_name] = rng.random() ** (1 / -math.expm1(-commits / _DAYS))
            people[row.full_name] = [(login, number) for login, number in row.contributors]
    chosen = sorted(keys, key=lambda name: -keys[name])[: round(heads * len(rows))]
    for name in chosen:
        logins, weights = zip(*people[name], strict=True)
        author = rng.choices(logins, weights)[0]
        upstreams.act("push", target=name, commits=rng.randint(1, MOST_COMMITS), login=author)
    _add_newcomers(upstreams, chosen, seed)
    return Changes(tuple(chosen), tuple(released))


def _add_newcomers(upstreams: SimulatorProcess, names: Sequence[str], seed: int) -> None:
    for name in names[::NEWCOMER_EVERY]:
        upstreams.act("push", target=name, login=f"newcomer-{seed}")
