"""The projection: stored values as columns of the site's row, compared with the live row. Pure.

An unknown value never replaces a known one, an editor's column is never part of it, and a value that is too wide is
left out with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fetcher.catalogue.credentials import without_credentials
from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import Source
from fetcher.domain.sites import ColumnChange, GonePolicy, RowChange, SiteRow, SiteValues
from fetcher.sites.django_packages import scoring
from fetcher.sites.django_packages.layout import DEPRECATION, Layout

UNSERVED = "the repository's host is not served"
NOTHING = "it has neither a repository nor a project"
MOVED = "its address has changed since it was read"
RETIRED = "retired in Fetcher"

UNKNOWN_LICENCE = "UNKNOWN"
"""The site's word for a version without a stated licence."""

_CLEARED = frozenset({"last_commit_date", DEPRECATION})
"""Columns in which an empty value is known: an empty repository has no last commit, and a returned one is current."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Projection on one form of the tables, with the policy for packages whose repository is gone."""

    layout: Layout
    gone: GonePolicy = GonePolicy.TELL

    def compare(self, values: SiteValues, row: SiteRow, now: datetime) -> RowChange:
        """Return the columns in which ``row`` differs, without those that may not be written, and the omissions."""
        omitted: list[str] = []
        wanted = self._fitting(self._wanted(values, row, now), omitted)
        live = row.columns
        changes = [
            ColumnChange(name, live.get(name), value)
            for name, value in wanted.items()
            if name in self.layout.written and live.get(name) != value
        ]
        changes += self._version_changes(values, row, omitted)
        if _advances(values.last_fetched, live.get("last_fetched")) and "last_fetched" in self.layout.written:
            changes.append(ColumnChange("last_fetched", live.get("last_fetched"), values.last_fetched))
        only = len(changes) == 1 and changes[0].column == "last_fetched"
        return RowChange(row, tuple(changes), tuple(omitted), only)

    def _wanted(self, values: SiteValues, row: SiteRow, now: datetime) -> dict[str, Any]:
        """Return the columns that the answered sources determine."""
        live, answered = row.columns, values.answered
        wanted: dict[str, Any] = {}
        if Source.REPOSITORY in answered:
            wanted |= _of_repository(values, live)
        if Source.CONTRIBUTORS in answered and values.logins:
            wanted["participants"] = participants(values.logins)
        if Source.COMMITS in answered:
            wanted |= _of_commits(values, now)
        if Source.INDEX in answered:
            wanted |= _of_project(values, live)
        wanted |= self._deprecation(values, live)
        wanted = {name: value for name, value in wanted.items() if value is not None or name in _CLEARED}
        if answered:
            wanted["score"] = _score({**live, **wanted}, now)
        return wanted

    def _deprecation(self, values: SiteValues, live: Mapping[str, Any]) -> dict[str, Any]:
        """Deprecate a package whose repository is gone, if the policy is to. Undo it when the repository is back."""
        state, date = values.repository, live.get(DEPRECATION)
        if state is None:
            return {}
        if date is None and self.gone is GonePolicy.DEPRECATE and values.is_gone:
            return {DEPRECATION: state.last_failed_at}
        returned = state.failures == 0 and state.answered_at is not None
        if date is not None and returned and date == values.deprecated_by_fetcher:
            return {DEPRECATION: None}
        return {}

    def _fitting(self, wanted: Mapping[str, Any], omitted: list[str]) -> dict[str, Any]:
        """Return the values that fit their columns. A list loses the elements that do not."""
        fitting: dict[str, Any] = {}
        for name, value in wanted.items():
            fits = self._cut(name, value, omitted)
            if fits is not None or value is None:
                fitting[name] = fits
        return fitting

    def _cut(self, name: str, value: Any, omitted: list[str], *, version: bool = False) -> Any:
        width = self.layout.width(name, version=version)
        if width is None:
            return value
        if isinstance(value, list):
            too_wide = [one for one in value if len(one) > width]
            omitted.extend(_too_wide(name, one, width) for one in too_wide)
            return [one for one in value if len(one) <= width] if too_wide else value
        if isinstance(value, str) and len(value) > width:
            omitted.append(_too_wide(name, value, width))
            return None
        return value

    def _version_changes(self, values: SiteValues, row: SiteRow, omitted: list[str]) -> Iterator[ColumnChange]:
        """Yield the columns of the latest version's row that differ; all of them if the site has another latest."""
        wanted = self.version(values, row.columns, omitted)
        if wanted is None or not self.layout.has_versions:
            return
        live = row.version or {}
        same = live.get("number") == wanted["number"]
        for name, value in wanted.items():
            if not same or (name in self.layout.version_updated and differs(name, live.get(name), value)):
                yield ColumnChange(name, live.get(name), value, version=True)

    def version(
        self, values: SiteValues, live: Mapping[str, Any], omitted: list[str] | None = None
    ) -> dict[str, Any] | None:
        """Return the row of the latest version, without keys and times of editing; ``None`` if it is not known."""
        latest = values.latest
        omitted = [] if omitted is None else omitted
        if Source.INDEX not in values.answered or latest is None:
            return None
        number = self._cut("number", latest.number, omitted, version=True)
        if number is None:
            return None
        classifiers = values.classifiers
        names = self._cut("licenses", _licences(values), [], version=True)
        decided = scoring.supports_python3(latest.requires_python, classifiers)
        row: dict[str, Any] = {
            "number": number,
            "license": self._cut("license", names[0] if names else UNKNOWN_LICENCE, [], version=True),
            "licenses": names,
            "upload_time": latest.uploaded_at,
            "development_status": scoring.development_status(classifiers),
            "supports_python3": bool(live.get("supports_python3") if decided is None else decided),
        }
        if classifiers is None:  # the index sends no metadata
            del row["license"], row["licenses"], row["development_status"]
        return {name: value for name, value in row.items() if name in self.layout.version.columns}

    def left_out(self, values: SiteValues, row: SiteRow) -> str | None:
        """Return the reason for which the row is not Fetcher's to write, or ``None``."""
        if values.unserved is not None:
            return UNSERVED
        stored = (values.repo_url or None, values.pypi_url or None)
        if stored != (_address(row, "repo_url"), _address(row, "pypi_url")):
            return MOVED
        if stored == (None, None):
            return NOTHING
        return RETIRED if values.retired else None


def participants(logins: Sequence[str]) -> str:
    """Return the site's list of people. A comma separates logins, so it cannot be part of one."""
    joined = ",".join(logins)
    if joined.count(",") < len(logins):
        return joined
    return ",".join(login.replace(",", " ") for login in logins)


def differs(name: str, live: Any, wanted: Any) -> bool:
    """Return whether to update a column of an existing version. Its upload time is only filled in, and kept."""
    if wanted is None or (name == "upload_time" and live is not None):
        return False
    return bool(live != wanted)


def _score(columns: Mapping[str, Any], now: datetime) -> int:
    return scoring.score(
        columns["repo_watchers"] or 0,
        columns.get("last_commit_date"),
        supports_python3=columns.get("supports_python3"),
        now=now,
    )


def _of_repository(values: SiteValues, live: Mapping[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "repo_watchers": values.stars,
        "repo_forks": values.forks,
        "repo_description": values.description,
    }
    if values.last_committed is not None or values.empty:
        wanted["last_commit_date"] = values.last_committed
    if values.archived and live.get("date_repo_archived") is None:
        wanted["date_repo_archived"] = values.answered[Source.REPOSITORY]
    return wanted


def _of_commits(values: SiteValues, now: datetime) -> dict[str, Any]:
    days = values.commit_days
    weeks = None if days is None else list(rolling_weeks(days, now.date()))
    return {"commits_over_52w": weeks, "commit_count": values.commit_count}


def _of_project(values: SiteValues, live: Mapping[str, Any]) -> dict[str, Any]:
    requires_python = values.latest.requires_python if values.latest is not None else None
    wanted: dict[str, Any] = {"pypi_requires_python": requires_python or None}
    wanted["supports_python3"] = scoring.supports_python3(requires_python, values.classifiers)
    if values.classifiers is not None:
        names = _licences(values)
        wanted |= {"pypi_classifiers": list(values.classifiers), "pypi_licenses": names or None}
        wanted["pypi_license"] = names[0] if names else None
    if values.documentation_url and not live.get("documentation_url"):
        wanted["documentation_url"] = values.documentation_url
    return wanted


def _licences(values: SiteValues) -> list[str]:
    return list(scoring.licences(values.licence_expression, values.licence_text, values.classifiers))


def _address(row: SiteRow, name: str) -> str | None:
    text = row.columns.get(name) or None
    return None if text is None else without_credentials(text)


def _advances(stored: datetime | None, live: datetime | None) -> bool:
    return stored is not None and (live is None or live < stored)


def _too_wide(name: str, value: str, width: int) -> str:
    return f"{name}: {len(value)} characters, and the column holds {width}"
