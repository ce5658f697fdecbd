"""Read models that the command line and the web pages render: a package's fields, and failures by kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fetcher.domain.formatting import failure_kind
from fetcher.domain.model import FailureRow, RepoRef, Source, SourceState, StoredPackage, Unsupported


@dataclass(frozen=True, slots=True)
class PackageField:
    """A value of a package. Without a ``source``, an editor stated it."""

    name: str
    value: str | int | tuple[str, ...] | None
    source: Source | None = None
    answered_at: datetime | None = None
    """Time of the source's last successful fetch."""
    link: str | None = None
    """HTTP address that the value may link to."""
    upstream: str | None = None
    """Name of the upstream that serves the source."""
    moment: datetime | None = None
    """The value as a time, for renderers that show an age."""


def package_fields(package: StoredPackage, document: Mapping[str, Any]) -> list[PackageField]:
    """Return the fields of ``package``, unknown ones with an empty value. ``document`` is its v4 document."""
    entry, stats, versions, weeks = package.entry, package.stats, package.versions, document["commits_over_52"]

    def field(name: str, value: Any, source: Source | None, **more: Any) -> PackageField:
        state = package.states.get(source) if source else None
        if state is None:
            return PackageField(name, value, source, **more)
        return PackageField(name, value, source, state.answered_at, upstream=state.upstream, **more)

    committed_at = stats.head_committed_at if stats else package.observed.last_updated
    documented_by = None if entry.documentation_url or Source.INDEX not in package.states else Source.INDEX
    documentation = document["documentation_url"]
    return [
        field("repository", _address(package.repo, entry.repo_url), None, link=_link(entry.repo_url)),
        field("stars", document["repo_watchers"], Source.REPOSITORY),
        field("forks", document["repo_forks"], Source.REPOSITORY),
        field("watchers", stats.watchers if stats else None, Source.REPOSITORY),
        field("description", document["repo_description"], Source.REPOSITORY),
        field("last commit", document["last_updated"], Source.REPOSITORY, moment=committed_at),
        field("default branch", stats.default_branch if stats else None, Source.REPOSITORY),
        field("flags", _flags(package), Source.REPOSITORY),
        field("participants", tuple(document["participants"]), Source.CONTRIBUTORS),
        field("commits in 52 weeks", sum(weeks) if weeks else None, Source.COMMITS),
        field("project", _address(package.project, entry.pypi_url), None),
        field("version", document["pypi_version"], Source.INDEX),
        field("releases", _releases(package), Source.INDEX),
        field("status", versions.status if versions else None, Source.INDEX),
        field("licence", versions.info.licence if versions and versions.info else None, Source.INDEX),
        field("documentation", documentation, documented_by, link=_link(documentation)),
    ]


def provenance(field: PackageField) -> str:
    """Return the origin of a value: the source and its upstream, or the editors."""
    if field.source is None:
        return "editors"
    return f"{field.source} ({field.upstream})" if field.upstream else field.source.value


def failing_sources(states: Iterable[SourceState]) -> list[SourceState]:
    """Return the sources whose last fetch failed, sorted by source."""
    return sorted((state for state in states if state.failures), key=lambda state: state.source)


def failures_by_kind(rows: Iterable[FailureRow]) -> dict[str, list[FailureRow]]:
    """Group failures by their kind, the most frequent kind first."""
    kinds: dict[str, list[FailureRow]] = defaultdict(list)
    for row in rows:
        kinds[failure_kind(row.state)].append(row)
    return dict(sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0])))


def _address(found: RepoRef | str | Unsupported | None, stated: str | None) -> str | None:
    match found:
        case RepoRef():
            moved = stated is not None and found.name.lower() not in stated.lower()
            return f"{stated} (now {found.path})" if moved else stated or found.path
        case Unsupported():
            return f"{stated} – not fetched: {found.reason}"
        case _:
            return found or stated


def _link(address: str | None) -> str | None:
    """Return ``address`` if it is HTTP. Addresses are untrusted, and may have the scheme ``javascript:``."""
    return address if address is not None and address.startswith(("https://", "http://")) else None


def _flags(package: StoredPackage) -> str | None:
    stats = package.stats
    if stats is None:
        return None
    return ", ".join(name for name in ("archived", "disabled", "empty") if getattr(stats, name)) or None


def _releases(package: StoredPackage) -> str | None:
    if package.versions is None:
        return None
    releases = package.versions.releases
    yanked = sum(release.yanked for release in releases)
    return f"{len(releases)}" + (f", {yanked} yanked" if yanked else "")
