"""Conversion between fetched values and columns of ``observations``. Nothing is read or written here."""

from __future__ import annotations

from typing import Any, TypeAlias, assert_never

from sqlalchemy import Row

from fetcher.domain.model import (
    CommitDays,
    Contributors,
    DocumentValues,
    ProjectInfo,
    ProjectMark,
    ProjectStatus,
    ProjectVersions,
    Release,
    RepoStats,
    Values,
)
from fetcher.store.types import plain

Columns: TypeAlias = dict[str, Any]

STATS = (
    "handle",
    "repository_id",
    "full_name",
    "stars",
    "forks",
    "watchers",
    "description",
    "archived",
    "disabled",
    "empty",
    "default_branch",
    "head_oid",
    "head_committed_at",
    "pushed_at",
)
"""Columns with the same names as the fields of ``RepoStats``."""

PROJECT = (
    "pypi_name",
    "pypi_latest",
    "pypi_summary",
    "pypi_classifiers",
    "pypi_licence",
    "pypi_licence_expression",
    "pypi_licence_text",
    "pypi_documentation_url",
    "pypi_status",
    "pypi_serial",
)
DETAILS = ("contributors", "days_start", "day_counts", "commit_count")
FIGURES = ("stars", "forks", "watchers", "pypi_latest")
"""Columns recorded in the daily history."""

FORGOTTEN_REPOSITORY = ("handle", "repository_id", "full_name", "head_oid", "default_branch")
FORGOTTEN_PROJECT = ("pypi_name", "pypi_serial")
"""Columns cleared by a change of address: they identify the repository or project that the values belong to."""


def columns_of(values: Values) -> Columns:
    """Return the columns that ``values`` states; values missing from the response are left out."""
    match values:
        case RepoStats():
            return {name: _clean(getattr(values, name)) for name in STATS}
        case Contributors():
            return {"contributors": [[plain(person.login), person.commits] for person in values.people]}
        case CommitDays():
            return {"days_start": values.start, "day_counts": values.counts, "commit_count": values.total}
        case ProjectVersions():
            return _project_columns(values)
        case ProjectMark():
            return {"pypi_status": values.status.value}
    assert_never(values)


def columns_named(values: Values) -> tuple[str, ...]:
    """Return the columns that values of this type can state."""
    match values:
        case RepoStats():
            return STATS
        case Contributors():
            return ("contributors",)
        case CommitDays():
            return ("days_start", "day_counts", "commit_count")
        case ProjectVersions():
            return PROJECT
        case ProjectMark():
            return ("pypi_status",)
    assert_never(values)


def _project_columns(values: ProjectVersions) -> Columns:
    columns: Columns = {"pypi_name": plain(values.name)}
    if values.latest is not None:
        columns["pypi_latest"] = plain(values.latest)
    if values.serial is not None:
        columns["pypi_serial"] = values.serial
    if values.status is not None:
        columns["pypi_status"] = values.status.value
    if values.info is not None:
        columns["pypi_summary"] = plain(values.info.summary)
        columns["pypi_classifiers"] = [plain(text) for text in values.info.classifiers]
        columns["pypi_licence"] = plain(values.info.licence)
        columns["pypi_licence_expression"] = plain(values.info.licence_expression)
        columns["pypi_licence_text"] = plain(values.info.licence_text)
        columns["pypi_documentation_url"] = plain(values.info.documentation_url)
    return columns


def imported_columns(observed: DocumentValues, contributors: list[Any] | None) -> Columns:
    """Return the columns of the worker's fields in a document; missing or empty fields clear nothing."""
    stated: Columns = {
        "stars": observed.repo_watchers,
        "forks": observed.repo_forks,
        "description": plain(observed.repo_description),
        "head_committed_at": observed.last_updated,
        "pypi_latest": plain(observed.pypi_version),
    }
    if observed.commits_over_52 is not None:
        stated["commits_over_52"] = list(observed.commits_over_52)
    if observed.participants is not None and observed.participants != logins(contributors):
        stated["contributors"] = [[plain(login), None] for login in observed.participants]
    return {name: value for name, value in stated.items() if value is not None}


def logins(contributors: list[Any] | None) -> tuple[str, ...] | None:
    return None if contributors is None else tuple(login for login, _ in contributors)


def stats_of(row: Row[Any]) -> RepoStats | None:
    """Return the repository's statistics of the last response; ``None`` before the first, even with imported values."""
    if row.full_name is None:
        return None
    return RepoStats(**{name: getattr(row, name) for name in STATS})


def versions_of(row: Row[Any], releases: tuple[Release, ...]) -> ProjectVersions | None:
    """Return the project's description of the last response; ``None`` before the first."""
    if row.pypi_name is None:
        return None
    info = None
    if row.pypi_classifiers is not None:
        info = ProjectInfo(
            summary=row.pypi_summary,
            classifiers=tuple(row.pypi_classifiers),
            licence=row.pypi_licence,
            documentation_url=row.pypi_documentation_url,
            licence_expression=row.pypi_licence_expression,
            licence_text=row.pypi_licence_text,
        )
    status = None if row.pypi_status is None else ProjectStatus(row.pypi_status)
    return ProjectVersions(row.pypi_name, row.pypi_latest, releases, row.pypi_serial, info, status)


def observed_of(row: Row[Any]) -> DocumentValues:
    """Return the worker's fields as in a document, except weekly commits computed from the stored days."""
    weeks = row.commits_over_52
    return DocumentValues(
        repo_watchers=row.stars,
        repo_forks=row.forks,
        repo_description=row.description,
        participants=logins(row.contributors),
        commits_over_52=None if weeks is None else tuple(weeks),
        last_updated=row.head_committed_at,
        pypi_version=row.pypi_latest,
        last_fetched=row.last_fetched,
    )


def _clean(value: Any) -> Any:
    return plain(value) if isinstance(value, str) else value
