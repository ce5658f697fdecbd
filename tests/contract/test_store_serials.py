"""Comparison of the index's serials with the stored ones, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from fetcher.domain.model import DueReason, Source
from fetcher.domain.scheduling import recheck_at, slot
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.clock import DAY, HOUR, MINUTE
from tests.harness.stores import NOW, Catalogue, answered, failed, versions

MONTH = 30 * DAY


def requested(catalogue: Catalogue, *slugs: str) -> list[int]:
    """Add packages with a project fetched in full at serial 7 and due again tomorrow."""
    ids = catalogue.add(*slugs, project=True, repo_url=None)
    catalogue.store.claims.record(
        [answered(i, Source.INDEX, versions("1.0"), revision="7", full=True, outcome="fetched") for i in ids]
    )
    return ids


def test_an_equal_serial_is_an_answer(catalogue: Catalogue) -> None:
    """An equal serial counts as a response, refreshes the package and postpones it to the slow re-check."""
    (a,) = requested(catalogue, "a")
    at = NOW + HOUR
    assert catalogue.store.index_serials.confirm([("A", 7), ("unknown", 1)], at, MONTH) == (1, 0)
    state = catalogue.state("a", Source.INDEX)
    assert (state.answered_at, state.observed_at, state.outcome) == (at, at, "not_modified")
    assert state.due_at == recheck_at(a, NOW, at, MONTH)
    assert catalogue.get("a").observed.last_fetched == at


def test_the_slow_recheck_comes(catalogue: Catalogue) -> None:
    """However often a serial is confirmed, the project becomes due at its re-check after the last full fetch."""
    (a,) = requested(catalogue, "a")
    due = slot(a, NOW, MONTH)
    for day in range(46):
        at = NOW + day * DAY
        catalogue.store.index_serials.confirm([("a", 7)], at, MONTH)
        assert catalogue.state("a", Source.INDEX).due_at == max(due, at)
    assert due < NOW + 45 * DAY


def test_another_serial_is_due_now(catalogue: Catalogue) -> None:
    """A new serial is stored as expected, and the project is due now or stays due earlier."""
    a, b = requested(catalogue, "a", "b")
    catalogue.answer(b, Source.INDEX, observed_at=NOW, due_at=NOW - HOUR, revision="7")
    at = NOW + HOUR
    assert catalogue.store.index_serials.confirm([("a", 8), ("b", 9)], at, MONTH) == (0, 2)
    state = catalogue.state("a", Source.INDEX)
    assert (state.due_at, state.expected, state.answered_at) == (at, "8", NOW)
    assert catalogue.state("b", Source.INDEX).due_at == NOW - HOUR
    catalogue.answer(a, Source.INDEX, versions("1.1"), revision="8", observed_at=at)
    assert catalogue.state("a", Source.INDEX).expected is None


def test_a_lease_stays(catalogue: Catalogue) -> None:
    """A project that a worker is fetching keeps its lease, confirmed or not."""
    requested(catalogue, "a", "b")
    claim = catalogue.claim(Source.INDEX, now=NOW + DAY)
    catalogue.store.index_serials.confirm([("a", 7), ("b", 8)], NOW + DAY, MONTH)
    assert {catalogue.state(slug, Source.INDEX).lease for slug in "ab"} == {claim.lease}


def test_a_project_in_progress_is_not_confirmed(catalogue: Catalogue) -> None:
    """Its response counts, although the list was requested after it: a confirmation would reject its values."""
    a, b = requested(catalogue, "a", "b")
    claim = catalogue.claim(Source.INDEX, now=NOW + DAY)
    catalogue.store.index_serials.confirm([("a", 7)], NOW + DAY + MINUTE, MONTH)
    catalogue.store.index_serials.confirm_all(NOW + DAY + MINUTE, MONTH)
    for one in (a, b):
        catalogue.answer(one, Source.INDEX, versions("1.0", "2.0"), observed_at=NOW + DAY, lease=claim.lease, full=True)
    for slug in ("a", "b"):
        stored = catalogue.get(slug)
        assert stored.versions is not None
        assert (stored.versions.latest, stored.states[Source.INDEX].full_fetch_at) == ("2.0", NOW + DAY)


def test_a_newer_serial_outlasts_a_request_in_progress(catalogue: Catalogue) -> None:
    """A list that shows a newer serial than the response in progress makes the project due again after it."""
    (a,) = requested(catalogue, "a")
    claim = catalogue.claim(Source.INDEX, now=NOW + DAY)
    at = NOW + DAY + MINUTE
    catalogue.store.index_serials.confirm([("a", 8)], at, MONTH)
    catalogue.answer(a, Source.INDEX, observed_at=NOW + DAY, due_at=NOW + 2 * DAY, revision="7", lease=claim.lease)
    state = catalogue.state("a", Source.INDEX)
    assert (state.due_at, state.due_reason, state.lease) == (at, DueReason.MOVED, None)


def test_a_project_named_after_the_list_stays_named(catalogue: Catalogue) -> None:
    """A list that was requested before the feed named the project does not bring its due time before the request."""
    (a,) = requested(catalogue, "a")
    claim = catalogue.claim(Source.INDEX, now=NOW + DAY)
    named = NOW + DAY + 2 * MINUTE
    catalogue.store.claims.make_packages_due([a], [Source.INDEX], DueReason.FEED, named)
    catalogue.store.index_serials.confirm([("a", 8)], NOW + DAY - MINUTE, MONTH)
    catalogue.answer(a, Source.INDEX, observed_at=NOW + DAY, due_at=NOW + 2 * DAY, revision="8", lease=claim.lease)
    state = catalogue.state("a", Source.INDEX)
    assert (state.due_at, state.due_reason) == (named, DueReason.FEED)


def test_an_older_root_changes_nothing(catalogue: Catalogue) -> None:
    """A root requested before the project itself does not change the project."""
    requested(catalogue, "a")
    before = catalogue.get("a")
    assert catalogue.store.index_serials.confirm([("a", 6)], NOW - HOUR, MONTH) == (0, 0)
    assert catalogue.get("a") == before


def test_a_project_requested_by_a_clock_that_was_ahead(catalogue: Catalogue) -> None:
    """Its time counts as unknown: an equal serial confirms the project, and another one makes it due."""
    a, b = catalogue.add("a", "b", project=True, repo_url=None)
    wrong = NOW + 400 * DAY
    catalogue.store.claims.record(
        [
            answered(i, Source.INDEX, versions("1.0"), observed_at=wrong, due_at=wrong, revision="7", full=True)
            for i in (a, b)
        ]
    )
    assert catalogue.store.index_serials.confirm([("a", 7), ("b", 8)], NOW, MONTH) == (1, 1)
    confirmed = catalogue.state("a", Source.INDEX)
    assert (confirmed.observed_at, confirmed.due_at) == (NOW, recheck_at(a, NOW, NOW, MONTH))
    assert catalogue.get("a").observed.last_fetched == NOW
    assert catalogue.state("b", Source.INDEX).due_at == NOW
    assert catalogue.store.index_serials.confirm_all(NOW + DAY, MONTH) == 1


def test_two_packages_of_one_project(catalogue: Catalogue) -> None:
    """Both are confirmed by the one serial."""
    ids = catalogue.add("a", "b", pypi_url="same")
    catalogue.store.claims.record([answered(i, Source.INDEX, revision="7") for i in ids])
    assert catalogue.store.index_serials.confirm([("same", 7)], NOW, MONTH) == (2, 0)
    names = catalogue.store.index_serials.projects()
    assert (len(names), "same" in names, "other" in names) == (1, True, False)


def test_a_root_is_read_as_it_streams(catalogue: Catalogue) -> None:
    """At most a thousand entries of a long root are read before they are written; absence changes nothing."""
    requested(catalogue, "a", "b")
    taken = 0

    def root() -> Iterator[tuple[str, int]]:
        nonlocal taken
        for n in range(2_500):
            taken += 1
            if n == 1_000:
                assert catalogue.state("a", Source.INDEX).answered_at == NOW + HOUR
            yield ("a", 7) if n == 0 else (f"other-{n}", n)

    assert catalogue.store.index_serials.confirm(root(), NOW + HOUR, MONTH) == (1, 0)
    assert taken == 2_500
    assert catalogue.state("b", Source.INDEX).answered_at == NOW


def test_confirm_all(catalogue: Catalogue) -> None:
    """An unmodified root confirms every fetched project, except failing ones and those with a newer known serial."""
    _, b, _ = requested(catalogue, "a", "b", "c")
    catalogue.add("never", project=True)
    catalogue.store.claims.record([failed(b, Source.INDEX)])
    catalogue.store.index_serials.confirm([("c", 8)], NOW, MONTH)
    assert catalogue.store.index_serials.confirm_all(NOW + DAY, 30 * DAY) == 1
    answers = {slug: catalogue.state(slug, Source.INDEX).answered_at for slug in ("a", "b", "c", "never")}
    assert answers == {"a": NOW + DAY, "b": NOW, "c": NOW, "never": None}
    assert catalogue.get("a").observed.last_fetched == NOW + DAY


def test_projects_requested_by_a_clock_that_was_ahead_are_due(catalogue: Catalogue) -> None:
    """A feed confirms none of them, because the time of their values is unknown: they are due."""
    (a,) = requested(catalogue, "a")
    wrong = NOW + 40 * DAY
    catalogue.answer(a, Source.INDEX, observed_at=wrong, due_at=wrong + DAY, due_reason=DueReason.SLOT)
    assert catalogue.store.index_serials.confirm_all(NOW, MONTH, NOW - DAY) == 0
    assert catalogue.state("a", Source.INDEX).due_at == NOW
    catalogue.answer(a, Source.INDEX, observed_at=wrong, due_at=wrong + DAY)
    assert catalogue.store.claims.make_due(PYPI, Source.INDEX, answered_before=NOW - 2 * DAY, now=NOW) == 1


def test_make_due(catalogue: Catalogue) -> None:
    """Only sources fetched too long ago, not yet due, not failing and not leased become due."""
    a, b, c = requested(catalogue, "a", "b", "c")
    catalogue.answer(b, Source.INDEX, observed_at=NOW + 2 * HOUR)
    catalogue.store.claims.record([failed(c, Source.INDEX)])
    assert catalogue.store.claims.make_due(PYPI, Source.INDEX, answered_before=NOW + HOUR, now=NOW + 3 * HOUR) == 1
    assert catalogue.store.claims.due_ids([Source.INDEX], NOW + 3 * HOUR) == [a]
    assert catalogue.store.claims.make_due(PYPI, Source.INDEX, answered_before=NOW + HOUR, now=NOW + 3 * HOUR) == 0
