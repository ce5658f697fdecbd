"""Entries with only some of an editor's fields; missing fields keep their stored values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fetcher.catalogue.addresses import parse_project, repository_name
from fetcher.catalogue.credentials import without_credentials
from fetcher.catalogue.intake.items import Entry, Rejected, as_item


def partial_item(where: str, raw: Mapping[str, Any]) -> Entry | Rejected:
    """Convert a record of a few fields. An absent slug or title is taken from the repository's or project's name."""
    name = _name(raw)
    slug = raw.get("slug") or slugified(name or raw.get("title") or "")
    if not slug:
        return Rejected(where, "slug", "a slug, or a repo_url or pypi_url to take it from", "none")
    item = as_item(where, {**raw, "slug": slug, "title": raw.get("title") or name or slug})
    if isinstance(item, Rejected):
        return item
    return replace(item, entry=replace(item.entry, complete=False, slug_derived=not raw.get("slug"), observed=None))


def slugified(name: str) -> str:
    """Return ``name`` in lower case, with a hyphen for each run of characters invalid in a slug."""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")


def _name(raw: Mapping[str, Any]) -> str | None:
    repository = repository_name(without_credentials(raw.get("repo_url") or ""))
    if repository is not None:
        return repository
    project = parse_project(raw.get("pypi_url"))
    return project if isinstance(project, str) else None
