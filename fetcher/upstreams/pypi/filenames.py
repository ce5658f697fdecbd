"""Assignment of files to releases by file name, because Simple's files carry no version.

``packaging.utils`` reads wheels and sdists of valid versions. An index also has eggs, installers, RPMs and sdists whose
versions are not PEP 440, and whose names have no grammar. A name is therefore matched with the project's name and, from
Simple 1.1 on, with the list of its versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.utils import canonicalize_name
from packaging.version import Version

SUFFIXES = (
    ".tar.gz",
    ".tar.bz2",
    ".tar.xz",
    ".tar.Z",
    ".tgz",
    ".zip",
    ".egg",
    ".whl",
    ".exe",
    ".msi",
    ".rpm",
    ".deb",
    ".dmg",
)
_TAIL = re.compile(r"-py\d.*|\.(?:win|linux|macosx)[-\d_.].*|(?:-\d+)?\.(?:noarch|src|i[3-6]86|x86_64)$", re.IGNORECASE)
"""Suffix after the version in names of eggs, installers, dumb archives and RPMs."""
_LONGEST_NAME = 512
_LONGEST_VERSION = 128


def parse_version(number: str) -> Version | None:
    """Return ``number`` as a PEP 440 version, or ``None`` for a legacy one."""
    if len(number) > _LONGEST_VERSION:
        return None
    try:
        return Version(number)
    except ValueError:
        return None


class KnownVersions:
    """One project's releases, matched with its files' names and extended by releases known only from a file."""

    def __init__(self, project: str, numbers: Iterable[str]) -> None:
        self._project = canonicalize_name(project)
        self._by_version: dict[Version, str] = {}
        self._numbers: dict[str, None] = {}
        for number in numbers:
            self._learn(number)
        self._listed = bool(self._numbers)

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(self._numbers)

    def release_of(self, filename: str) -> str | None:
        """Return the release number that ``filename`` belongs to, in the index's spelling, or ``None`` for junk."""
        rest = self._after_project(filename) if len(filename) <= _LONGEST_NAME else None
        if not rest:
            return None
        if filename.endswith(".whl"):
            rest = rest.split("-")[0].replace("_", "-")
        for candidate in (rest, _TAIL.sub("", rest)):
            known = self._spelt(candidate)
            if known is not None or parse_version(candidate) is not None:
                return known or self._learn(candidate)
        return self._prefix(rest) or self._learn(_TAIL.sub("", rest) or rest)

    def _after_project(self, filename: str) -> str | None:
        """Return the part between the project's name, which may contain dashes, and the suffix."""
        suffix = next((s for s in SUFFIXES if filename.endswith(s)), None)
        if suffix is None:
            return None
        parts = filename.removesuffix(suffix).split("-")
        for end in range(1, len(parts)):
            if canonicalize_name("-".join(parts[:end])) == self._project:
                return "-".join(parts[end:])
        return None

    def _spelt(self, text: str) -> str | None:
        if text in self._numbers:
            return text
        version = parse_version(text)
        return self._by_version.get(version) if version is not None else None

    def _prefix(self, rest: str) -> str | None:
        """Return the longest listed number at the start of ``rest``, or ``None`` without a list."""
        if not self._listed:
            return None
        ends = [match.start() for match in re.finditer(r"[-.]", rest)]
        return next((found for end in reversed(ends) if (found := self._spelt(rest[:end]))), None)

    def _learn(self, number: str) -> str:
        version = parse_version(number)
        if version is not None:
            self._by_version.setdefault(version, number)
        self._numbers[number] = None
        return number
