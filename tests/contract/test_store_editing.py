"""Removal of packages, similar slugs and the filter by upstream, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from fetcher.domain.model import Source
from fetcher.domain.views import Listing, Removed
from fetcher.store import schema, similar
from fetcher.upstreams.github.limits import GITHUB
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.clock import NOW
from tests.harness.stores import Catalogue, answered, stats, versions

HOUR = timedelta(hours=1)


def _rows(catalogue: Catalogue) -> dict[str, int]:
    """Return the number of rows of each table that belong to packages."""
    tables = [table for table in schema.Base.metadata.sorted_tables if "package_id" in table.c]
    with catalogue.store.engine.connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
        }


def _feed(rows: dict[str, int]) -> dict[str, int]:
    """Return the counts of the change feed's tables, which keep a tombstone of each removed package."""
    return {name: rows[name] for name in ("pending_changes", "changes")}


def test_remove_deletes_every_row(catalogue: Catalogue) -> None:
    """Foreign keys delete the rows of all tables, the numbers are returned, and other packages stay."""
    (kept,) = catalogue.add("kept", project=True)
    alone = _rows(catalogue)
    (a,) = catalogue.add("a", project=True)
    catalogue.store.claims.record(
        [answered(a, Source.REPOSITORY, stats()), answered(a, Source.INDEX, versions("1.0", "2.0"))]
    )
    catalogue.store.requests.submit([a], NOW)

    removed = catalogue.store.packages.remove([a], NOW + HOUR)

    assert (removed.packages, removed.releases, removed.days) == (1, 2, 1)
    assert removed.events > 0
    assert {**_rows(catalogue), **_feed(alone)} == alone
    catalogue.store.changes.number(NOW + HOUR)
    assert [one.slug for one in catalogue.store.changes.latest(1)] == ["a"]
    assert (
        catalogue.store.packages.touched_at(
            [kept],
        )
        == NOW + HOUR
    )
    assert catalogue.store.packages.remove([a], NOW + HOUR) == Removed(0, 0, 0, 0)


def test_a_response_for_a_removed_package_is_dropped(catalogue: Catalogue) -> None:
    """A worker that holds a claim records the other packages of its batch."""
    a, b = catalogue.add("a", "b")
    claim = catalogue.claim(Source.REPOSITORY)
    catalogue.store.packages.remove([a], NOW)
    assert [target.package_id for target in catalogue.store.claims.load(claim)] == [b]
    catalogue.store.claims.record([answered(one, Source.REPOSITORY, stats()) for one in (a, b)])
    assert catalogue.store.packages.get("a") is None
    assert catalogue.get("b").stats is not None


@pytest.mark.parametrize("compared", [5_000, 3])
def test_similar_slugs(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, compared: int) -> None:
    """Similar slugs in any case, the most similar first; also in a catalogue too large to be compared in full."""
    monkeypatch.setattr(similar, "MOST_COMPARED", compared)
    catalogue.add("lesscpy", "django-vies", "django-views", "Requests", "x" * 200, "é-ü")
    store = catalogue.store.packages
    assert store.similar("lesscpi") == ["lesscpy"]
    assert store.similar("LESSCPY") == ["lesscpy"]
    assert store.similar("django-vie") == ["django-vies", "django-views"]
    assert store.similar("requests") == ["Requests"]
    assert [store.similar(text) for text in ("zzz", "", " ", "x" * 300, "\ud800")] == [[]] * 5


def test_the_filter_by_upstream(catalogue: Catalogue) -> None:
    """Only packages with a source of the upstream are listed and counted; a retired one has no source."""
    catalogue.add("code", "retired")
    catalogue.add("both", project=True)
    catalogue.store.packages.retire(list(catalogue.store.packages.ids(["retired"]).values()), NOW)

    def listed(upstream: str) -> list[str]:
        found = catalogue.store.packages.listing(Listing(upstream=upstream), NOW)
        assert found.count == len(found.rows)
        return [row.slug for row in found.rows]

    assert listed(GITHUB) == ["both", "code"]
    assert listed(PYPI) == ["both"]
    assert listed("nothing") == []


def test_a_line_has_both_addresses(catalogue: Catalogue) -> None:
    catalogue.add("a", repo_url="https://github.com/x/y", pypi_url="a")
    (row,) = catalogue.store.packages.listing(Listing(), NOW).rows
    assert (row.repo_url, row.pypi_url) == ("https://github.com/x/y", "a")
