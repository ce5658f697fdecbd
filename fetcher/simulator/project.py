"""One simulated PyPI project."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from packaging.version import InvalidVersion, Version


class ProjectStatus(StrEnum):
    """The statuses of PEP 792."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"
    DEPRECATED = "deprecated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version with one source distribution; ``version`` may be invalid under PEP 440."""

    version: str
    uploaded_at: datetime
    yanked: bool = False
    yanked_reason: str | None = None
    requires_python: str | None = None

    @property
    def parsed(self) -> Version | None:
        try:
            return Version(self.version)
        except InvalidVersion:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project at one moment; replaced, never changed. Releases are in the order of their upload."""

    name: str
    serial: int
    releases: tuple[Release, ...] = ()
    summary: str = ""
    license: str | None = None
    classifiers: tuple[str, ...] = ()
    project_urls: Mapping[str, str] = field(default_factory=dict)
    status: ProjectStatus = ProjectStatus.ACTIVE
    status_reason: str | None = None

    def latest(self) -> Release | None:
        """Return the newest non-yanked final release, otherwise the newest non-yanked pre-release, by PEP 440's order.

        Without either, return the newest yanked release; without any version of PEP 440, the last upload.
        """
        parsed = [(release.parsed, release) for release in self.releases]
        known = [(version, release) for version, release in parsed if version is not None]
        for candidates in (
            [(v, r) for v, r in known if not r.yanked and not v.is_prerelease],
            [(v, r) for v, r in known if not r.yanked],
            known,
        ):
            if candidates:
                return max(candidates, key=lambda candidate: candidate[0])[1]
        return self.releases[-1] if self.releases else None


def filename(project: str, release: Release) -> str:
    return f"{project.replace('-', '_')}-{release.version}.tar.gz"


def digest(project: str, release: Release) -> str:
    """Return a substitute for the file's SHA-256: stable, and different for each file."""
    return hashlib.sha256(filename(project, release).encode()).hexdigest()
