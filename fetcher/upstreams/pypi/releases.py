"""A project's releases: their order, the latest one, and the merge of two APIs. Sources: PEP 440, PEP 592."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from packaging.version import Version

from fetcher.domain.model import ProjectVersions, Release
from fetcher.upstreams.pypi.filenames import parse_version

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_LEGACY = Version("0")


@dataclass(frozen=True, slots=True)
class File:
    """The values that one distribution file adds to its release."""

    uploaded_at: datetime | None
    yanked: bool
    yanked_reason: str | None
    requires_python: str | None


def release(number: str, files: Sequence[File]) -> Release:
    """Return one release from its files: uploaded with the first of them, yanked if all of them are."""
    version = parse_version(number)
    times = [file.uploaded_at for file in files if file.uploaded_at is not None]
    yanked = bool(files) and all(file.yanked for file in files)
    return Release(
        number=number,
        uploaded_at=min(times, default=None),
        yanked=yanked,
        yanked_reason=next((f.yanked_reason for f in files if f.yanked_reason), None) if yanked else None,
        requires_python=next((f.requires_python for f in files if f.requires_python), None),
        prerelease=version is not None and version.is_prerelease,
        files=len(files),
    )


def in_order(releases: Iterable[Release]) -> tuple[Release, ...]:
    """Return releases oldest first by PEP 440, preceded by legacy numbers in order of upload time."""
    return tuple(sorted(releases, key=_age))


def latest(releases: Sequence[Release]) -> str | None:
    """Return the number to show: the newest final release, otherwise the newest pre-release, otherwise a legacy one.

    Yanked releases never count. Releases without a file count only if no release has one. ``releases`` are
    ``in_order``. Returns ``None`` if there is none, or all are yanked.
    """
    filed = [one for one in releases if one.files] or list(releases)
    standing = [one for one in filed if not one.yanked]
    finals = [one for one in standing if not one.prerelease and parse_version(one.number) is not None]
    early = [one for one in standing if one.prerelease]
    best = finals or early or standing
    return best[-1].number if best else None


def merge(json: ProjectVersions, simple: ProjectVersions) -> ProjectVersions:
    """Return both APIs' values of one project: JSON's, completed by Simple's status and missing parts.

    The serial is the older of the two, because a merged response is only as fresh as its oldest part.
    """
    releases = in_order(_united(json.releases, simple.releases))
    serials = [serial for serial in (json.serial, simple.serial) if serial is not None]
    return replace(
        json,
        releases=releases,
        latest=latest(releases),
        serial=min(serials, default=None),
        info=json.info or simple.info,
        status=simple.status or json.status,
    )


def is_stale(versions: ProjectVersions, expected_serial: int | None) -> bool:
    """Return whether a CDN edge sent an older state than the root's listing. If so, request it again later."""
    if versions.serial is None or expected_serial is None:
        return False
    return versions.serial < expected_serial


def _age(one: Release) -> tuple[bool, Version, datetime, str]:
    version = parse_version(one.number)
    uploaded = one.uploaded_at or _BEGINNING
    return version is not None, version or _LEGACY, uploaded if version is None else _BEGINNING, one.number


def _united(ours: Sequence[Release], theirs: Sequence[Release]) -> Iterable[Release]:
    """Yield ``ours`` completed from ``theirs``, then the rest of theirs. A number may have two spellings."""
    spelt = {one.number: one for one in ours}
    by_version = {version: one.number for one in ours if (version := parse_version(one.number)) is not None}
    for other in theirs:
        version = parse_version(other.number)
        number = other.number
        if number not in spelt and version is not None:
            number = by_version.get(version, number)
        spelt[number] = _completed(spelt[number], other) if number in spelt else other
    return spelt.values()


def _completed(one: Release, other: Release) -> Release:
    if not one.files:
        return replace(other, number=one.number)
    return replace(
        one,
        uploaded_at=one.uploaded_at or other.uploaded_at,
        yanked_reason=one.yanked_reason or (other.yanked_reason if one.yanked else None),
        requires_python=one.requires_python or other.requires_python,
    )
