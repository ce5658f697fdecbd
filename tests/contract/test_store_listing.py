"""The listing: one order and one state per package, the same on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from fetcher.domain.catalogue_stats import STALE_AFTER
from fetcher.domain.model import OutcomeKind, Source
from fetcher.domain.presentation import package_state
from fetcher.domain.views import Column, Counted, Listing, PackageState
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import NOW, Catalogue, answered, failed, stats, versions

INTERVAL = 16 * HOUR
STALE = NOW - STALE_AFTER * INTERVAL


def _slugs(catalogue: Catalogue, **wanted: object) -> list[str]:
    found = catalogue.store.packages.listing(Listing(**wanted), STALE)  # type: ignore[arg-type]
    assert found.count >= len(found.rows)
    return [row.slug for row in found.rows]


@pytest.mark.parametrize("column", list(Column))
def test_any_column_both_ways(catalogue: Catalogue, column: Column) -> None:
    """Each order is complete; unknown values come last in both directions."""
    a, b, _ = catalogue.add("a", "b", "c")
    catalogue.answer(a, Source.REPOSITORY, stats(stars=1, forks=1, head_committed_at=NOW - DAY))
    catalogue.answer(b, Source.REPOSITORY, stats(stars=2, forks=2, head_committed_at=NOW))
    up, down = _slugs(catalogue, sort=column), _slugs(catalogue, sort=column, descending=True)
    assert sorted(up) == sorted(down) == ["a", "b", "c"]
    if column in (Column.STARS, Column.FORKS, Column.LAST_UPDATED):
        assert (up, down) == (["a", "b", "c"], ["b", "a", "c"])
    if column in (Column.SLUG, Column.TITLE, Column.ID):
        assert (up, down) == (["a", "b", "c"], ["c", "b", "a"])


def test_stretches_meet(catalogue: Catalogue) -> None:
    """Pages together contain every package once, though all have equal sort values."""
    slugs = [f"p{n:02}" for n in range(25)]
    catalogue.add(*slugs)
    found = [s for at in range(0, 30, 10) for s in _slugs(catalogue, sort=Column.STARS, limit=10, offset=at)]
    assert sorted(found) == slugs
    last = catalogue.store.packages.listing(Listing(offset=20, limit=10), STALE)
    assert (last.count, last.more, len(last.rows)) == (25, False, 5)
    full = catalogue.store.packages.listing(Listing(offset=15, limit=10), STALE)
    assert (full.count, full.more, len(full.rows)) == (25, False, 10)
    beyond = catalogue.store.packages.listing(Listing(offset=100, limit=10), STALE)
    assert (beyond.count, beyond.more, beyond.rows) == (25, False, ())


@pytest.mark.parametrize("search", ["", "owner"])
def test_an_incomplete_count_is_marked(
    catalogue: Catalogue, engine: Engine, monkeypatch: pytest.MonkeyPatch, search: str
) -> None:
    """Beyond the limits, matches are "more than" and the full catalogue is "about"; there is still a next page."""
    for name in ("listing.COUNTED", "listing.MATCHES", "dialects.COUNTED"):
        monkeypatch.setattr(f"fetcher.store.{name}", 10)
    catalogue.add(*(f"p{n:02}" for n in range(25)))
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    found = catalogue.store.packages.listing(Listing(search=search, limit=5), STALE)
    sqlite = not search and engine.dialect.name == "sqlite"
    expected = (10, Counted.MORE) if search else (25, Counted.EXACT if sqlite else Counted.ABOUT)
    assert (found.count, found.counted, found.more) == (*expected, True)
    last = catalogue.store.packages.listing(Listing(search=search, limit=5, offset=20), STALE)
    assert (last.count, last.counted, last.more) == (25, Counted.EXACT, False)


@pytest.mark.parametrize(
    ("search", "found"),
    [("ALPHA", ["alpha"]), ("owner", ["alpha", "beta"]), ("al 50%", ["alpha"]), ("_", []), ("  ", ["alpha", "beta"])],
)
def test_search(catalogue: Catalogue, search: str, found: list[str]) -> None:
    """Search covers slug, title, address and description; pattern characters are matched literally."""
    a, _ = catalogue.add("alpha", "beta")
    catalogue.answer(a, Source.REPOSITORY, stats(description="50% faster"))
    assert _slugs(catalogue, search=search) == found


def test_each_package_is_in_one_state(catalogue: Catalogue) -> None:
    """Retired precedes gone, failing, unsupported, not fetched and stale; the counts equal those of the filter."""
    names = ("fresh", "stale", "never", "failing", "gone", "missing", "retired")
    ids = dict(zip(names, catalogue.add(*names), strict=True))
    catalogue.add("unsupported", repo_url="https://elsewhere.example/x")
    catalogue.add("bare", repo_url=None)
    at = {"fresh": NOW, "stale": STALE - HOUR}
    sources = (Source.REPOSITORY, Source.CONTRIBUTORS, Source.COMMITS)
    catalogue.store.claims.record(
        [answered(ids[name], s, observed_at=moment) for name, moment in at.items() for s in sources]
    )
    catalogue.store.claims.record([failed(ids["failing"], Source.COMMITS, "not_ready")])
    first = NOW - timedelta(days=3)
    gone = failed(ids["gone"], Source.REPOSITORY, "gone", failures=3, first_failed_at=first)
    soon = failed(ids["missing"], Source.REPOSITORY, "gone", failures=3, first_failed_at=NOW - HOUR)
    catalogue.store.claims.record([gone, soon, failed(ids["retired"], Source.REPOSITORY)])
    catalogue.store.packages.retire([ids["retired"]], NOW)
    expected = {
        PackageState.RETIRED: ["retired"],
        PackageState.GONE: ["gone"],
        PackageState.FAILING: ["failing", "missing"],
        PackageState.UNSUPPORTED: ["bare", "unsupported"],
        PackageState.NOT_FETCHED: ["never"],
        PackageState.STALE: ["stale"],
        PackageState.FRESH: ["fresh"],
    }
    assert {state: _slugs(catalogue, state=state) for state in PackageState} == expected
    shown = {slug: package_state(catalogue.get(slug), NOW, INTERVAL) for slugs in expected.values() for slug in slugs}
    assert shown == {slug: state for state, slugs in expected.items() for slug in slugs}
    assert catalogue.store.statistics.read(NOW, INTERVAL).states(NOW, INTERVAL) == {
        state: len(slugs) for state, slugs in expected.items()
    }


def test_a_list_too_large_is_no_failure(catalogue: Catalogue) -> None:
    """Contributors that the upstream refuses for their size count as answered: nothing fails, and nothing is listed."""
    (a,) = catalogue.add("a")
    for source in (Source.REPOSITORY, Source.CONTRIBUTORS, Source.COMMITS):
        outcome = OutcomeKind.BLOCKED if source is Source.CONTRIBUTORS else OutcomeKind.FETCHED
        catalogue.store.claims.record([answered(a, source, outcome=outcome)])
    assert _slugs(catalogue, state=PackageState.FRESH) == ["a"]
    assert catalogue.store.packages.failures() == []
    statistics = catalogue.store.statistics.read(NOW, INTERVAL)
    assert (dict(statistics.failures), statistics.states(NOW, INTERVAL)[PackageState.FRESH]) == ({}, 1)
    assert package_state(catalogue.get("a"), NOW, INTERVAL) is PackageState.FRESH


def test_a_missing_repository_is_one_failure(catalogue: Catalogue) -> None:
    """Contributors and commits that are missing with their repository are not listed; other failures of them are."""
    a, b = catalogue.add("a", "b")
    missing = [failed(a, source, "gone") for source in (Source.REPOSITORY, Source.CONTRIBUTORS, Source.COMMITS)]
    catalogue.store.claims.record([*missing, failed(b, Source.COMMITS, "gone")])
    found = [(row.slug, row.state.source) for row in catalogue.store.packages.failures()]
    assert found == [("a", Source.REPOSITORY), ("b", Source.COMMITS)]


def test_a_line_has_the_state_of_its_package(catalogue: Catalogue) -> None:
    """The values of a line equal those of the document."""
    (a,) = catalogue.add("a", project=True)
    catalogue.answer(a, Source.REPOSITORY, stats(description="text"))
    catalogue.answer(a, Source.INDEX, versions("1.0", "2.0"))
    (row,) = catalogue.store.packages.listing(Listing(), STALE).rows
    assert (row.id, row.title, row.description, row.stars, row.forks, row.version) == (a, "A", "text", 10, 2, "2.0")
    assert row.last_updated == NOW - DAY


def test_packages_in_a_row(catalogue: Catalogue) -> None:
    """Packages for documents come in the requested order, without unknown ids."""
    ids = catalogue.add("a", "b", "c", project=True)
    catalogue.answer(ids[0], Source.INDEX, versions("1.0"))
    found = catalogue.store.packages.documents([ids[2], 5, ids[0]])
    assert [one.entry.slug for one in found] == ["c", "a"]
    full = catalogue.get("a")
    assert (found[1].entry, found[1].observed, found[1].stats) == (full.entry, full.observed, full.stats)
    assert catalogue.store.packages.documents([]) == []


def test_when_anything_was_touched(catalogue: Catalogue) -> None:
    """A request or an edit advances the time; an import without changes does not."""
    store = catalogue.store
    assert store.packages.touched_at([]) is None
    a, b = catalogue.add("a", "b")
    assert (store.packages.touched_at([a, b]), store.packages.touched_at([])) == (NOW, NOW)
    catalogue.answer(a, Source.REPOSITORY, stats(), observed_at=NOW + HOUR)
    assert (store.packages.touched_at([a, b]), store.packages.touched_at([a]), store.packages.touched_at([b])) == (
        NOW + HOUR,
        NOW + HOUR,
        NOW,
    )
    catalogue.add("a", now=NOW + 2 * HOUR)
    assert store.packages.touched_at([b]) == NOW
    store.packages.retire([b], NOW + 3 * HOUR)
    assert store.packages.touched_at([b]) == NOW + 3 * HOUR


def test_all_packages_in_stretches(catalogue: Catalogue) -> None:
    """Pages by id contain each package once, retired and newly added ones too; a page past the end is empty."""
    ids = sorted(catalogue.add("c", "a", "b", "d", "e"))
    catalogue.store.packages.retire(ids[1:2], NOW)

    first = catalogue.store.packages.documents_after(0, 2)
    catalogue.add("late")
    rest = catalogue.store.packages.documents_after(ids[1], 100)

    assert [one.entry.id for one in [*first, *rest]][:5] == ids
    assert rest[-1].entry.slug == "late"
    assert catalogue.store.packages.documents_after(rest[-1].entry.id or 0, 2) == []
    assert catalogue.store.packages.size() == 6
