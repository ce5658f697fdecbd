"""Recording responses on SQLite and PostgreSQL: values stored, values replaced, and values never replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, event

from fetcher.domain.model import (
    DETAIL_SOURCES,
    CommitDays,
    Contribution,
    Contributors,
    Deferral,
    DueReason,
    HistoryDay,
    MadeDue,
    ProjectInfo,
    ProjectMark,
    ProjectStatus,
    ProjectVersions,
    Source,
    Validators,
)
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import LEASE, NOW, Catalogue, answered, failed, release, stats, versions


def test_a_response_is_stored_in_full(catalogue: Catalogue) -> None:
    """Every value of every source is read back exactly as recorded, and the state records how it was fetched."""
    (a,) = catalogue.add("a", project=True)
    repository = stats(description=":couple: ünïcode", archived=True, watchers=None, repository_id=str(2**40))
    people = Contributors((Contribution("ann", 5), Contribution("bot[bot]", 1)))
    days = CommitDays(NOW.date(), (1, 0, 70_000))
    info = ProjectInfo("summary", ("A :: B", "C"), "MIT", "https://docs.example")
    project = versions("0.9", "1.0", info=info, status=ProjectStatus.DEPRECATED, serial=2**40)
    claim = catalogue.claim(Source.REPOSITORY)
    catalogue.store.claims.record(
        [
            answered(a, Source.REPOSITORY, repository, lease=claim.lease, revision="abc", validators=Validators("e")),
            answered(a, Source.CONTRIBUTORS, people, full=True),
            answered(a, Source.COMMITS, days),
            answered(a, Source.INDEX, project, revision="7"),
        ]
    )
    found = catalogue.get("a")
    assert (found.stats, found.commit_days, found.versions) == (repository, days, project)
    assert found.observed.participants == ("ann", "bot[bot]")
    assert (found.observed.repo_watchers, found.observed.pypi_version) == (10, "1.0")
    assert found.observed.last_updated == repository.head_committed_at
    state = found.states[Source.REPOSITORY]
    assert (state.answered_at, state.observed_at, state.due_at) == (NOW, NOW, NOW + DAY)
    assert (state.revision, state.validators, state.lease) == ("abc", Validators("e"), None)
    assert found.states[Source.CONTRIBUTORS].full_fetch_at == NOW
    assert state.full_fetch_at is None


def test_none_leaves_revision_and_validators(catalogue: Catalogue) -> None:
    """A record without a revision or validators, as after a 304, keeps the stored ones."""
    (a,) = catalogue.add("a")
    catalogue.answer(a, Source.REPOSITORY, stats(), revision="abc", validators=Validators("e"))
    catalogue.answer(a, Source.REPOSITORY, observed_at=NOW + HOUR, outcome="not_modified")
    state = catalogue.state("a", Source.REPOSITORY)
    assert (state.revision, state.validators, state.answered_at) == ("abc", Validators("e"), NOW + HOUR)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_older_snapshot_never_wins(catalogue: Catalogue, order: tuple[int, int]) -> None:
    """Of two responses the one requested later stays, in either order of recording."""
    (a,) = catalogue.add("a")
    both = [
        answered(a, Source.REPOSITORY, stats(stars=1), revision="old"),
        answered(a, Source.REPOSITORY, stats(stars=2), revision="new", observed_at=NOW + HOUR),
    ]
    for index in order:
        catalogue.store.claims.record([both[index]])
    found = catalogue.get("a")
    assert found.stats == stats(stars=2)
    assert found.states[Source.REPOSITORY].revision == "new"
    assert found.states[Source.REPOSITORY].observed_at == NOW + HOUR


@pytest.mark.parametrize("wrong", [NOW + 400 * DAY, NOW - 400 * DAY])
def test_a_clock_that_was_wrong_freezes_no_value(catalogue: Catalogue, wrong: datetime) -> None:
    """The claims after a clock was far ahead or behind are stored, and an older response still changes nothing."""
    (a,) = catalogue.add("a", now=min(wrong, NOW))

    def refresh(at: datetime, stars: int) -> None:
        claim = catalogue.store.claims.claim_packages([a], list(Source), at, LEASE)
        assert claim is not None
        found = [answered(a, source, lease=claim.lease, observed_at=at, due_at=at + DAY) for source in DETAIL_SOURCES]
        values = answered(a, Source.REPOSITORY, stats(stars=stars), lease=claim.lease, observed_at=at, due_at=at + DAY)
        catalogue.store.claims.record([values, *found], at)

    for at, stars in ((NOW, 1), (wrong, 2), (NOW + HOUR, 3), (NOW + DAY, 4)):
        refresh(at, stars)
        package = catalogue.get("a")
        assert package.stats == stats(stars=stars)
        assert package.observed.last_fetched == at
        late = answered(a, Source.REPOSITORY, stats(stars=9), lease="lost", observed_at=min(at, NOW) - HOUR)
        catalogue.store.claims.record([late], at)
        assert catalogue.get("a") == package


def test_both_in_one_batch(catalogue: Catalogue) -> None:
    """Two records of one source in one batch also apply in order of time."""
    (a,) = catalogue.add("a")
    new = answered(a, Source.REPOSITORY, stats(stars=2), observed_at=NOW + HOUR)
    catalogue.store.claims.record([new, answered(a, Source.REPOSITORY, stats(stars=1))])
    assert catalogue.get("a").stats == stats(stars=2)


def test_a_worker_that_lost_its_lease(catalogue: Catalogue) -> None:
    """It may still record newer values, but ends no other lease and changes no due time."""
    (a,) = catalogue.add("a")
    lost = catalogue.claim(Source.REPOSITORY)
    held = catalogue.claim(Source.REPOSITORY, now=NOW + HOUR)
    catalogue.answer(a, Source.REPOSITORY, stats(), lease=lost.lease, due_at=NOW + 9 * DAY)
    found = catalogue.get("a")
    assert found.stats == stats()
    assert (found.states[Source.REPOSITORY].lease, found.states[Source.REPOSITORY].due_at) == (held.lease, NOW)


def test_recording_twice_is_recording_once(catalogue: Catalogue) -> None:
    """A repeated batch, as after a connection lost at commit, changes nothing more."""
    (a,) = catalogue.add("a", project=True)
    claim = catalogue.claim(Source.REPOSITORY)
    batch = [
        answered(a, Source.REPOSITORY, stats(), lease=claim.lease),
        MadeDue(a, Source.COMMITS, NOW, DueReason.MOVED),
        answered(a, Source.INDEX, versions("1.0")),
    ]
    catalogue.store.claims.record(batch)
    once = catalogue.get("a")
    catalogue.store.claims.record(batch)
    assert catalogue.get("a") == once
    assert len(catalogue.store.history.of_package("a")) == 1


def test_rescheduling_with_the_lease(catalogue: Catalogue) -> None:
    """A deferred source takes the record's due time and is otherwise unchanged."""
    (a,) = catalogue.add("a")
    claim = catalogue.claim(Source.REPOSITORY)
    catalogue.store.claims.record([Deferral(a, Source.REPOSITORY, claim.lease, NOW, NOW + HOUR)])
    state = catalogue.state("a", Source.REPOSITORY)
    assert (state.due_at, state.lease, state.observed_at, state.answered_at) == (NOW + HOUR, None, None, None)


def test_rescheduling_without_a_lease_only_makes_due_earlier(catalogue: Catalogue) -> None:
    """A dependent source without a due time or with a later one becomes due; its lease stays."""
    (a,) = catalogue.add("a")
    for due, expected in ((NOW + DAY, NOW + DAY), (NOW, NOW), (NOW + DAY, NOW)):
        catalogue.store.claims.record([MadeDue(a, Source.COMMITS, due, DueReason.MOVED)])
        assert catalogue.state("a", Source.COMMITS).due_at == expected
    claim = catalogue.claim(Source.COMMITS)
    catalogue.store.claims.record([MadeDue(a, Source.COMMITS, NOW - HOUR, DueReason.MOVED)])
    state = catalogue.state("a", Source.COMMITS)
    assert (state.due_at, state.lease) == (NOW - HOUR, claim.lease)


def test_a_failure_blanks_nothing(catalogue: Catalogue) -> None:
    """A failure keeps values, last response and validators; the count and the message are new."""
    (a,) = catalogue.add("a")
    catalogue.answer(a, Source.REPOSITORY, stats(), revision="abc", validators=Validators("e"))
    before = catalogue.get("a")
    at = NOW + HOUR
    catalogue.store.claims.record(
        [failed(a, Source.REPOSITORY, failures=2, first_failed_at=NOW, observed_at=at, message="502")]
    )
    after = catalogue.get("a")
    assert (after.stats, after.observed) == (before.stats, before.observed)
    assert after.states[Source.REPOSITORY] == replace(
        before.states[Source.REPOSITORY],
        observed_at=at,
        failures=2,
        first_failed_at=NOW,
        last_failed_at=at,
        outcome="transient",
        message="502",
    )
    catalogue.answer(a, Source.REPOSITORY, observed_at=at + HOUR)
    state = catalogue.state("a", Source.REPOSITORY)
    assert (state.failures, state.first_failed_at, state.last_failed_at, state.message) == (0, None, at, None)


def test_last_fetched_waits_for_every_source(catalogue: Catalogue) -> None:
    """It moves to the newest response once all four sources have responded, and again only after a new one of each."""
    (a,) = catalogue.add("a", project=True)
    for hours, source in enumerate(Source):
        assert catalogue.get("a").observed.last_fetched is None
        catalogue.answer(a, source, observed_at=NOW + hours * HOUR)
    assert catalogue.get("a").observed.last_fetched == NOW + 3 * HOUR
    later = NOW + DAY
    for source in (Source.REPOSITORY, *DETAIL_SOURCES):
        catalogue.answer(a, source, observed_at=later)
    catalogue.store.claims.record([failed(a, Source.INDEX, observed_at=later)])
    assert catalogue.get("a").observed.last_fetched == NOW + 3 * HOUR
    catalogue.answer(a, Source.INDEX, observed_at=later + HOUR)
    assert catalogue.get("a").observed.last_fetched == later + HOUR


def test_editors_fields_never_move(catalogue: Catalogue) -> None:
    """After responses of every source the editors' entry is unchanged, including ``modified``."""
    (a,) = catalogue.add("a", project=True, modified=NOW - 9 * DAY, created=NOW - 99 * DAY, extra={"z": 1, "a": [2]})
    before = catalogue.get("a").entry
    catalogue.store.claims.record(
        [answered(a, Source.REPOSITORY, stats(full_name="new/place")), answered(a, Source.INDEX, versions("1.0"))]
    )
    assert catalogue.get("a").entry == before
    assert before.modified == NOW - 9 * DAY


def test_an_unchanged_answer_writes_narrow_rows_only(catalogue: Catalogue, engine: Engine) -> None:
    """Statistics, releases and projects equal to the stored ones write only state and freshness."""
    (a,) = catalogue.add("a", project=True)
    records = [answered(a, Source.REPOSITORY, stats()), answered(a, Source.INDEX, versions("1.0"))]
    catalogue.store.claims.record(records)
    written: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith(("SELECT", "BEGIN")):
            written.append(" ".join(statement.split()[:2]))

    catalogue.store.claims.record([replace(record, observed_at=NOW + DAY) for record in records])
    assert set(written) <= {"UPDATE source_states", "UPDATE freshness"}
    assert written


def test_releases_follow_the_answer(catalogue: Catalogue) -> None:
    """Releases are added, changed and deleted as in the newest response, in its order."""
    (a,) = catalogue.add("a", project=True)
    catalogue.answer(a, Source.INDEX, versions("0.9", "1.0", "1.1"))
    changed = ProjectVersions(
        "a", "2.0", (release("1.0", yanked=True, yanked_reason="bad"), release("0.9"), release("2.0")), 8, None, None
    )
    catalogue.answer(a, Source.INDEX, changed, observed_at=NOW + HOUR)
    assert catalogue.get("a").versions == changed
    catalogue.answer(a, Source.INDEX, versions(), observed_at=NOW + 2 * HOUR)
    found = catalogue.get("a").versions
    assert found is not None
    assert (found.releases, found.latest) == ((), "2.0")


def test_values_missing_in_a_response_stay(catalogue: Catalogue) -> None:
    """A response without summary, status or serial keeps the stored ones; a mark changes the status alone."""
    (a,) = catalogue.add("a", project=True)
    info = ProjectInfo(None, (), None, None)
    full = versions("1.0", info=info, status=ProjectStatus.ACTIVE)
    catalogue.answer(a, Source.INDEX, full)
    catalogue.answer(a, Source.INDEX, replace(full, info=None, status=None, serial=None), observed_at=NOW + HOUR)
    assert catalogue.get("a").versions == full
    catalogue.answer(a, Source.INDEX, ProjectMark(ProjectStatus.QUARANTINED), observed_at=NOW + 2 * HOUR)
    assert catalogue.get("a").versions == replace(full, status=ProjectStatus.QUARANTINED)


def test_history_has_a_row_where_a_figure_changed(catalogue: Catalogue) -> None:
    """There is a first row, then at most one per day, updated within the day, and none for days without a change."""
    (a,) = catalogue.add("a", project=True)
    catalogue.store.claims.record([answered(a, Source.INDEX, versions("1.0")), answered(a, Source.REPOSITORY, stats())])
    for days, stars in ((1, 10), (2, 11), (2.1, 12), (5, 12)):
        catalogue.answer(a, Source.REPOSITORY, stats(stars=stars), observed_at=NOW + timedelta(days=days))
    first = HistoryDay(NOW.date(), 10, 2, 3, "1.0")
    assert catalogue.store.history.of_package("a") == [first, replace(first, day=first.day + 2 * DAY, stars=12)]


def test_a_late_answer_of_another_source_rewrites_no_earlier_day(catalogue: Catalogue) -> None:
    """A version from before midnight recorded after the next day's stars is written to that day's row."""
    (a,) = catalogue.add("a", project=True)
    catalogue.answer(a, Source.REPOSITORY, stats(), observed_at=NOW + DAY)
    catalogue.answer(a, Source.INDEX, versions("1.0"), observed_at=NOW)
    assert catalogue.store.history.of_package("a") == [HistoryDay((NOW + DAY).date(), 10, 2, 3, "1.0")]


def test_prune_keeps_each_newest_row(catalogue: Catalogue) -> None:
    """Old days are deleted, except each package's newest row, however old."""
    a, b = catalogue.add("a", "b")
    catalogue.answer(b, Source.REPOSITORY, stats())
    for day in range(3):
        catalogue.answer(a, Source.REPOSITORY, stats(stars=day), observed_at=NOW + day * DAY)
    assert catalogue.store.history.prune(NOW + 2 * DAY) == 2
    assert [row.stars for row in catalogue.store.history.of_package("a")] == [2]
    assert len(catalogue.store.history.of_package("b")) == 1


def test_pruning_goes_round(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call takes the next packages by id, and starts again with the first after the last."""
    monkeypatch.setattr("fetcher.store.statistics.id_ranges.next_range.__defaults__", (2,))
    ids = catalogue.add("a", "b", "c", "d", "e")

    for day in range(2):
        at = NOW + day * DAY
        catalogue.store.claims.record([answered(i, Source.REPOSITORY, stats(stars=day), observed_at=at) for i in ids])
    assert [catalogue.store.history.prune(NOW + DAY) for _ in range(4)] == [2, 2, 1, 0]
    assert [len(catalogue.store.history.of_package(slug)) for slug in "abcde"] == [1] * 5


def test_removed_and_unknown_packages_are_skipped(catalogue: Catalogue) -> None:
    """Records of an unknown package or a removed source do not affect the rest of the batch."""
    (a,) = catalogue.add("a")
    catalogue.store.claims.record(
        [
            answered(99, Source.REPOSITORY, stats()),
            answered(a, Source.INDEX),
            answered(a, Source.REPOSITORY, stats(stars=4)),
        ]
    )
    assert catalogue.get("a").stats == stats(stars=4)
    assert Source.INDEX not in catalogue.get("a").states


def test_text_that_no_database_holds(catalogue: Catalogue) -> None:
    """A NUL or lone surrogate in an upstream's text costs that character, not the batch."""
    (a,) = catalogue.add("a")
    catalogue.answer(a, Source.REPOSITORY, stats(description="a\0b\ud800c"), message="x\0")
    found = catalogue.get("a")
    assert found.stats is not None
    assert found.stats.description == "ab\ufffdc"


def test_an_empty_batch(catalogue: Catalogue) -> None:
    """Recording an empty batch does nothing."""
    catalogue.store.claims.record([])
