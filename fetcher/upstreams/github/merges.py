"""Whether participation counts merge commits: compared package by package, concluded for all. Pure.

GitHub documents that its statistics leave merges out; recorded answers show participation counting them. The live
upstream decides: its figures are compared with a history whose merges are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from fetcher.domain.commit_weeks import commit_days, rolling_weeks
from fetcher.domain.model import Commit
from fetcher.ports import Marker

MERGES = "merges"
"""The marker of the finding: its ``outcome`` is in force, its ``message`` tells by which packages."""

SAMPLE = 5
"""Packages of one check by a worker."""

_LATE = (0, 1)
"""Days by which GitHub's week may end earlier than ours: recorded answers ended on the Pacific date."""


class Merges(StrEnum):
    """What a comparison of participation with the history found."""

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
    """Why nothing was decided."""


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
    """Return what all comparisons together state: packages that contradict each other decide nothing."""
    found = {one.found for one in comparisons} - {Merges.UNDECIDED}
    return found.pop() if len(found) == 1 else Merges.UNDECIDED


def describe(comparisons: Sequence[Comparison]) -> str:
    """Return which packages said what, on one line."""
    if not comparisons:
        return "no package could be compared"
    said: dict[str, list[str]] = {}
    for one in comparisons:
        said.setdefault(one.found if not one.reason else f"{one.found} ({one.reason})", []).append(one.slug)
    return "; ".join(f"{found}: {', '.join(slugs)}" for found, slugs in said.items())


def counts_merges(finding: Marker) -> bool:
    """Return whether merges count: they do until a check has found otherwise."""
    return finding.outcome != Merges.WITHOUT


def in_force(finding: Marker, concluded: Merges) -> Merges:
    """Return the finding by which weeks are counted from now on: a check that decides nothing changes nothing."""
    if concluded is not Merges.UNDECIDED or finding.outcome is None:
        return concluded
    return Merges(finding.outcome)
