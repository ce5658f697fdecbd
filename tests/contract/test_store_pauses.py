"""Operators' pauses and the audit log on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.errors import PausedWork
from fetcher.domain.model import Purpose
from fetcher.domain.pauses import OperatorPause, PauseScope, pause_of, refuse_if_paused
from fetcher.store import SqlStore
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import NOW

BACKGROUND = OperatorPause(PauseScope.BACKGROUND, NOW, None, "upgrade", "alice")
EVERYTHING = OperatorPause(PauseScope.ALL, NOW, NOW + HOUR, "GitHub asked", "bob")


def test_a_pause_ends_by_itself_or_by_resume(store: SqlStore) -> None:
    """A pause with an end is over at that time; the other one remains until it is resumed."""
    assert store.pauses.active(NOW) == []
    store.pauses.pause(BACKGROUND)
    store.pauses.pause(EVERYTHING)

    assert store.pauses.active(NOW) == [EVERYTHING, BACKGROUND]
    assert store.pauses.active(NOW + HOUR) == [BACKGROUND]
    assert store.pauses.resume(NOW + HOUR) == [BACKGROUND]
    assert store.pauses.active(NOW) == []


def test_a_second_pause_replaces_the_first(store: SqlStore) -> None:
    """A scope has one pause: the latest."""
    later = OperatorPause(PauseScope.BACKGROUND, NOW + HOUR, NOW + DAY, "longer", "bob")
    store.pauses.pause(BACKGROUND)
    store.pauses.pause(later)

    assert store.pauses.active(NOW) == [later]


def test_what_a_scope_stops() -> None:
    """Manual requests stop only while all is paused; the refusal has the user and the reason."""
    refuse_if_paused([BACKGROUND], Purpose.MANUAL, NOW)
    assert pause_of([BACKGROUND], Purpose.BACKGROUND) is BACKGROUND
    assert pause_of([BACKGROUND, EVERYTHING], Purpose.BACKGROUND) is EVERYTHING
    with pytest.raises(PausedWork, match=r"all work paused .* by bob, ends in 60 min: GitHub asked"):
        refuse_if_paused([BACKGROUND, EVERYTHING], Purpose.MANUAL, NOW)


def test_the_audit_log(store: SqlStore) -> None:
    """Entries are read in their order from a time on, and deleted when they are old."""
    old = AuditEntry(NOW - 91 * DAY, "alice", Action.RETIRE, "one")
    new = AuditEntry(NOW, "session", Action.REFRESH, "two", "detail\x00", "192.0.2.1")
    store.audit.append([new, old])
    store.audit.append([])

    assert [one.package for one in store.audit.since(NOW - 100 * DAY)] == ["one", "two"]
    assert store.audit.prune(NOW - 90 * DAY) == 1
    (kept,) = store.audit.since(NOW - 100 * DAY)
    assert (kept.actor, kept.action, kept.address) == ("session", "refresh", "192.0.2.1")
    assert store.audit.since(NOW + timedelta(seconds=1)) == []
