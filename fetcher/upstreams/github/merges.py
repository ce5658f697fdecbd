"""Comparison of participation with histories, to find whether participation counts merge commits. Pure.

GitHub documents that its statistics leave merges out, but recorded responses show participation counting them. The live
upstream decides: its sums are compared with a history whose merges are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from fetcher.domain.commit_weeks import commit_days, rolling_weeks
from fetcher.domain.model import Commit
from fetcher.ports import Checkpoint

MERGES = "merges"
"""The checkpoint of the finding: its ``outcome`` is in force, its ``message`` lists the packages behind it."""

SAMPLE = 5
"""Packages of one check by a worker."""

_LATE = (0, 1)
"""Days by which GitHub's week may end before the UTC week. Recorded responses ended on the Pacific date."""


class Merges(StrEnum):
    """The result of comparing participation with the history."""

    WITH = "with"
    WITHOUT = "without"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One package's year: the sums of participation and of its history, with and without merges."""

    slug: str
    found: Merges
    stated: int
    with_merges: int
    without_merges: int
    reason: str = ""
    """Reason for an undecided comparison."""


def compare(slug: str, commits: Sequence[Commit], stated: Sequence[int], today: date) -> Comparison:
    """Compare the 52 ``stated`` weeks with those of ``commits``, week by week."""
    days = {merges: commit_days(commits, today, None, merges=merges) for merges in (True, False)}
    said = tuple(stated)
    fits = {
        merges: any(rolling_weeks(counted, today - timedelta(days=late)) == said for late in _LATE)
        for merges, counted in days.items()
    }
    sums = {merges: sum(rolling_weeks(counted, today)) for merges, counted in days.items()}
    match fits[True], fits[False]:
        case True, False:
            found, reason = Merges.WITH, ""
        case False, True:
            found, reason = Merges.WITHOUT, ""
        case True, True:
            found, reason = Merges.UNDECIDED, "no merge in its weeks"
        case _:
            found, reason = Merges.UNDECIDED, "participation fits neither way of counting"
    return Comparison(slug, found, sum(said), sums[True], sums[False], reason)


def conclude(comparisons: Sequence[Comparison]) -> Merges:
    """Return the joint result of all comparisons. Contradicting packages decide nothing."""
    found = {one.found for one in comparisons} - {Merges.UNDECIDED}
    return found.pop() if len(found) == 1 else Merges.UNDECIDED


def describe(comparisons: Sequence[Comparison]) -> str:
    """Return the packages by result, on one line."""
    if not comparisons:
        return "no package could be compared"
    said: dict[str, list[str]] = {}
    for one in comparisons:
        said.setdefault(one.found if not one.reason else f"{one.found} ({one.reason})", []).append(one.slug)
    return "; ".join(f"{found}: {', '.join(slugs)}" for found, slugs in said.items())


def counts_merges(finding: Checkpoint) -> bool:
    """Return whether merges count. They do until a check has found otherwise."""
    return finding.outcome != Merges.WITHOUT


def in_force(finding: Checkpoint, concluded: Merges) -> Merges:
    """Return the finding that applies from now on. An undecided check changes nothing."""
    if concluded is not Merges.UNDECIDED or finding.outcome is None:
        return concluded
    return Merges(finding.outcome)
