"""The timeline: a row for each change of outcome or values, and none without a change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from fetcher.domain.model import Contribution, Contributors, DueReason, MadeDue, Source
from fetcher.domain.views import EventCount
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import NOW, Catalogue, answered, failed, stats, versions


@pytest.fixture
def written(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that write to the timeline."""
    statements: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def keep(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "events" in statement:
            statements.append(statement)

    yield statements
    event.remove(engine, "before_cursor_execute", keep)


def test_an_unchanged_package_writes_nothing(catalogue: Catalogue, written: list[str]) -> None:
    """Unchanged responses, conditional or not, deferrals and pauses execute no statement on the timeline."""
    (a,) = catalogue.add("a", project=True)
    catalogue.answer(a, Source.REPOSITORY, stats())
    catalogue.answer(a, Source.INDEX, versions("1.0"))
    written.clear()
    at = NOW + HOUR
    catalogue.store.claims.record(
        [
            answered(a, Source.REPOSITORY, stats(pushed_at=at), observed_at=at),
            answered(a, Source.INDEX, outcome="not_modified", observed_at=at),
            answered(a, Source.INDEX, versions("1.0", serial=9), observed_at=at),
            MadeDue(a, Source.COMMITS, at, DueReason.MOVED),
            failed(a, Source.REPOSITORY, "throttled", failures=0, first_failed_at=None, observed_at=at + HOUR),
            answered(a, Source.REPOSITORY, stats(), observed_at=at + 2 * HOUR),
        ]
    )
    assert written == []


def test_a_changed_outcome_is_an_event(catalogue: Catalogue) -> None:
    """First response, other values, failure, another kind of failure and recovery are listed, newest first."""
    (a,) = catalogue.add("a")
    hours = [NOW + n * HOUR for n in range(7)]
    catalogue.answer(a, Source.REPOSITORY, stats(), observed_at=hours[0])
    catalogue.answer(a, Source.REPOSITORY, stats(stars=12, description="x", head_oid="new"), observed_at=hours[1])
    catalogue.store.claims.record([failed(a, Source.REPOSITORY, observed_at=hours[2])])
    catalogue.store.claims.record([failed(a, Source.REPOSITORY, failures=2, observed_at=hours[3])])
    catalogue.store.claims.record(
        [failed(a, Source.REPOSITORY, "gone", failures=3, message="404", observed_at=hours[4])]
    )
    now = stats(stars=12, description="x", head_oid="new")
    catalogue.answer(a, Source.REPOSITORY, now, observed_at=hours[5])
    found = [(one.at, one.outcome, one.message) for one in catalogue.store.events.of_package(a, 10)]
    assert found == [
        (hours[5], "fetched", None),
        (hours[4], "gone", "404"),
        (hours[2], "transient", "why"),
        (hours[1], "fetched", "stars 10 → 12, description, commits"),
        (hours[0], "fetched", "first answer"),
    ]
    assert len(catalogue.store.events.of_package(a, 2)) == 2


def test_a_pause_hides_no_turn(catalogue: Catalogue) -> None:
    """A failed source that is throttled and then responds has an event; one only throttled has none."""
    (a,) = catalogue.add("a")
    catalogue.answer(a, Source.REPOSITORY, stats())
    catalogue.store.claims.record([failed(a, Source.REPOSITORY, observed_at=NOW + HOUR)])
    catalogue.store.claims.record([failed(a, Source.REPOSITORY, "throttled", observed_at=NOW + 2 * HOUR)])
    catalogue.answer(a, Source.REPOSITORY, stats(), observed_at=NOW + 3 * HOUR)
    assert [one.outcome for one in catalogue.store.events.of_package(a, 10)] == ["fetched", "transient", "fetched"]


def test_recording_twice_adds_one_event(catalogue: Catalogue) -> None:
    """A repeated batch adds no event, nor does an older response."""
    (a,) = catalogue.add("a")
    catalogue.answer(a, Source.REPOSITORY, stats())
    batch = [answered(a, Source.REPOSITORY, stats(stars=11), observed_at=NOW + HOUR)]
    catalogue.store.claims.record(batch)
    catalogue.store.claims.record(batch)
    catalogue.answer(a, Source.REPOSITORY, stats(stars=9), observed_at=NOW + HOUR / 2)
    assert len(catalogue.store.events.of_package(a, 10)) == 2


def test_sources_of_one_moment(catalogue: Catalogue) -> None:
    """Two sources that change at the same time have an event each."""
    (a,) = catalogue.add("a")
    people = Contributors((Contribution("x", 1),))
    catalogue.store.claims.record([answered(a, Source.REPOSITORY, stats()), answered(a, Source.CONTRIBUTORS, people)])
    assert {one.source for one in catalogue.store.events.of_package(a, 10)} == {Source.REPOSITORY, Source.CONTRIBUTORS}


def test_counting(catalogue: Catalogue) -> None:
    """Events are counted by period; one at the start of a period belongs to that period."""
    a, b = catalogue.add("a", "b")
    step = timedelta(minutes=10)
    catalogue.answer(a, Source.REPOSITORY, stats(), observed_at=NOW)
    catalogue.store.claims.record([failed(b, Source.REPOSITORY, observed_at=NOW + step)])
    catalogue.answer(a, Source.REPOSITORY, stats(stars=1), observed_at=NOW + 2 * step - timedelta(microseconds=1))
    catalogue.answer(a, Source.REPOSITORY, stats(stars=2), observed_at=NOW + 2 * step)
    assert catalogue.store.events.counts(NOW, step, 2) == [EventCount(NOW, 1, 0), EventCount(NOW + step, 1, 1)]


def test_pruning(catalogue: Catalogue) -> None:
    """Old events are deleted, and all but the newest of each package."""
    a, b = catalogue.add("a", "b")
    for n in range(8):
        catalogue.answer(a, Source.REPOSITORY, stats(stars=n), observed_at=NOW + n * HOUR)
    catalogue.answer(b, Source.REPOSITORY, stats(), observed_at=NOW)
    assert catalogue.store.events.prune(NOW, keep=8) == 0
    assert catalogue.store.events.prune(NOW + HOUR, keep=3) == 2 + 4
    assert [one.at for one in catalogue.store.events.of_package(a, 10)] == [NOW + n * HOUR for n in (7, 6, 5)]
    assert catalogue.store.events.of_package(b, 10) == []
    assert catalogue.store.events.prune(NOW + DAY, keep=3) == 3
