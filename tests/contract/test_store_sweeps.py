"""Computed intervals in the store: activity, its classes, and due times that follow shorter intervals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from fetcher.domain.model import DueReason, Observed, OutcomeKind, Source
from fetcher.domain.scheduling import slot
from fetcher.domain.sweeping import CLASSES, Sweep, SweepLimit, SweepPlan
from fetcher.upstreams.github.limits import GITHUB
from tests.harness.clock import DAY
from tests.harness.stores import NOW, Catalogue

MINUTE = timedelta(minutes=1)
PLAN = SweepPlan(
    upstream=GITHUB,
    sweep=Sweep(7 * MINUTE, 0.5),
    since=NOW,
    computed_at=NOW + MINUTE,
    packages=(3, 0, 0, 1, 0, 0, 2),
    limited_by=SweepLimit.RATE,
    resource="graphql",
    quota=5_000.0,
    used=660.5,
    placed_after=0,
)
EVERY_FIVE = replace(PLAN, sweep=Sweep(timedelta(seconds=1)))


def answer(package_id: int, lease: str | None, due_at: datetime, active_at: datetime | None = None) -> Observed:
    return Observed(
        package_id,
        Source.REPOSITORY,
        lease,
        NOW,
        due_at,
        DueReason.SLOT,
        outcome=OutcomeKind.FETCHED,
        answered=True,
        active_at=active_at,
    )


def test_plans_are_kept(catalogue: Catalogue) -> None:
    """A plan is read as it was saved, and the next one of the same upstream replaces it."""
    sweeps = catalogue.store.sweeps
    assert sweeps.plans() == []
    sweeps.save(PLAN)
    assert sweeps.plans() == [PLAN]
    later = replace(PLAN, sweep=Sweep(MINUTE), placed_after=None)
    sweeps.save(later)
    assert sweeps.plans() == [later]


def test_activity(catalogue: Catalogue) -> None:
    """A record's activity is stored and loaded with the target; a record without one leaves it."""
    (package_id,) = catalogue.add("a")
    claims = catalogue.store.claims
    claims.record([answer(package_id, None, NOW + DAY, NOW - 3 * DAY)])
    claims.record([replace(answer(package_id, None, NOW + DAY), observed_at=NOW + MINUTE)])
    target = claims.target(package_id)
    assert target is not None
    assert target.active_at == NOW - 3 * DAY


def test_classes(catalogue: Catalogue) -> None:
    """Packages are counted by class at each upstream; one of unknown activity is in the last class."""
    ids = catalogue.add(*"abcd")
    ages = (DAY, 2 * DAY, 5_000 * DAY, None)
    active = [None if age is None else NOW - age for age in ages]
    records = [answer(one, None, NOW + DAY, at) for one, at in zip(ids, active, strict=True)]
    catalogue.store.claims.record(records)
    assert catalogue.store.sweeps.classes(NOW) == {GITHUB: (1, 1, 0, 0, 0, 0, 2)}
    assert catalogue.store.sweeps.classes(NOW, 0.1) == {GITHUB: (0, 0, 1, 1, 0, 0, 2)}
    assert len(catalogue.store.sweeps.classes(NOW)[GITHUB]) == CLASSES


def test_due_times_follow_shorter_intervals(catalogue: Catalogue) -> None:
    """Due times come forward to the new slots, a portion at a time; earlier, failing and leased ones stay."""
    store = catalogue.store
    later, earlier, failing, leased = catalogue.add("later", "earlier", "failing", "leased")
    soon = NOW + timedelta(seconds=3)
    failed = replace(answer(failing, None, NOW + DAY), failures=1, answered=False, due_reason=DueReason.COOLING)
    store.claims.record([answer(later, None, NOW + DAY), answer(earlier, None, soon), failed])
    store.claims.record([answer(leased, None, NOW + DAY)])
    assert store.claims.claim_packages([leased], [Source.REPOSITORY], NOW, DAY) is not None
    store.sweeps.save(EVERY_FIVE)
    assert store.sweeps.place(EVERY_FIVE, NOW, 3) is not None
    (half,) = store.sweeps.plans()
    assert store.sweeps.place(half, NOW, 3) is None
    assert store.sweeps.place(store.sweeps.plans()[0], NOW) is None
    due = {slug: _due(catalogue, slug) for slug in ("later", "earlier", "failing", "leased")}
    assert due == {
        "later": slot(later, NOW, 5 * MINUTE),
        "earlier": soon,
        "failing": NOW + DAY,
        "leased": NOW + DAY,
    }


def test_due_times_follow_a_shorter_setting(catalogue: Catalogue) -> None:
    """Repositories and projects come forward, each by its interval, in portions; commits and earlier ones stay."""
    store = catalogue.store
    ids = catalogue.add(*"abc", project=True)
    month = timedelta(days=30)
    records = [
        replace(answer(one, None, slot(one, NOW, month)), source=source)
        for one in ids
        for source in (Source.REPOSITORY, Source.INDEX, Source.COMMITS)
    ]
    store.claims.record(records)
    soon = NOW + timedelta(seconds=3)
    store.claims.record([replace(answer(ids[2], None, soon), source=Source.INDEX, observed_at=NOW + MINUTE)])
    intervals = {Source.REPOSITORY: 5 * MINUTE, Source.INDEX: DAY}

    def interval(source: Source, upstream: str, idle: timedelta | None) -> timedelta:
        assert (upstream == GITHUB) is (source is Source.REPOSITORY)
        assert idle is None
        return intervals[source]

    assert store.sweeps.follow(interval, 0, NOW, 2) == ids[1]
    assert _due(catalogue, "c") == slot(ids[2], NOW, month)
    assert store.sweeps.follow(interval, ids[1], NOW, 2) is None
    for slug, one in zip("abc", ids, strict=True):
        assert _due(catalogue, slug) == slot(one, NOW, 5 * MINUTE)
        assert _due(catalogue, slug, Source.COMMITS) == slot(one, NOW, month)
    assert [_due(catalogue, slug, Source.INDEX) for slug in "abc"] == [*(slot(one, NOW, DAY) for one in ids[:2]), soon]


def _due(catalogue: Catalogue, slug: str, source: Source = Source.REPOSITORY) -> datetime | None:
    return catalogue.state(slug, source).due_at
