"""Retirement by `fetcher sync`: two complete readings, and no source that looks truncated."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fetcher.sync.decisions import Synced, decide
from fetcher.sync.service import Synchronization
from tests.harness.clock import NOW, StoppedClock

KNOWN = {n: Synced() for n in range(100)}
ABSENT_ONCE = {**KNOWN, 7: Synced(1)}
EVERY = set(range(100))


def test_two_readings_retire() -> None:
    """The first absence is noted, the second retires, and a return in between ends the count."""
    first = decide(KNOWN, EVERY - {7}, 0, 0.1)
    assert (first.rows, first.retire) == ({7: Synced(1)}, ())
    second = decide(ABSENT_ONCE, EVERY - {7}, 0, 0.1)
    assert (second.rows, second.retire) == ({7: Synced(2, retired=True)}, (7,))
    assert decide(ABSENT_ONCE, EVERY, 0, 0.1).rows == {7: Synced()}


def test_only_sync_revives_what_it_retired() -> None:
    """A package that returns is revived if the synchronization retired it; new ones are noted."""
    known = {1: Synced(2, retired=True), 2: Synced()}
    found = decide(known, {1, 2, 3}, 0, 0.1)
    assert (found.revive, found.rows) == ((1,), {1: Synced(), 3: Synced()})


def test_a_source_that_moved_revives() -> None:
    """A listed package is revived also if the synchronization with another source retired it, before and after."""
    first = decide({}, {1, 2}, 0, 0.1, elsewhere={2, 9})
    assert (first.revive, first.rows) == ((2,), {1: Synced(), 2: Synced()})
    assert decide({1: Synced(), 2: Synced()}, {1, 2}, 0, 0.1, elsewhere={2}).revive == (2,)


@pytest.mark.parametrize(("seen", "rejected", "reason"), [
    (set(), 0, "the source is empty"),
    (EVERY - {7}, 1, "1 of its records were rejected"),
    (set(range(80)), 0, "20 of 100 known packages are absent, more than 10%"),
])  # fmt: skip
def test_a_doubtful_source_retires_nothing(seen: set[int], rejected: int, reason: str) -> None:
    """An empty, faulty or truncated source counts no absence."""
    found = decide({**ABSENT_ONCE, 99: Synced(1)}, seen, rejected, 0.1)
    assert found.retire == ()
    assert found.refused is not None
    assert reason in found.refused
    assert all(not row.absences for row in found.rows.values())


def test_the_limit_is_a_choice() -> None:
    """A larger share believes a source that has become small; few absences are always believed."""
    assert decide({n: Synced(1) for n in range(100)}, set(range(40)), 0, 0.6).retire == tuple(range(40, 100))
    assert decide({n: Synced(1) for n in range(4)}, {3}, 0, 0.1).retire == (0, 1, 2)


class Store:
    """The packages of no source, and the name under which they were requested."""

    source = ""

    def of(self, source: str) -> dict[int, tuple[int, bool]]:
        self.source = source
        return {}

    def retired(self) -> set[int]:
        return set()

    def apply(self, *_: Any) -> tuple[int, int]:
        raise AssertionError("nothing is to be written")


def test_a_source_is_stored_and_shown_without_its_password() -> None:
    store, shown = Store(), "https://directory.example/api"
    work = Synchronization("https://user:MARK@directory.example/api", cast(Any, None), store, StoppedClock(NOW), 0.1)
    assert (work.finish().source, store.source) == (shown, shown)
    assert "MARK" not in repr(work)
