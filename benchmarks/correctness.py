"""Comparison of Fetcher's stored data with the simulator's for the same day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.simulated import SimulatorProcess
from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import DueReason, RepoRef, Source, StoredPackage
from fetcher.wiring import Parts


@dataclass(frozen=True, slots=True)
class Verdict:
    """Differences by field, over ``checked`` packages."""

    checked: int
    differences: Counter[str]
    unconfirmed: int
    """Packages whose contributors differ in counts or order until GitHub's list confirms them a day later. A missing or
    an extra author is a difference."""


def verify(parts: Parts, simulator: SimulatorProcess, slugs: Iterable[str]) -> Verdict:
    """Compare every field that a refresh writes."""
    differences: Counter[str] = Counter()
    checked = unconfirmed = 0
    for slug in slugs:
        stored = parts.store.packages.get(slug)
        assert stored is not None
        checked += 1
        truth = _truth(simulator, stored)
        fields = set(_repository(truth, stored, _weeks(parts, stored)))
        if "contributors" in fields and truth is not None and _waits_for_list(truth, stored):
            unconfirmed += 1
            fields.discard("contributors")
        differences.update(fields)
        differences.update(_project(simulator, stored))
    return Verdict(checked, differences, unconfirmed)


def _waits_for_list(truth: Mapping[str, Any], stored: StoredPackage) -> bool:
    """Return whether the authors are complete and their order is to be confirmed within a day."""
    state = stored.states.get(Source.CONTRIBUTORS)
    same = set(stored.observed.participants or ()) == set(truth["contributors"])
    return same and state is not None and state.due_reason in (DueReason.SETTLING, DueReason.ORDER)


def _repository(truth: Mapping[str, Any] | None, stored: StoredPackage, weeks: list[int]) -> Iterator[str]:
    stats = stored.stats
    if truth is None or stats is None:
        yield from () if truth is None and stats is None else ("repository missing",)
        return
    told = {
        "stars": (stats.stars, truth["stars"]),
        "forks": (stats.forks, truth["forks"]),
        "watchers": (stats.watchers, truth["subscribers"]),
        "archived": (stats.archived, truth["archived"]),
        "description": (stats.description, truth["description"] or ""),
        "head": (stats.head_oid, truth["head"]),
        "contributors": (list(stored.observed.participants or ()), truth["contributors"]),
        "weeks": (weeks, truth["participation"]),
        "last_fetched": (stored.observed.last_fetched is not None, True),
    }
    yield from (name for name, (ours, theirs) in told.items() if ours != theirs)


def _project(simulator: SimulatorProcess, stored: StoredPackage) -> Iterator[str]:
    if not isinstance(stored.project, str):
        return
    truth, versions = simulator.truth(stored.project), stored.versions
    if truth is None or truth["status"] == "quarantined":
        return  # such a project has no release: the stored version is kept
    if versions is None:
        yield "project missing"
        return
    # Where every release is yanked, PyPI still names one as the latest; ours is the newest that is not yanked.
    latest = truth["latest"] if set(truth["versions"]) - set(truth["yanked"]) else None
    if versions.latest != latest:
        yield "version"
    if {release.number for release in versions.releases} != set(truth["versions"]):
        yield "releases"


def _weeks(parts: Parts, stored: StoredPackage) -> list[int]:
    if stored.commit_days is None:
        return []
    return list(rolling_weeks(stored.commit_days, parts.clock.now().date()))


def _truth(simulator: SimulatorProcess, stored: StoredPackage) -> Mapping[str, Any] | None:
    repo = stored.repo
    return simulator.truth(f"{repo.owner}/{repo.name}") if isinstance(repo, RepoRef) else None
