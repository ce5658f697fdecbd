"""The change feed on both databases: order, contents, tombstones, retention."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from fetcher.domain.changes import ChangePage, Cursor, EventType, FeedKind
from fetcher.domain.model import CommitDays, Contribution, Contributors, ProjectInfo, Source
from fetcher.store.recording import record
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import NOW, Catalogue, answered, entry, failed, stats, store_on, versions

ALL = 1000


def _read(catalogue: Catalogue, after: Cursor | None = None, limit: int = ALL) -> ChangePage:
    changes = catalogue.store.changes
    changes.number(NOW)
    return changes.page(after or changes.extent().start, limit)


def _end(catalogue: Catalogue) -> Cursor:
    catalogue.store.changes.number(NOW)
    return catalogue.store.changes.extent().end


def test_an_added_package_is_a_change(catalogue: Catalogue) -> None:
    """An import puts each new package into the feed, and the same import again nothing."""
    catalogue.add("one", "two")
    page = _read(catalogue)
    assert [(one.slug, one.kind, one.events) for one in page.changes] == [
        ("one", FeedKind.ADDED, (EventType.ADDED,)),
        ("two", FeedKind.ADDED, (EventType.ADDED,)),
    ]
    catalogue.add("one", "two")
    assert _end(catalogue) == page.next


def test_a_record_names_the_changed_fields(catalogue: Catalogue) -> None:
    """A change has the fields of the document that differ since the reader's cursor, and no other."""
    (a,) = catalogue.add("a", project=True)
    catalogue.answer(a, Source.REPOSITORY, stats(stars=1))
    start = _end(catalogue)
    catalogue.answer(a, Source.REPOSITORY, stats(stars=2), observed_at=NOW + HOUR)
    middle = _end(catalogue)
    catalogue.answer(a, Source.CONTRIBUTORS, Contributors((Contribution("ann", 3),)), observed_at=NOW + HOUR)
    (since_start,) = _read(catalogue, start).changes
    (since_middle,) = _read(catalogue, middle).changes
    assert since_start.fields == ("repo_watchers", "participants")
    assert since_middle.fields == ("participants",)
    assert since_middle.events == (EventType.UPDATED,)


def test_a_refresh_without_a_change_writes_nothing(catalogue: Catalogue) -> None:
    """A confirmed package and a changed `last_fetched` alone are no change."""
    (a,) = catalogue.add("a")
    for source, values in ((Source.REPOSITORY, stats()), (Source.CONTRIBUTORS, None), (Source.COMMITS, None)):
        catalogue.answer(a, source, values)
    end = _end(catalogue)
    catalogue.answer(a, Source.REPOSITORY, stats(), observed_at=NOW + HOUR)
    people = Contributors((Contribution("ann", 3),))
    catalogue.answer(a, Source.CONTRIBUTORS, people, observed_at=NOW + HOUR)
    after_people = _end(catalogue)
    recounted = Contributors((Contribution("ann", 4),))
    catalogue.answer(a, Source.CONTRIBUTORS, recounted, observed_at=NOW + 2 * HOUR)
    assert after_people != end
    assert _end(catalogue) == after_people


def test_the_same_weeks_from_another_day_are_no_change(catalogue: Catalogue) -> None:
    """Daily counts of the same commits with a later start print the same weeks."""
    (a,) = catalogue.add("a")
    start = NOW.date() - timedelta(days=371)
    counts = tuple(1 if n == 200 else 0 for n in range(372))
    catalogue.answer(a, Source.COMMITS, CommitDays(start, counts))
    end = _end(catalogue)
    shifted = CommitDays(start + DAY, counts[1:])
    catalogue.answer(a, Source.COMMITS, shifted, observed_at=NOW + HOUR)
    assert _end(catalogue) == end
    more = CommitDays(start + DAY, (*counts[1:-3], 5, *counts[-2:]))
    catalogue.answer(a, Source.COMMITS, more, observed_at=NOW + 2 * HOUR)
    (change,) = _read(catalogue, end).changes
    assert change.fields == ("commits_over_52",)


def test_documentation_of_the_editors_hides_the_projects(catalogue: Catalogue) -> None:
    """The project's documentation address is a change only where the editors state none."""
    own, none = catalogue.add("own", documentation_url="https://d.example", project=True) + catalogue.add(
        "none", project=True
    )
    start = _end(catalogue)
    info = ProjectInfo("", (), None, "https://docs.example")
    for one in (own, none):
        catalogue.answer(one, Source.INDEX, versions("1.0", info=info))
    fields = {one.slug: one.fields for one in _read(catalogue, start).changes}
    assert fields == {"own": ("pypi_version",), "none": ("pypi_version", "documentation_url")}


def test_a_newer_version_is_a_release(catalogue: Catalogue) -> None:
    """The first known version is no publication, a newer one is, and the version before a yanked one is not."""
    (a,) = catalogue.add("a", project=True)
    seen = []
    for hours, number in enumerate(("1.9", "1.10", "1.9")):
        start = _end(catalogue)
        catalogue.answer(a, Source.INDEX, versions(number), observed_at=NOW + hours * HOUR)
        seen += [EventType.RELEASE in one.events for one in _read(catalogue, start).changes]
    assert seen == [False, True, False]


def test_failing_and_recovered(catalogue: Catalogue) -> None:
    """A package begins to fail with its first failing source, and recovers with the last."""
    (a,) = catalogue.add("a", project=True)
    seen = []
    for hours, rows in enumerate(
        (
            [failed(a, Source.REPOSITORY)],
            [failed(a, Source.INDEX)],
            [answered(a, Source.REPOSITORY)],
            [answered(a, Source.INDEX)],
        )
    ):
        start = _end(catalogue)
        at = NOW + (hours + 1) * HOUR
        catalogue.store.claims.record(
            [
                answered(
                    a, one.source, outcome=one.outcome, answered=one.answered, failures=one.failures, observed_at=at
                )
                for one in rows
            ]
        )
        seen.append([event for one in _read(catalogue, start).changes for event in one.events])
    assert seen == [[EventType.FAILING], [], [], [EventType.RECOVERED]]


def test_a_confirmed_serial_ends_a_failure(catalogue: Catalogue) -> None:
    """The index's root confirms a project that had failed: the package has recovered."""
    (a,) = catalogue.add("a", project=True)
    catalogue.answer(a, Source.INDEX, versions("1.0"), revision="7")
    catalogue.store.claims.record([failed(a, Source.INDEX, observed_at=NOW + HOUR)])
    start = _end(catalogue)
    catalogue.store.index_serials.confirm([("a", 7)], NOW + 2 * HOUR, DAY)
    (change,) = _read(catalogue, start).changes
    assert change.events == (EventType.RECOVERED,)


def test_tombstones(catalogue: Catalogue) -> None:
    """Retired and removed packages stay in the feed as tombstones, with their slugs."""
    a, b = catalogue.add("a", "b")
    start = _end(catalogue)
    catalogue.store.packages.retire([a], NOW)
    catalogue.store.packages.remove([b], NOW)
    assert [(one.package_id, one.slug, one.kind) for one in _read(catalogue, start).changes] == [
        (a, "a", FeedKind.RETIRED),
        (b, "b", FeedKind.REMOVED),
    ]
    catalogue.store.packages.retire([a], NOW)
    retired = _end(catalogue)
    catalogue.store.packages.revive([a], NOW)
    catalogue.add("b", id=b)
    assert [(one.slug, one.kind, one.events) for one in _read(catalogue, retired).changes] == [
        ("a", FeedKind.UPDATED, (EventType.REVIVED,)),
        ("b", FeedKind.ADDED, (EventType.ADDED,)),
    ]


def test_an_edit_and_an_id(catalogue: Catalogue) -> None:
    """An import names the editors' changed fields. A package that gets an id leaves a tombstone of the former one."""
    (own,) = catalogue.add("a", complete=False)
    start = _end(catalogue)
    catalogue.store.packages.import_entries([entry("a", title="Other", extra={"stars!": 1})], NOW)
    (change,) = _read(catalogue, start).changes
    assert change.fields == ("title", "stars!")
    edited = _end(catalogue)
    catalogue.store.packages.import_entries([entry("a", title="Other", id=17)], NOW)
    found = [(one.package_id, one.slug, one.kind) for one in _read(catalogue, edited).changes]
    assert found == [(own, "a", FeedKind.REMOVED), (17, "a", FeedKind.ADDED)]


def test_pages_follow_each_other(catalogue: Catalogue) -> None:
    """Pages have every package once, in order, and the last one repeats its cursor."""
    catalogue.add(*(f"p{n}" for n in range(25)))
    seen, cursor = [], _read(catalogue).after
    while (page := _read(catalogue, cursor, 10)).changes:
        seen += [one.slug for one in page.changes]
        assert page.more == (len(seen) < 25)
        cursor = page.next
    assert seen == [f"p{n}" for n in range(25)]
    assert page.next == cursor == _end(catalogue)


def test_old_changes_are_deleted(catalogue: Catalogue) -> None:
    """Pruning deletes a prefix of the feed, and the cursors before its end are not held any more."""
    changes = catalogue.store.changes
    catalogue.add("old")
    changes.number(NOW)
    between = changes.extent().end
    catalogue.add("new")
    changes.number(NOW + 2 * DAY)
    assert changes.prune(NOW + DAY) == 1
    feed = changes.extent()
    assert not feed.holds(Cursor(feed.epoch, 0))
    assert feed.holds(between)
    assert [one.slug for one in changes.page(between, ALL).changes] == ["new"]
    assert changes.prune(NOW + 3 * DAY) == 1
    assert changes.extent().holds(feed.end)
    catalogue.add("next")
    assert [one.slug for one in _read(catalogue, feed.end).changes] == ["next"]


def test_cursors_issued_before_a_restore_are_refused(catalogue: Catalogue) -> None:
    """Also those that the restored feed would hold, since its positions are given to other changes."""
    catalogue.add("a", "b")
    changes = catalogue.store.changes
    changes.number(NOW)
    feed = changes.extent()
    changes.begin_again()
    assert not any(changes.extent().holds(Cursor(feed.epoch, position)) for position in range(4))
    assert [one.slug for one in changes.page(changes.extent().start, 10).changes] == ["a", "b"]


def test_cursors_of_another_database(catalogue: Catalogue) -> None:
    """A cursor of another database, or from after a restored backup, is not held."""
    feed = catalogue.store.changes.extent()
    assert not feed.holds(Cursor("abc", feed.position))
    assert not feed.holds(Cursor(feed.epoch, feed.position + 1))


@contextmanager
def _held(engine: Engine, work: Callable[..., None]) -> Iterator[Callable[[], None]]:
    """Carry out ``work`` in a transaction, and yield the function that commits it."""
    with engine.connect() as connection:
        transaction = connection.begin()
        work(connection)
        yield transaction.commit


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_late_commit_is_not_passed_over(catalogue: Catalogue, engine: Engine) -> None:
    """Two writers begin, and the first commits last: a reader who was there meanwhile receives its change."""
    a, b, c = catalogue.add("a", "b", "c")
    start = _end(catalogue)
    with _held(engine, lambda connection: record(connection, [answered(a, Source.REPOSITORY, stats())], NOW)) as commit:
        catalogue.answer(b, Source.REPOSITORY, stats())
        first = _read(catalogue, start)
        assert [one.slug for one in first.changes] == ["b"]
        catalogue.answer(c, Source.REPOSITORY, stats())
        commit()
    later = _read(catalogue, first.next)
    assert sorted(one.slug for one in later.changes) == ["a", "c"]
    assert _read(catalogue, later.next).changes == ()


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_reader_during_numbering_sees_a_prefix(catalogue: Catalogue, engine: Engine) -> None:
    """While one process numbers, a reader sees none of its positions, and a second one waits for the first."""
    from fetcher.store.changes.numbering import number  # noqa: PLC0415

    catalogue.add("a")
    start = _end(catalogue)
    catalogue.add("b")
    with _held(engine, lambda connection: number(connection, NOW)) as commit:
        assert catalogue.store.changes.page(start, ALL).changes == ()
        with engine.connect() as other:
            other.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(Exception, match="lock timeout"):
                number(other, NOW)
        commit()
    assert [one.slug for one in catalogue.store.changes.page(start, ALL).changes] == ["b"]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_many_writers_and_a_reader(catalogue: Catalogue, engine: Engine) -> None:
    """Under concurrent writers a follower of the feed ends with the newest state of every package."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    ids = catalogue.add(*(f"p{n}" for n in range(40)))
    start = _end(catalogue)

    def write(worker: int) -> None:
        store = store_on(engine)
        for turn in range(10):
            some = ids[worker::4] if turn % 2 else ids
            at = NOW + timedelta(seconds=turn * 10 + worker)
            store.claims.record(
                [answered(i, Source.REPOSITORY, stats(stars=turn * 10 + worker), observed_at=at) for i in some]
            )

    followed: dict[str, int | None] = {}
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(write, worker) for worker in range(4)]
        cursor = start
        while True:
            finished = all(one.done() for one in running)
            page = _read(catalogue, cursor, 7)
            for one in page.changes:
                assert one.position > cursor.position
                stored = catalogue.get(one.slug).stats
                followed[one.slug] = None if stored is None else stored.stars
            cursor = page.next
            if finished and not page.changes:
                break
        for one in running:
            one.result()
    assert followed == {f"p{n}": catalogue.get(f"p{n}").observed.repo_watchers for n in range(40)}
