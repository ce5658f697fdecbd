"""The change feed beside the documents, on both databases: each difference is named, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from fetcher.catalogue.documents import write_document
from fetcher.domain.changes import Change, Cursor, EventType
from fetcher.domain.model import CommitDays, Contribution, Contributors, DocumentValues, ProjectInfo, Source
from tests.harness.clock import HOUR
from tests.harness.examples import seeds
from tests.harness.stores import HOST, NOW, Catalogue, answered, entry, failed, stats, versions

SLUGS = ("a", "b", "c")
NO_CHANGE = {"last_fetched"}
"""A key of the document that changes without a change in the feed."""
HIDDEN = {"documentation_url"}
"""A field that an edit can change without a difference: the project's own address may be the same."""


@dataclass
class Edits:
    """Random edits and responses, an hour apart, with values that often repeat."""

    catalogue: Catalogue
    rng: Random
    now: datetime = NOW
    ids: dict[str, int] = field(default_factory=dict)

    def one(self) -> None:
        """Make one random change, or one that changes nothing."""
        self.now += HOUR
        slug = self.rng.choice(SLUGS)
        makers: list[Callable[[str], None]] = [
            self._edit, self._edit, self._repository, self._project, self._people, self._commits, self._failure
        ]  # fmt: skip
        self.rng.choice(makers)(slug)

    def _edit(self, slug: str) -> None:
        choose = self.rng.choice
        observed = DocumentValues(
            repo_watchers=choose((None, 5, 10)),
            repo_description=choose((None, "imported")),
            participants=choose((None, ("ann",), ("bob", "ann"))),
            commits_over_52=choose((None, (1,) * 52)),
            pypi_version=choose((None, "1.0")),
        )
        fields = {
            "title": choose((slug, "Other")),
            "repo_url": f"https://{HOST}/owner/{choose((slug, slug + '2'))}",
            "pypi_url": choose((None, slug, slug + "2")),
            "documentation_url": choose((None, "https://editors.example/")),
            "extra": choose(({}, {"stars!": 1})),
            "observed": choose((DocumentValues(), observed)),
        }
        done = self.catalogue.store.packages.import_entries([entry(slug, **fields)], self.now)
        assert not done.rejected

    def _repository(self, slug: str) -> None:
        choose = self.rng.choice
        committed = choose((None, NOW, NOW - HOUR))
        values = stats(stars=choose((5, 10)), description=choose(("", "imported", "its own")), forks=choose((1, 2)))
        values = replace(values, head_committed_at=committed, empty=committed is None)
        self._answer(slug, Source.REPOSITORY, values)

    def _project(self, slug: str) -> None:
        choose = self.rng.choice
        info = choose((None, *(ProjectInfo("", (), None, url) for url in (None, "", "https://docs.example/"))))
        self._answer(slug, Source.INDEX, versions(choose(("1.0", "1.1")), info=info))

    def _people(self, slug: str) -> None:
        people = self.rng.choice(((), ("ann",), ("bob", "ann")))
        self._answer(slug, Source.CONTRIBUTORS, Contributors(tuple(Contribution(one, 2) for one in people)))

    def _commits(self, slug: str) -> None:
        counts = self.rng.choice((0, 1)), *(0,) * 370, self.rng.choice((0, 1))
        self._answer(slug, Source.COMMITS, CommitDays(self.now.date() - 372 * (24 * HOUR), counts, sum(counts)))

    def _failure(self, slug: str) -> None:
        source = self.rng.choice((Source.REPOSITORY, Source.INDEX))
        self._record(slug, failed(0, source, observed_at=self.now))

    def _answer(self, slug: str, source: Source, values: Any) -> None:
        self._record(slug, answered(0, source, values, observed_at=self.now))

    def _record(self, slug: str, record: Any) -> None:
        known = self.catalogue.store.packages.ids([slug])
        if slug in known:
            self.catalogue.store.claims.record([replace(record, package_id=known[slug])])


def _documents(catalogue: Catalogue, now: datetime) -> dict[str, dict[str, Any]]:
    found = (catalogue.store.packages.get(slug) for slug in SLUGS)
    return {one.entry.slug: write_document(one, UTC, now.date()) for one in found if one is not None}


def _failing(catalogue: Catalogue) -> dict[str, bool]:
    found = (catalogue.store.packages.get(slug) for slug in SLUGS)
    return {one.entry.slug: any(state.failures for state in one.states.values()) for one in found if one is not None}


def _changes(catalogue: Catalogue, after: Cursor | None) -> tuple[dict[str, Change], Cursor]:
    feed = catalogue.store.changes
    feed.number(NOW)
    page = feed.page(after or feed.extent().start, 1000)
    return {one.slug: one for one in page.changes}, page.next


def _differences(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in {*before, *after} if before.get(name, ...) != after.get(name, ...)} - NO_CHANGE


@pytest.mark.parametrize("seed", seeds(2))
def test_each_difference_of_a_document_is_named(catalogue: Catalogue, seed: int) -> None:
    """After each of many random edits and responses, the feed names exactly the fields in which documents differ.

    A package that begins or ceases to fail has the event of it, also if an edit resets the source that fails.
    """
    edits = Edits(catalogue, Random(seed))  # noqa: S311  (chooses a test's values)
    catalogue.add(*SLUGS, project=True)
    _, cursor = _changes(catalogue, None)
    for _ in range(60):
        before, failing = _documents(catalogue, edits.now + HOUR), _failing(catalogue)
        edits.one()
        after, fails = _documents(catalogue, edits.now), _failing(catalogue)
        found, cursor = _changes(catalogue, cursor)
        for slug in SLUGS:
            differ, change = _differences(before[slug], after[slug]), found.get(slug)
            named = set(change.fields) if change is not None else set()
            assert named - HIDDEN <= differ <= named, (slug, before[slug], after[slug])
            turned = {
                one for one in (change.events if change else ()) if one in (EventType.FAILING, EventType.RECOVERED)
            }
            expected = EventType.FAILING if fails[slug] else EventType.RECOVERED
            assert turned == ({expected} if fails[slug] != failing[slug] else set()), slug
