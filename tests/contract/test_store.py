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
from fetcher.domain.moments import SKEW
from fetcher.domain.scheduling import Cadence
from fetcher.ports import Checkpoint
from fetcher.store import SqlStore, open_engine
from fetcher.upstreams.github.limits import GITHUB
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.clock import DAY, HOUR, SECOND
from tests.harness.stores import HOST, LEASE, NOW, Catalogue, answered, failed, stats, store_on, versions


def test_claim_takes_the_longest_due_first(catalogue: Catalogue) -> None:
    """Of three packages due at different times, two claims of two take the oldest two, then the last one."""
    last, first, middle = (
        catalogue.add(slug, now=NOW - age)[0] for slug, age in zip("abc", (HOUR, 3 * HOUR, 2 * HOUR), strict=True)
    )
    assert catalogue.claim(Source.REPOSITORY, limit=2).package_ids == (first, middle)
    assert catalogue.claim(Source.REPOSITORY, limit=2).package_ids == (last,)


def test_claim_finds_nothing_that_is_not_due(catalogue: Catalogue) -> None:
    """Packages due in an hour, sources without a due time, no sources and a limit of zero give no claim."""
    catalogue.add("a", now=NOW + HOUR)
    assert catalogue.store.claims.claim(GITHUB, [Source.REPOSITORY], 10, NOW, LEASE) is None
    assert catalogue.store.claims.claim(GITHUB, DETAIL_SOURCES, 10, NOW + DAY, LEASE) is None
    assert catalogue.store.claims.claim(GITHUB, [], 10, NOW + DAY, LEASE) is None
    assert catalogue.store.claims.claim(GITHUB, [Source.REPOSITORY], 0, NOW + DAY, LEASE) is None


def test_claim_is_by_package(catalogue: Catalogue) -> None:
    """A limit of one package takes all requested due sources of that package, and no others."""
    a, _ = catalogue.add("a", "b", project=True)
    catalogue.answer(a, Source.COMMITS, due_at=NOW)
    claim = catalogue.claim(Source.REPOSITORY, Source.COMMITS, limit=1)
    (target,) = catalogue.store.claims.load(claim)
    assert target.claimed == {Source.REPOSITORY, Source.COMMITS}
    assert len(catalogue.claim(Source.REPOSITORY, limit=5).package_ids) == 1


def test_claim_orders_packages_over_all_sources(catalogue: Catalogue) -> None:
    """A package due longest by its second source comes before one due by the first source."""
    a, b = catalogue.add("a", "b", project=True)
    catalogue.answer(b, Source.COMMITS, due_at=NOW - 2 * DAY)
    catalogue.answer(a, Source.REPOSITORY, stats(), due_at=NOW - DAY)
    assert catalogue.claim(Source.REPOSITORY, Source.COMMITS, limit=1).package_ids == (b,)


def test_claims_do_not_mix_upstreams(catalogue: Catalogue) -> None:
    """A claim takes sources of one upstream only; the count of leased packages and the due ids follow."""
    (a,) = catalogue.add("a", project=True)
    claim = catalogue.store.claims.claim(PYPI, tuple(Source), 10, NOW, LEASE)
    assert claim is not None
    (target,) = catalogue.store.claims.load(claim)
    assert target.claimed == {Source.INDEX}
    assert {s.upstream for s in target.states.values()} == {GITHUB, PYPI}
    assert catalogue.store.claims.leased(PYPI, tuple(Source), NOW) == 1
    assert catalogue.store.claims.leased(GITHUB, tuple(Source), NOW) == 0
    assert catalogue.store.claims.claim("elsewhere", tuple(Source), 10, NOW, LEASE) is None
    manual = catalogue.store.claims.claim_packages([a], tuple(Source), NOW, LEASE, GITHUB)
    assert manual is not None
    assert catalogue.store.claims.load(manual)[0].claimed == set(REPOSITORY_SOURCES)
    assert catalogue.store.claims.due_ids(None, NOW, "elsewhere") == []
    assert catalogue.store.claims.due_ids(None, NOW, PYPI) == [a]


def test_an_expired_lease_can_be_claimed_again(catalogue: Catalogue) -> None:
    """The next worker claims a dead worker's packages once the lease has expired, even without ``Claims.expire``."""
    catalogue.add("a")
    dead = catalogue.claim(Source.REPOSITORY)
    assert catalogue.store.claims.claim(GITHUB, [Source.REPOSITORY], 1, NOW + LEASE / 2, LEASE) is None
    alive = catalogue.claim(Source.REPOSITORY, now=NOW + LEASE)
    assert alive.package_ids == dead.package_ids
    assert catalogue.store.claims.load(dead) == []


def test_claim_packages_takes_leases_over(catalogue: Catalogue) -> None:
    """A manual refresh claims known packages in the requested order, even if not due or leased by another worker."""
    a, b = catalogue.add("a", "b")
    background = catalogue.claim(Source.REPOSITORY)
    manual = catalogue.store.claims.claim_packages([b, 4_000, a], REPOSITORY_SOURCES, NOW, LEASE)
    assert manual is not None
    assert manual.package_ids == (b, a)
    assert catalogue.store.claims.load(background) == []
    assert all(target.claimed == set(REPOSITORY_SOURCES) for target in catalogue.store.claims.load(manual))
    assert catalogue.store.claims.claim_packages([4_000], REPOSITORY_SOURCES, NOW, LEASE) is None


def test_leased_packages_are_counted_once(catalogue: Catalogue) -> None:
    """The number is of packages, whichever of their sources are leased, until the lease is over."""
    ids = catalogue.add("a", "b", project=True)
    assert catalogue.store.claims.claim_packages(ids, tuple(Source), NOW, LEASE) is not None
    assert catalogue.store.claims.leased(GITHUB, REPOSITORY_SOURCES, NOW) == 2
    assert catalogue.store.claims.leased(GITHUB, REPOSITORY_SOURCES, NOW + LEASE) == 0


def test_expire_leases_ends_only_those_that_are_over(catalogue: Catalogue) -> None:
    """Of two leases only the expired one is ended; the count of leased packages uses the same time."""
    catalogue.add("a", "b")
    catalogue.claim(Source.REPOSITORY, limit=1)
    catalogue.claim(Source.REPOSITORY, limit=1, now=NOW + LEASE / 2)
    assert catalogue.store.claims.leased(GITHUB, [Source.REPOSITORY], NOW + LEASE) == 1
    assert catalogue.store.claims.expire(NOW + LEASE) == 1
    assert catalogue.state("a", Source.REPOSITORY).lease is None
    assert catalogue.state("b", Source.REPOSITORY).lease is not None


@pytest.mark.parametrize(("source", "reason", "furthest"), [
    (Source.REPOSITORY, DueReason.SLOT, 1.5 * DAY),
    (Source.REPOSITORY, DueReason.COOLING, 45 * DAY),
    (Source.COMMITS, DueReason.RECHECK, 45 * DAY),
    (Source.INDEX, DueReason.RECHECK, 45 * DAY),
])  # fmt: skip
def test_due_times_of_a_clock_that_was_ahead_are_brought_back(
    catalogue: Catalogue, source: Source, reason: DueReason, furthest: timedelta
) -> None:
    """A source beyond every interval and pause is due, with its reason; one within them keeps its time."""
    ids = catalogue.add("far", "near", project=True)
    limit = NOW + furthest + SKEW
    for package_id, due_at in zip(ids, (limit + SECOND, limit), strict=True):
        catalogue.answer(package_id, source, due_at=due_at, due_reason=reason)
    assert catalogue.store.claims.bring_back([GITHUB, PYPI], NOW, Cadence(), LEASE) == 1
    state = catalogue.state("far", source)
    assert (state.due_at, state.due_reason) == (NOW, reason)
    assert catalogue.state("near", source).due_at == limit
    assert catalogue.store.claims.bring_back([GITHUB, PYPI], NOW, Cadence(), LEASE) == 0


def test_a_lease_of_a_clock_that_was_ahead_ends(catalogue: Catalogue) -> None:
    """The lease of a worker that was lost then ends; one of a worker with the right clock stays."""
    catalogue.add("a", "b")
    catalogue.claim(Source.REPOSITORY, now=NOW + 400 * DAY, limit=1)
    catalogue.claim(Source.REPOSITORY, now=NOW, limit=1)
    assert catalogue.store.claims.leased(GITHUB, [Source.REPOSITORY], NOW) == 2
    assert catalogue.store.claims.bring_back([GITHUB, PYPI], NOW, Cadence(), LEASE) == 1
    assert catalogue.state("a", Source.REPOSITORY).lease is None
    assert catalogue.state("b", Source.REPOSITORY).lease is not None


def test_load_returns_the_input_of_decisions(catalogue: Catalogue) -> None:
    """A target has the repository's last seen name, its ids and head, the project and every source's state."""
    (a,) = catalogue.add("a", project=True)
    seen = stats(full_name="new/name", handle="R_9", repository_id="9")
    validators = Validators('"etag"', None, "token")
    catalogue.answer(a, Source.REPOSITORY, seen, due_at=NOW, revision="abc", validators=validators)
    (target,) = catalogue.store.claims.load(catalogue.claim(Source.REPOSITORY))
    assert (target.package_id, target.slug, target.project) == (a, "a", "a")
    assert target.repo == RepoRef(HOST, "new/name")
    assert (target.handle, target.repository_id, target.head_oid) == ("R_9", "9", "abc")
    assert (target.head_committed_at, target.default_branch) == (seen.head_committed_at, "main")
    assert set(target.states) == set(Source)
    assert target.state(Source.REPOSITORY).revision == "abc"
    assert target.state(Source.REPOSITORY).validators == validators
    assert target.contributors is None
    assert target.commit_days is None


def test_load_returns_the_lists_on_demand(catalogue: Catalogue) -> None:
    """Contributors and daily commits are loaded only with ``details``, exactly as recorded."""
    (a,) = catalogue.add("a")
    people = Contributors((Contribution("ann", 5), Contribution("böb", 1)))
    days = CommitDays((NOW - 400 * DAY).date(), (0, 3, 0, 1000) + (0,) * 367)
    catalogue.store.claims.record([answered(a, Source.CONTRIBUTORS, people), answered(a, Source.COMMITS, days)])
    claim = catalogue.claim(Source.REPOSITORY)
    assert catalogue.store.claims.load(claim)[0].contributors is None
    (target,) = catalogue.store.claims.load(claim, details=True)
    assert (target.contributors, target.commit_days) == (people, days)


def test_a_target_without_a_claim(catalogue: Catalogue) -> None:
    """The target equals that of a claim of all sources, without a lease."""
    (a,) = catalogue.add("a", project=True)
    catalogue.store.claims.record(
        [answered(a, Source.REPOSITORY, stats()), answered(a, Source.CONTRIBUTORS, Contributors(()))]
    )
    target = catalogue.store.claims.target(a)
    assert target is not None
    assert all(state.lease is None for state in target.states.values())
    claim = catalogue.store.claims.claim_packages([a], tuple(Source), NOW, LEASE)
    assert claim is not None
    (loaded,) = catalogue.store.claims.load(claim, details=True)
    assert replace(loaded, lease="", states=target.states) == target
    assert catalogue.store.claims.target(7) is None


def test_due_ids(catalogue: Catalogue) -> None:
    """Ids are those of all packages, those with a given source, those with any source due, or with a given one due."""
    a, b = catalogue.add("a", "b", project=True)
    (c,) = catalogue.add("c", repo_url=None)
    catalogue.answer(a, Source.REPOSITORY, due_at=NOW + DAY)
    assert catalogue.store.claims.due_ids(None, None) == [a, b, c]
    assert catalogue.store.claims.due_ids([Source.COMMITS], None) == [a, b]
    assert catalogue.store.claims.due_ids(None, NOW) == [a, b]
    assert catalogue.store.claims.due_ids([Source.REPOSITORY], NOW) == [b]
    assert catalogue.store.claims.due_ids([Source.REPOSITORY, Source.INDEX], NOW) == [a, b]


def test_figures_say_how_each_source_stands(catalogue: Catalogue) -> None:
    """Each source has counts of packages, responses, due, leased and failing, its oldest response and next due time."""
    a, b, c = catalogue.add("a", "b", "c")
    catalogue.answer(a, Source.REPOSITORY, observed_at=NOW - DAY, due_at=NOW + HOUR)
    catalogue.store.claims.record([failed(b, Source.REPOSITORY, due_at=NOW + 2 * HOUR)])
    assert catalogue.claim(Source.REPOSITORY).package_ids == (c,)
    figures = catalogue.store.statistics.read(NOW, DAY)
    github, contributors, _, pypi = map(figures.source, Source)
    assert (github.packages, github.answered, github.due_by(NOW), github.leased, github.failing) == (3, 1, 1, 1, 1)
    assert (github.oldest, github.next_due) == (NOW - DAY, NOW)
    assert (contributors.packages, contributors.due_by(NOW), contributors.next_due) == (3, 0, None)
    assert (pypi.source, pypi.packages) == (Source.INDEX, 0)


def test_failures_are_listed_until_an_answer(catalogue: Catalogue) -> None:
    """Failing and gone sources are listed by slug with their state, until a successful response."""
    a, b = catalogue.add("b", "a", project=True)
    catalogue.store.claims.record(
        [failed(a, Source.INDEX, "gone", failures=3), failed(b, Source.REPOSITORY, message="502")]
    )
    rows = catalogue.store.packages.failures()
    assert [(row.slug, row.state.source, row.state.outcome) for row in rows] == [
        ("a", Source.REPOSITORY, "transient"),
        ("b", Source.INDEX, "gone"),
    ]
    assert rows[0].state.message == "502"
    assert rows[0].state.last_failed_at == NOW
    catalogue.answer(a, Source.INDEX, versions("1.0"), observed_at=NOW + HOUR)
    assert [row.slug for row in catalogue.store.packages.failures()] == ["a"]


def test_markers(store: SqlStore) -> None:
    """An unknown marker is empty; a saved one is read back, and saved again it is replaced."""
    assert store.checkpoints.get("root") == Checkpoint("root")
    checkpoint = Checkpoint("root", NOW, NOW + DAY, Validators("e", "m", "c"), "fetched", "fine")
    store.checkpoints.save(checkpoint)
    assert store.checkpoints.get("root") == checkpoint
    store.checkpoints.save(Checkpoint("root", NOW + DAY))
    assert store.checkpoints.get("root") == Checkpoint("root", NOW + DAY)


def test_a_checkpoint_is_exchanged_only_as_it_was_read(store: SqlStore) -> None:
    """One that another process saved meanwhile stays, also if there was none before."""
    none, first, second = Checkpoint("root"), Checkpoint("root", NOW), Checkpoint("root", NOW + DAY)
    assert store.checkpoints.exchange(none, first)
    assert not store.checkpoints.exchange(none, second)
    assert store.checkpoints.exchange(first, second)
    assert not store.checkpoints.exchange(first, none)
    assert store.checkpoints.get("root") == second


def test_package_ids_and_unknown_slugs(catalogue: Catalogue) -> None:
    """Only known slugs have ids; an unknown one has no package and no history."""
    (a,) = catalogue.add("a")
    assert catalogue.store.packages.ids(["a", "nobody"]) == {"a": a}
    assert catalogue.store.packages.get("nobody") is None
    assert catalogue.store.history.of_package("nobody") == []


def test_a_database_that_is_not_migrated_is_reported(empty_url: str) -> None:
    """Every method of a store without tables raises a one-line error that names the remedy."""
    engine = open_engine(empty_url)
    store = store_on(engine)
    with pytest.raises(StoreError, match=r"is not migrated\. Run `fetcher db upgrade`"):
        store.claims.claim(GITHUB, [Source.REPOSITORY], 1, NOW, timedelta(minutes=1))
    with pytest.raises(StoreError, match="is not migrated"):
        store.claims.record([MadeDue(1, Source.REPOSITORY, NOW, DueReason.MOVED)])
    with pytest.raises(StoreError, match="is not migrated"):
        store.packages.get("a")
    engine.dispose()
