"""One package as its page shows it: every value with its source and age, and what is drawn of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from markupsafe import Markup

from fetcher.domain.formatting import counted
from fetcher.domain.model import HistoryDay, RepoRef, Source, SourceState, StoredPackage, Unsupported
from fetcher.web.charts import Bar, bars, steps


@dataclass(frozen=True, slots=True)
class Value:
    """A line of the table. ``link`` is an address that a browser may be led to."""

    name: str
    text: str
    source: Source | None = None
    answered_at: datetime | None = None
    link: str | None = None
    moment: datetime | None = None
    """What is shown in place of the text: how long ago that was."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart of the history, and its numbers in words."""

    name: str
    now: int
    said: str
    chart: Markup


def values(package: StoredPackage, document: dict[str, Any]) -> list[Value]:
    """What is known, in the order in which people ask for it."""
    entry, stats, versions = package.entry, package.stats, package.versions

    def told(name: str, value: object, source: Source, link: str | None = None) -> Value:
        state = package.states.get(source)
        return Value(name, "" if value is None else str(value), source, state.answered_at if state else None, link)

    lines = [
        Value("repository", _place(package.repo, entry.repo_url), link=_link(entry.repo_url)),
        told("stars", document["repo_watchers"], Source.GITHUB),
        told("forks", document["repo_forks"], Source.GITHUB),
        told("watchers", stats.watchers if stats else None, Source.GITHUB),
        told("description", document["repo_description"], Source.GITHUB),
        replace(
            told("last commit", document["last_updated"], Source.GITHUB),
            moment=stats.head_committed_at if stats else package.observed.last_updated,
        ),
        told("default branch", stats.default_branch if stats else None, Source.GITHUB),
        told("flags", _flags(package), Source.GITHUB),
        told("participants", len(document["participants"]) or None, Source.CONTRIBUTORS),
        told("commits in 52 weeks", _sum(document["commits_over_52"]), Source.COMMITS),
        Value("project", _place(package.project, entry.pypi_url)),
        told("version", document["pypi_version"], Source.PYPI),
        told("status", versions.status if versions else None, Source.PYPI),
        told("licence", versions.info.licence if versions and versions.info else None, Source.PYPI),
        _documentation(package, document["documentation_url"]),
    ]
    return [line for line in lines if line.text]


def weeks_chart(weeks: Sequence[int], today: date) -> Markup:
    """The 52 weeks as bars, oldest first."""
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


def figures(history: Sequence[HistoryDay], today: date) -> list[Figure]:
    """Stars and forks over time, where any are known."""
    found = []
    for name in ("stars", "forks"):
        points = [(row.day, value) for row in history if (value := getattr(row, name)) is not None]
        if points:
            (first, before), (_, now) = points[0], points[-1]
            turn = "unchanged" if now == before else f"{now - before:+d}"
            said = f"{counted(now, name.removesuffix('s'))}, since {first} {turn}"
            found.append(Figure(name, now, said, steps(points, today, said)))
    return found


def troubles(states: Iterable[SourceState]) -> list[SourceState]:
    """The sources that did not answer when they were last asked."""
    return sorted((state for state in states if state.failures), key=lambda state: state.source)


def _documentation(package: StoredPackage, address: str | None) -> Value:
    state = None if package.entry.documentation_url else package.states.get(Source.PYPI)
    source = Source.PYPI if state else None
    return Value("documentation", address or "", source, state.answered_at if state else None, _link(address))


def _place(found: RepoRef | str | Unsupported | None, stated: str | None) -> str:
    match found:
        case RepoRef():
            moved = stated is not None and found.name.lower() not in stated.lower()
            return f"{stated} (now {found.full_name})" if moved else stated or found.full_name
        case Unsupported():
            return f"{stated} – not fetched: {found.reason}"
        case _:
            return found or stated or ""


def _link(address: str | None) -> str | None:
    """Only what leads to another page: editors' addresses are data, and ``javascript:`` is one, too."""
    return address if address is not None and address.startswith(("https://", "http://")) else None


def _flags(package: StoredPackage) -> str | None:
    stats = package.stats
    if stats is None:
        return None
    return ", ".join(name for name in ("archived", "disabled", "empty") if getattr(stats, name)) or None


def _sum(weeks: Sequence[int]) -> int | None:
    return sum(weeks) if weeks else None
