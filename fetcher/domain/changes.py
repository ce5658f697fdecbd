"""The change feed: cursors, changes of packages, and the events that they contain. Values and decisions, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from packaging.version import InvalidVersion, Version

from fetcher.domain.model import OutcomeKind, SourceState

_CURSOR = re.compile(r"([0-9a-f]{1,16})-([0-9]{1,18})")

REFUSALS = frozenset(
    {
        OutcomeKind.GONE,
        OutcomeKind.REPLACED,
        OutcomeKind.BLOCKED,
        OutcomeKind.UNAUTHORIZED,
        OutcomeKind.MALFORMED,
    }
)
"""Outcomes with which a source fails, whatever its number of failures."""


class EventType(StrEnum):
    """Events of a package. The values are stored, and receivers of webhooks select by them."""

    ADDED = "package.added"
    UPDATED = "package.updated"
    RELEASE = "release.published"
    FAILING = "package.failing"
    RECOVERED = "package.recovered"
    RETIRED = "package.retired"
    REVIVED = "package.revived"
    REMOVED = "package.removed"


class FeedKind(StrEnum):
    """State of a package in the feed. ``RETIRED`` and ``REMOVED`` are tombstones."""

    ADDED = "added"
    UPDATED = "updated"
    RETIRED = "retired"
    REMOVED = "removed"


TOMBSTONES = frozenset({FeedKind.RETIRED, FeedKind.REMOVED})


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the feed of one database."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.position}"

    def at(self, position: int) -> Cursor:
        return Cursor(self.epoch, position)


def parse_cursor(text: str) -> Cursor | None:
    """Return the cursor written as ``text``; ``None`` for any other text."""
    found = _CURSOR.fullmatch(text)
    return None if found is None else Cursor(found[1], int(found[2]))


@dataclass(frozen=True, slots=True)
class Feed:
    """The extent of the feed: changes after ``floor`` up to ``position`` are stored."""

    epoch: str
    position: int
    floor: int

    @property
    def end(self) -> Cursor:
        """The cursor after the newest change."""
        return Cursor(self.epoch, self.position)

    @property
    def start(self) -> Cursor:
        """The cursor before the oldest stored change."""
        return Cursor(self.epoch, self.floor)

    def holds(self, cursor: Cursor) -> bool:
        """Return whether every change after ``cursor`` is stored."""
        return cursor.epoch == self.epoch and self.floor <= cursor.position <= self.position


@dataclass(frozen=True, slots=True)
class Change:
    """The last change of a package, as read after a cursor."""

    package_id: int
    slug: str
    title: str | None
    """``None`` for a removed package."""
    position: int
    at: datetime
    kind: FeedKind
    fields: tuple[str, ...]
    """Fields of the document that changed after the cursor, by name."""
    events: tuple[EventType, ...]
    """Events after the cursor, the oldest first. ``UPDATED`` is one if ``fields`` is not empty."""
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of the feed in its order. Each package is in it once, with its newest state."""

    feed: Feed
    after: Cursor
    changes: tuple[Change, ...]
    more: bool

    @property
    def next(self) -> Cursor:
        """The cursor of the following page; of an empty page, the one that it was requested with."""
        return self.after.at(self.changes[-1].position) if self.changes else self.after


def kind_of(*, removed: bool, retired: bool, events: Iterable[EventType]) -> FeedKind:
    """Return the kind of a change by the package's state and the events after the cursor."""
    if removed:
        return FeedKind.REMOVED
    if retired:
        return FeedKind.RETIRED
    return FeedKind.ADDED if EventType.ADDED in events else FeedKind.UPDATED


def events_in(marks: Mapping[str, int], after: int) -> tuple[EventType, ...]:
    """Return the events after position ``after``, the oldest first.

    ``marks`` has the position of the last change of each field and of each event. A change of fields is the event
    ``UPDATED`` unless the package was added with it.
    """
    newer = {name: position for name, position in marks.items() if position > after}
    events = {EventType(name): position for name, position in newer.items() if name in _EVENTS}
    fields = [position for name, position in newer.items() if name not in _EVENTS]
    if fields and max(fields) != events.get(EventType.ADDED):
        events[EventType.UPDATED] = max(fields)
    order = list(EventType)
    return tuple(sorted(events, key=lambda one: (events[one], order.index(one))))


_EVENTS = frozenset(EventType)


def fields_in(marks: Mapping[str, int], after: int, order: Iterable[str]) -> tuple[str, ...]:
    """Return the fields that changed after position ``after``, in the given order and then by name."""
    changed = {name for name, position in marks.items() if position > after and name not in _EVENTS}
    known = [name for name in order if name in changed]
    return (*known, *sorted(changed.difference(known)))


def fails(state: SourceState) -> bool:
    """Return whether a source fails. A list that is too large is stored as blocked without a failure, and does not."""
    return state.failures > 0 or (state.outcome in REFUSALS and state.outcome is not OutcomeKind.BLOCKED)


def turn(before: Iterable[SourceState], after: Iterable[SourceState]) -> EventType | None:
    """Return the event of a package whose sources were ``before`` and are ``after``, or ``None``."""
    failed, now_fails = any(map(fails, before)), any(map(fails, after))
    if failed == now_fails:
        return None
    return EventType.FAILING if now_fails else EventType.RECOVERED


def is_release(before: str | None, after: str | None) -> bool:
    """Return whether a newer version than the one shown before was published. The first one known is none."""
    if not before or not after or before == after:
        return False
    try:
        return Version(after) > Version(before)
    except InvalidVersion:
        return True


_TOLD = {
    EventType.ADDED: "added",
    EventType.RELEASE: "new release",
    EventType.FAILING: "fetching fails",
    EventType.RECOVERED: "fetching works again",
    EventType.RETIRED: "retired",
    EventType.REVIVED: "revived",
    EventType.REMOVED: "removed",
}
"""Events in words. A change of fields is described by their names."""


def change_in_words(change: Change) -> str:
    """Describe a change in some words, as the title of a feed's entry."""
    if change.kind in TOMBSTONES:
        return str(change.kind)
    if EventType.RELEASE in change.events and change.version:
        return f"version {change.version}"
    return ", ".join(_told(change)) or ", ".join(change.fields) or "updated"


def change_in_detail(change: Change) -> str:
    """Describe a change with all of its events and fields."""
    fields = [f"changed: {', '.join(change.fields)}"] if change.fields else []
    return "; ".join([*_told(change), *fields]) or str(change.kind)


def _told(change: Change) -> list[str]:
    return [_TOLD[event] for event in change.events if event in _TOLD]
