"""Operators' pauses: work that an operator has stopped for a while, with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fetcher.domain.errors import PausedWork
from fetcher.domain.formatting import ago
from fetcher.domain.model import Purpose

RESUME = "`fetcher resume` ends the pause"


class PauseScope(StrEnum):
    """The work that a pause stops."""

    BACKGROUND = "background"
    """Planned work: no package is claimed, queued batches are given back, and no row of a site is written."""
    ALL = "all"
    """Manual refreshes and passes as well: no request is sent to any upstream."""


@dataclass(frozen=True, slots=True)
class OperatorPause:
    """A pause by an operator, from ``since`` to ``until``; without ``until`` it lasts until it is resumed."""

    scope: PauseScope
    since: datetime
    until: datetime | None
    reason: str
    actor: str
    """User who paused."""

    @property
    def subject(self) -> str:
        return "all work" if self.scope is PauseScope.ALL else "background work"

    @property
    def detail(self) -> str:
        """The scope, the end and the reason, for the audit log."""
        end = "until resumed" if self.until is None else f"until {self.until.isoformat(timespec='seconds')}"
        return f"{self.scope}, {end}: {self.reason}"

    def in_words(self, now: datetime) -> str:
        """Return the scope, the begin, the end, the user and the reason in one line."""
        end = "until `fetcher resume`" if self.until is None else f"ends {ago(self.until, now)}"
        return f"{self.subject} paused {ago(self.since, now)} by {self.actor}, {end}: {self.reason}"


def pause_of(pauses: Iterable[OperatorPause], purpose: Purpose) -> OperatorPause | None:
    """Return the pause that stops requests of ``purpose``, the widest first; ``None`` without one."""
    stops = [one for one in pauses if purpose is Purpose.BACKGROUND or one.scope is PauseScope.ALL]
    return min(stops, key=lambda one: one.scope, default=None)  # "all" sorts before "background"


def refuse_if_paused(pauses: Iterable[OperatorPause], purpose: Purpose, now: datetime) -> None:
    """Raise ``PausedWork`` with the operator's reason if ``pauses`` stop requests of ``purpose``."""
    pause = pause_of(pauses, purpose)
    if pause is not None:
        raise PausedWork(pause.in_words(now), RESUME)
