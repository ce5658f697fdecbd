"""Editors' entries as columns of ``packages``. Pure: the caller supplies the functions that parse addresses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Row

from fetcher.catalogue.credentials import without_credentials
from fetcher.domain.model import CatalogueEntry, DocumentValues, RepoRef, Source, Unsupported
from fetcher.store.types import plain

Columns: TypeAlias = dict[str, Any]
ReadRepo: TypeAlias = Callable[[str | None], RepoRef | Unsupported | None]
ReadProject: TypeAlias = Callable[[str | None], str | Unsupported | None]
Serving: TypeAlias = Callable[[Source, str | None], str | None]
"""The name of the upstream that serves a source, by the repository's host; ``None`` if none does."""

LARGEST_ID = 2**53
"""Largest id accepted: 2**53, beyond any directory's ids. Every JSON reader represents it exactly."""

_STATED = ("category", "grids", "repo_url", "pypi_url", "documentation_url", "created", "modified")
_TEXTS = ("repo_url", "pypi_url", "documentation_url")


class Rejected(Exception):
    """Refusal of one entry; the others are stored. Never raised out of the import."""

    @property
    def reason(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Addresses:
    """The parsed repository and project addresses of an entry."""

    repo: RepoRef | Unsupported | None
    project: str | Unsupported | None

    @property
    def repo_key(self) -> str | None:
        """Key that is equal for all spellings of a repository; for an unsupported address, the address itself."""
        match self.repo:
            case RepoRef():
                return self.repo.key
            case Unsupported():
                return plain(self.repo.address.strip().lower())
            case None:
                return None

    @property
    def project_name(self) -> str | None:
        return self.project if isinstance(self.project, str) else None

    def columns(self) -> Columns:
        repo = self.repo if isinstance(self.repo, RepoRef) else None
        return {
            "repo_host": repo and repo.host,
            "repo_path": repo and repo.path,
            "repo_key": self.repo_key,
            "repo_unsupported": plain(self.repo.reason) if isinstance(self.repo, Unsupported) else None,
            "project": self.project_name,
            "project_unsupported": plain(self.project.reason) if isinstance(self.project, Unsupported) else None,
        }

    def unsupported(self) -> list[str]:
        """Return the reasons for which the repository or the project will not be fetched."""
        return [of.reason for of in (self.repo, self.project) if isinstance(of, Unsupported)]


def check(entry: CatalogueEntry) -> None:
    """Raise ``Rejected`` for an entry that cannot be stored unchanged."""
    if not entry.slug.strip():
        raise Rejected("slug: expected a name, found none")
    if entry.id is not None and not 0 < entry.id <= LARGEST_ID:
        raise Rejected(f"id: expected a whole number from 1 to {LARGEST_ID}, found {entry.id}")
    for name in ("created", "modified"):
        moment = getattr(entry, name)
        if moment is not None and moment.tzinfo is None:
            raise Rejected(f"{name}: expected a time with its zone, found {moment.isoformat()}")
    try:
        json.dumps([entry.category, entry.grids, dict(entry.extra)], allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Rejected(f"unknown or category fields: expected JSON, {error}") from error


def complete_columns(entry: CatalogueEntry, addresses: Addresses) -> Columns:
    """Return every editor's column as the entry states it."""
    stated = {name: getattr(entry, name) for name in _STATED}
    texts = {name: plain(stated[name]) for name in _TEXTS}
    names = {"slug": plain(entry.slug), "title": plain(entry.title)}
    return {**names, **stated, **texts, "extra": dict(entry.extra), **addresses.columns()}


def filled_columns(stored: Mapping[str, Any], stated: Columns) -> Columns:
    """Return the stored columns, updated with the fields that an incomplete entry states.

    Such an entry's slug and title are derived from its address: the slug is ignored, the title fills an empty one.
    """
    columns = {name: stored[name] for name in stated}
    columns |= {name: stated[name] for name in _STATED if stated[name] is not None}
    columns |= {name: without_credentials(columns[name]) for name in _TEXTS if columns[name]}
    columns["title"] = stored["title"] or stated["title"]
    columns["extra"] = {**(stored["extra"] or {}), **stated["extra"]}
    if stated["repo_key"] is not None:
        columns |= {name: value for name, value in stated.items() if name.startswith("repo_")}
    if stated["project"] is not None or stated["project_unsupported"] is not None:
        columns |= {name: stated[name] for name in ("project", "project_unsupported")}
    return columns


def same(stored: Mapping[str, Any], columns: Mapping[str, Any]) -> bool:
    """Return whether all columns are equal, including the order of a document's unknown keys."""
    return all(_equal(stored[name], value) for name, value in columns.items())


def _equal(one: Any, other: Any) -> bool:
    """Compare values as JSON: ``1`` differs from ``1.0`` and ``true``, and a list equals a tuple."""
    if one is None or other is None or isinstance(one, str | datetime):
        return bool(one == other)
    return json.dumps(one) == json.dumps(other)


def entry_of(row: Row[Any]) -> CatalogueEntry:
    """Return the editors' fields of a stored package."""
    stated = {name: getattr(row, name) for name in _STATED}
    return CatalogueEntry(slug=row.slug, title=row.title, id=row.id, extra=row.extra or {}, **stated)


def repo_of(row: Row[Any]) -> RepoRef | Unsupported | None:
    if row.repo_host is not None:
        return RepoRef(row.repo_host, row.repo_path)
    return None if row.repo_unsupported is None else Unsupported(row.repo_url or "", row.repo_unsupported)


def project_of(row: Row[Any]) -> str | Unsupported | None:
    if row.project is not None:
        return str(row.project)
    return None if row.project_unsupported is None else Unsupported(row.pypi_url or "", row.project_unsupported)


def says_anything(observed: DocumentValues | None) -> bool:
    """Return whether a document carries any of the worker's fields."""
    return observed is not None and any(getattr(observed, field.name) is not None for field in fields(observed))
