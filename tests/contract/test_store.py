"""Claims, leases and loading, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fetcher.domain.errors import StoreError
from fetcher.domain.model import (
    DETAIL_SOURCES,
    REPOSITORY_SOURCES,
    CommitDays,
    Contribution,
    Contributors,
    DueReason,
    MadeDue,
    RepoRef,
    Source,
    Validators,
)
from fetcher.ports import Checkpoint, Store
from fetcher.store import SqlStore, open_engine
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import HOST, LEASE, NOW, Catalogue, answered, failed, stats, store_on, versions


def test_is_a_store(store: SqlStore) -> None:
    """The adapter has every method of the port, which mypy checks on this line."""
    port: Store = store
    assert port.due_ids(None, None) == []


def test_claim_takes_the_longest_due_first(catalogue: Catalogue) -> None:
    """Of three packages due at different times, two claims of two take the oldest two, then the last one."""
    last, first, middle = (
        catalogue.add(slug, now=NOW - age)[0] for slug, age in zip("abc", (HOUR, 3 * HOUR, 2 * HOUR), strict=True)
    )
    assert catalogue.claim(Source.GITHUB, limit=2).package_ids == (first, middle)
    assert catalogue.claim(Source.GITHUB, limit=2).package_ids == (last,)


def test_claim_finds_nothing_that_is_not_due(catalogue: Catalogue) -> None:
    """Packages due in an hour, sources without a due time, no sources and a limit of zero give no claim."""
    catalogue.add("a", now=NOW + HOUR)
    assert catalogue.store.claim([Source.GITHUB], 10, NOW, LEASE) is None
    assert catalogue.store.claim(DETAIL_SOURCES, 10, NOW + DAY, LEASE) is None
    assert catalogue.store.claim([], 10, NOW + DAY, LEASE) is None
    assert catalogue.store.claim([Source.GITHUB], 0, NOW + DAY, LEASE) is None


def test_claim_is_by_package(catalogue: Catalogue) -> None:
    """A limit of one package takes all requested due sources of that package, and no others."""
    catalogue.add("a", "b", project=True)
    claim = catalogue.claim(Source.GITHUB, Source.PYPI, limit=1)
    (target,) = catalogue.store.load(claim)
    assert target.claimed == {Source.GITHUB, Source.PYPI}
    assert len(catalogue.claim(Source.GITHUB, limit=5).package_ids) == 1


def test_claim_orders_packages_over_all_sources(catalogue: Catalogue) -> None:
    """A package due longest by its second source comes before one due by the first source."""
    a, b = catalogue.add("a", "b", project=True)
    catalogue.answer(b, Source.PYPI, due_at=NOW - 2 * DAY)
    catalogue.answer(a, Source.GITHUB, stats(), due_at=NOW - DAY)
    assert catalogue.claim(Source.GITHUB, Source.PYPI, limit=1).package_ids == (b,)


def test_an_expired_lease_can_be_claimed_again(catalogue: Catalogue) -> None:
    """The next worker claims a dead worker's packages once the lease has expired, even without ``expire_leases``."""
    catalogue.add("a")
    dead = catalogue.claim(Source.GITHUB)
    assert catalogue.store.claim([Source.GITHUB], 1, NOW + LEASE / 2, LEASE) is None
    alive = catalogue.claim(Source.GITHUB, now=NOW + LEASE)
    assert alive.package_ids == dead.package_ids
    assert catalogue.store.load(dead) == []


def test_claim_packages_takes_leases_over(catalogue: Catalogue) -> None:
    """A manual refresh claims known packages in the requested order, even if not due or leased by another worker."""
    a, b = catalogue.add("a", "b")
    background = catalogue.claim(Source.GITHUB)
    manual = catalogue.store.claim_packages([b, 4_000, a], REPOSITORY_SOURCES, NOW, LEASE)
    assert manual is not None
    assert manual.package_ids == (b, a)
    assert catalogue.store.load(background) == []
    assert all(target.claimed == set(REPOSITORY_SOURCES) for target in catalogue.store.load(manual))
    assert catalogue.store.claim_packages([4_000], REPOSITORY_SOURCES, NOW, LEASE) is None


def test_release_gives_back_as_due_as_it_was(catalogue: Catalogue) -> None:
    """Released rows keep their due time and can be claimed at once; a second release changes no row."""
    catalogue.add("a", "b", project=True)
    claim = catalogue.claim(Source.GITHUB, Source.PYPI)
    assert catalogue.store.leased([Source.GITHUB, Source.PYPI], NOW) == 2
    assert catalogue.store.release(claim) == 4
    assert catalogue.store.release(claim) == 0
    assert catalogue.store.leased([Source.GITHUB, Source.PYPI], NOW) == 0
    assert catalogue.claim(Source.GITHUB).package_ids == claim.package_ids


def test_expire_leases_ends_only_those_that_are_over(catalogue: Catalogue) -> None:
    """Of two leases only the expired one is ended; the count of leased packages uses the same time."""
    catalogue.add("a", "b")
    catalogue.claim(Source.GITHUB, limit=1)
    catalogue.claim(Source.GITHUB, limit=1, now=NOW + LEASE / 2)
    assert catalogue.store.leased([Source.GITHUB], NOW + LEASE) == 1
    assert catalogue.store.expire_leases(NOW + LEASE) == 1
    assert catalogue.state("a", Source.GITHUB).lease is None
    assert catalogue.state("b", Source.GITHUB).lease is not None


def test_load_returns_the_input_of_decisions(catalogue: Catalogue) -> None:
    """A target has the repository's last seen name, its ids and head, the project and every source's state."""
    (a,) = catalogue.add("a", project=True)
    seen = stats(full_name="new/name", node_id="R_9", database_id=9)
    validators = Validators('"etag"', None, "token")
    catalogue.answer(a, Source.GITHUB, seen, due_at=NOW, revision="abc", validators=validators)
    (target,) = catalogue.store.load(catalogue.claim(Source.GITHUB))
    assert (target.package_id, target.slug, target.project) == (a, "a", "a")
    assert target.repo == RepoRef(HOST, "new", "name")
    assert (target.node_id, target.database_id, target.head_oid) == ("R_9", 9, "abc")
    assert (target.head_committed_at, target.default_branch) == (seen.head_committed_at, "main")
    assert set(target.states) == set(Source)
    assert target.state(Source.GITHUB).revision == "abc"
    assert target.state(Source.GITHUB).validators == validators
    assert target.contributors is None
    assert target.commit_days is None


def test_load_returns_the_lists_on_demand(catalogue: Catalogue) -> None:
    """Contributors and daily commits are loaded only with ``details``, exactly as recorded."""
    (a,) = catalogue.add("a")
    people = Contributors((Contribution("ann", 5), Contribution("böb", 1)))
    days = CommitDays((NOW - 400 * DAY).date(), (0, 3, 0, 1000) + (0,) * 367)
    catalogue.store.record([answered(a, Source.CONTRIBUTORS, people), answered(a, Source.COMMITS, days)])
    claim = catalogue.claim(Source.GITHUB)
    assert catalogue.store.load(claim)[0].contributors is None
    (target,) = catalogue.store.load(claim, details=True)
    assert (target.contributors, target.commit_days) == (people, days)


def test_a_target_without_a_claim(catalogue: Catalogue) -> None:
    """The target equals that of a claim of all sources, without a lease."""
    (a,) = catalogue.add("a", project=True)
    catalogue.store.record([answered(a, Source.GITHUB, stats()), answered(a, Source.CONTRIBUTORS, Contributors(()))])
    target = catalogue.store.target(a)
    assert target is not None
    assert all(state.lease is None for state in target.states.values())
    claim = catalogue.store.claim_packages([a], tuple(Source), NOW, LEASE)
    assert claim is not None
    (loaded,) = catalogue.store.load(claim, details=True)
    assert replace(loaded, lease="", states=target.states) == target
    assert catalogue.store.target(7) is None


def test_due_ids(catalogue: Catalogue) -> None:
    """Ids are those of all packages, those with a given source, those with any source due, or with a given one due."""
    a, b = catalogue.add("a", "b", project=True)
    (c,) = catalogue.add("c", repo_url=None)
    catalogue.answer(a, Source.GITHUB, due_at=NOW + DAY)
    assert catalogue.store.due_ids(None, None) == [a, b, c]
    assert catalogue.store.due_ids([Source.COMMITS], None) == [a, b]
    assert catalogue.store.due_ids(None, NOW) == [a, b]
    assert catalogue.store.due_ids([Source.GITHUB], NOW) == [b]
    assert catalogue.store.due_ids([Source.GITHUB, Source.PYPI], NOW) == [a, b]


def test_figures_say_how_each_source_stands(catalogue: Catalogue) -> None:
    """Each source has counts of packages, responses, due, leased and failing, its oldest response and next due time."""
    a, b, c = catalogue.add("a", "b", "c")
    catalogue.answer(a, Source.GITHUB, observed_at=NOW - DAY, due_at=NOW + HOUR)
    catalogue.store.record([failed(b, Source.GITHUB, due_at=NOW + 2 * HOUR)])
    assert catalogue.claim(Source.GITHUB).package_ids == (c,)
    figures = catalogue.store.catalogue_stats(NOW, DAY)
    github, contributors, _, pypi = map(figures.source, Source)
    assert (github.packages, github.answered, github.due_by(NOW), github.leased, github.failing) == (3, 1, 1, 1, 1)
    assert (github.oldest, github.next_due) == (NOW - DAY, NOW)
    assert (contributors.packages, contributors.due_by(NOW), contributors.next_due) == (3, 0, None)
    assert (pypi.source, pypi.packages) == (Source.PYPI, 0)


def test_failures_are_listed_until_an_answer(catalogue: Catalogue) -> None:
    """Failing and gone sources are listed by slug with their state, until a successful response."""
    a, b = catalogue.add("b", "a", project=True)
    catalogue.store.record([failed(a, Source.PYPI, "gone", failures=3), failed(b, Source.GITHUB, message="502")])
    rows = catalogue.store.failures()
    assert [(row.slug, row.state.source, row.state.outcome) for row in rows] == [
        ("a", Source.GITHUB, "transient"),
        ("b", Source.PYPI, "gone"),
    ]
    assert rows[0].state.message == "502"
    assert rows[0].state.last_failed_at == NOW
    catalogue.answer(a, Source.PYPI, versions("1.0"), observed_at=NOW + HOUR)
    assert [row.slug for row in catalogue.store.failures()] == ["a"]


def test_markers(store: SqlStore) -> None:
    """An unknown marker is empty; a saved one is read back, and saved again it is replaced."""
    assert store.checkpoint("root") == Checkpoint("root")
    checkpoint = Checkpoint("root", NOW, NOW + DAY, Validators("e", "m", "c"), "fetched", "fine")
    store.save_checkpoint(checkpoint)
    assert store.checkpoint("root") == checkpoint
    store.save_checkpoint(Checkpoint("root", NOW + DAY))
    assert store.checkpoint("root") == Checkpoint("root", NOW + DAY)


def test_package_ids_and_unknown_slugs(catalogue: Catalogue) -> None:
    """Only known slugs have ids; an unknown one has no package and no history."""
    (a,) = catalogue.add("a")
    assert catalogue.store.package_ids(["a", "nobody"]) == {"a": a}
    assert catalogue.store.package("nobody") is None
    assert catalogue.store.history("nobody") == []


def test_a_database_that_is_not_migrated_is_reported(empty_url: str) -> None:
    """Every method of a store without tables raises a one-line error that names the remedy."""
    engine = open_engine(empty_url)
    store = store_on(engine)
    with pytest.raises(StoreError, match=r"is not migrated\. Run `fetcher db upgrade`"):
        store.claim([Source.GITHUB], 1, NOW, timedelta(minutes=1))
    with pytest.raises(StoreError, match="is not migrated"):
        store.record([MadeDue(1, Source.GITHUB, NOW, DueReason.MOVED)])
    with pytest.raises(StoreError, match="is not migrated"):
        store.package("a")
    engine.dispose()
