"""Hosts of repositories: the software that they run, and how this is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

FIRST_PAUSE: Final = timedelta(hours=1)
"""Pause after the first failed detection of a host; each further failure doubles it."""

LONGEST_PAUSE: Final = timedelta(days=7)

RECHECK: Final = timedelta(days=30)
"""Time after which a detected host is detected again, because an operator may have replaced its software."""


class ForgeKind(StrEnum):
    """The software of a host. ``GIT``: only git's own protocol is used."""

    GITLAB = "gitlab"
    FORGEJO = "forgejo"
    """Forgejo and Gitea."""
    BITBUCKET = "bitbucket"
    GIT = "git"


class KnownBy(StrEnum):
    """The origin of the knowledge of a host's kind, in descending order of precedence."""

    EDITOR = "editor"
    """An editor stated it: ``repo_host`` of an imported document, or `fetcher add --forge`."""
    SETTINGS = "settings"
    WELL_KNOWN = "well_known"
    DETECTED = "detected"
    ASSUMED = "assumed"
    """Not detected: git, which works with every kind."""


WORDS: Final = {
    "gitlab": ForgeKind.GITLAB,
    "forgejo": ForgeKind.FORGEJO,
    "gitea": ForgeKind.FORGEJO,
    "codeberg": ForgeKind.FORGEJO,
    "bitbucket": ForgeKind.BITBUCKET,
    "sourcehut": ForgeKind.GIT,
    "git": ForgeKind.GIT,
}
"""Editors' words for a forge's kind, in lower case. ``github`` is missing: GitHub is configured by its settings."""

WITHDRAWN: Final = "auto"
"""The word of `fetcher add --forge` that withdraws the stated kind of a host."""


@dataclass(frozen=True, slots=True)
class StoredForge:
    """A host of the catalogue's repositories, as stored. ``kind`` is ``None`` until it is stated or detected."""

    host: str
    kind: ForgeKind | None = None
    known_by: KnownBy | None = None
    """``EDITOR`` or ``DETECTED``; ``None`` without a kind."""
    known_at: datetime | None = None
    due_at: datetime | None = None
    """Time of the next detection; ``None`` if none is needed."""
    failures: int = 0
    """Failed detections since the last good one."""
    message: str | None = None
    """Result of the last detection in words."""

    def is_due(self, now: datetime) -> bool:
        """Return whether the host is to be detected: never detected or stated, or its next detection is due."""
        return self.kind is None if self.due_at is None else self.due_at <= now


def detected(forge: StoredForge, kind: ForgeKind, sign: str, now: datetime) -> StoredForge:
    """Return the host after a detection. An editor's word stays.

    A detected forge stays as well if the host shows no sign of one now, because a proxy may have hidden it.
    """
    again = now + RECHECK
    hidden = kind is ForgeKind.GIT and forge.kind not in {None, ForgeKind.GIT}
    if forge.known_by is KnownBy.EDITOR or hidden:
        return replace(forge, due_at=again, failures=0, message=sign)
    return StoredForge(forge.host, kind, KnownBy.DETECTED, now, again, 0, sign)


def not_detected(forge: StoredForge, reason: str, now: datetime) -> StoredForge:
    """Return the host after a failed detection: its kind stays, and the next one is due after a growing pause."""
    pause = min(FIRST_PAUSE * 2 ** min(forge.failures, 10), LONGEST_PAUSE)
    return replace(forge, due_at=now + pause, failures=forge.failures + 1, message=reason)


def stated(forge: StoredForge, kind: ForgeKind | None, now: datetime) -> StoredForge:
    """Return the host with an editor's word for its kind. ``None`` withdraws a word: the host is to be detected."""
    if kind is not None:
        return forge if is_stated(forge, kind) else replace(forge, kind=kind, known_by=KnownBy.EDITOR, known_at=now)
    return StoredForge(forge.host) if forge.known_by is KnownBy.EDITOR else forge


def is_stated(forge: StoredForge, kind: ForgeKind | None) -> bool:
    """Return whether an editor has stated this kind, or, for ``None``, none."""
    word = forge.kind if forge.known_by is KnownBy.EDITOR else None
    return word is kind
