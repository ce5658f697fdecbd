"""Fields of a document that a write changes, by the columns before and after it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import CommitDays
from fetcher.store.values import logins

_SHOWN_AS = {
    "stars": "repo_watchers",
    "forks": "repo_forks",
    "head_committed_at": "last_updated",
    "pypi_latest": "pypi_version",
    "commits_over_52": "commits_over_52",
}
"""Fields of the document by the column that they print unchanged."""

_DAYS = frozenset({"days_start", "day_counts"})
_DOCUMENTATION = frozenset({"pypi_name", "pypi_documentation_url"})

EDITED = (
    "slug",
    "title",
    "category",
    "grids",
    "repo_url",
    "pypi_url",
    "documentation_url",
    "created",
    "modified",
)
"""Columns of ``packages`` with the names of the document's fields."""


def observed_fields(
    before: Mapping[str, Any], after: Mapping[str, Any], changed: Iterable[str], today: date
) -> set[str]:
    """Return the worker's fields that differ on ``today`` after the columns ``changed``.

    Commit counts of contributors and the start of the daily counts are not printed, so they change no field.
    """
    found: set[str] = set()
    for name in changed:
        if name in _SHOWN_AS:
            found.add(_SHOWN_AS[name])
        elif name == "description" and (before[name] or "") != (after[name] or ""):
            found.add("repo_description")
        elif name == "contributors" and (logins(before[name]) or ()) != (logins(after[name]) or ()):
            found.add("participants")
        elif name in _DOCUMENTATION and _documentation(before) != _documentation(after):
            found.add("documentation_url")
        elif name in _DAYS and _weeks(before, today) != _weeks(after, today):
            found.add("commits_over_52")
    return found


def edited_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Return the editors' fields that differ, unknown keys of documents included."""
    found = {name for name in EDITED if before[name] != after[name]}
    old, new = before["extra"] or {}, after["extra"] or {}
    return found | {name for name in {*old, *new} if name not in old or name not in new or old[name] != new[name]}


def _documentation(row: Mapping[str, Any]) -> str | None:
    """Return the project's documentation address as the document prints it: only without one of the editors."""
    hidden = row["documented_by_editors"] or row["pypi_name"] is None
    return None if hidden else row["pypi_documentation_url"] or None


def _weeks(row: Mapping[str, Any], today: date) -> tuple[int, ...]:
    if row["days_start"] is None or row["day_counts"] is None:
        return tuple(row.get("commits_over_52") or ())
    return rolling_weeks(CommitDays(row["days_start"], row["day_counts"]), today)
