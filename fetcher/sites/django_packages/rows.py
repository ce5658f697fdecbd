"""Statements that read the site's packages, and their rows as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Select, Text, cast, column, func, literal, select, table
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import FromClause

from fetcher.domain.model import WEEKS_SHOWN, CatalogueEntry, DocumentValues
from fetcher.domain.sites import SiteRow
from fetcher.sites.django_packages.layout import PACKAGE, VERSION, Layout


def fingerprints(layout: Layout) -> Select[Any]:
    """Select the id of every package and a hash of the columns that are read."""
    package, version, joined = _tables(layout)
    values = [package.c[name] for name in layout.read] + [version.c[name] for name in _of_version(layout)]
    return select(package.c.id, func.hashtextextended(cast(func.row(*values), Text), 0)).select_from(joined)


def packages(layout: Layout, ids: Sequence[int] | None) -> Select[Any]:
    """Select packages with their latest version, ordered by id."""
    package, version, joined = _tables(layout)
    listed = (version.c[name].label(f"version_{name}") for name in _of_version(layout))
    found = select(*(package.c[name] for name in layout.read), *listed).select_from(joined).order_by(package.c.id)
    return found if ids is None else found.where(package.c.id == func.any(literal(list(ids), ARRAY(BigInteger))))


def locked(layout: Layout, ids: Sequence[int]) -> Select[Any]:
    """Select packages as ``packages`` does, locked against other writers; rows that another one holds are left out."""
    package = table(PACKAGE).alias("p")
    return packages(layout, ids).with_for_update(key_share=True, skip_locked=True, of=package)


def row_of(found: Sequence[Any], layout: Layout, known: SiteRow | None = None) -> SiteRow:
    """Return a selected row as a value: ``known`` itself if it has the same columns."""
    columns = dict(zip(layout.read, found, strict=False))
    names = _of_version(layout)
    version = dict(zip(names, found[len(layout.read) :], strict=True))
    latest = version if version.get("id") is not None else None
    if known is not None and known.columns == columns and known.version == latest:
        return known
    return SiteRow(_entry(columns, latest), columns.get("date_deprecated") is not None, columns, latest)


def _tables(layout: Layout) -> tuple[FromClause, FromClause, FromClause]:
    """Return the package, its latest version, and their join."""
    package = table(PACKAGE, *map(column, layout.read)).alias("p")
    names = _of_version(layout)
    versions = table(VERSION, *map(column, names)).alias("v")
    if not names:
        return package, versions, package
    if "latest_version_id" in layout.read:
        return package, versions, package.outerjoin(versions, versions.c.id == package.c.latest_version_id)
    newest = (
        select(*versions.c)
        .where(versions.c.package_id == package.c.id)
        .order_by(versions.c.id.desc())
        .limit(1)
        .lateral("newest")
    )
    return package, newest, package.outerjoin(newest, literal(True))


def _of_version(layout: Layout) -> tuple[str, ...]:
    return layout.version_read if layout.has_versions else ()


def _entry(columns: Mapping[str, Any], version: Mapping[str, Any] | None) -> CatalogueEntry:
    return CatalogueEntry(
        slug=columns["slug"],
        title=columns["title"],
        id=columns["id"],
        category=columns.get("category_id"),
        repo_url=columns["repo_url"],
        pypi_url=columns["pypi_url"],
        documentation_url=columns["documentation_url"],
        created=columns.get("created"),
        modified=columns.get("modified"),
        observed=_observed(columns, version),
    )


def _observed(columns: Mapping[str, Any], version: Mapping[str, Any] | None) -> DocumentValues:
    """Return the worker's values as the site shows them. Zero counts of a package never fetched are not known."""
    fetched = columns["last_fetched"] is not None
    weeks, people = columns.get("commits_over_52w"), columns["participants"]
    return DocumentValues(
        repo_watchers=_counted(columns["repo_watchers"], fetched=fetched),
        repo_forks=_counted(columns["repo_forks"], fetched=fetched),
        repo_description=columns["repo_description"] or None,
        participants=tuple(login for login in people.split(",") if login) if people else None,
        commits_over_52=tuple(weeks) if weeks and len(weeks) == WEEKS_SHOWN else None,
        last_updated=columns.get("last_commit_date"),
        pypi_version=None if version is None else version["number"],
        last_fetched=columns["last_fetched"],
    )


def _counted(number: int, *, fetched: bool) -> int | None:
    return number if fetched or number else None
