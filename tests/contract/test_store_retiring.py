"""Retirement by editors: retired packages are in no schedule, and only an editor revives them."""

from __future__ import annotations

from datetime import timedelta

from fetcher.domain.model import DueReason, MadeDue, Observed, OutcomeKind, Source
from fetcher.store import SqlStore
from fetcher.upstreams.github.limits import GITHUB
from tests.harness.stores import NOW, entry

LATER = NOW + timedelta(days=400)
LEASE = timedelta(minutes=5)


def _added(store: SqlStore, slug: str = "one") -> int:
    store.packages.import_entries([entry(slug)], NOW)
    return store.packages.ids([slug])[slug]


def test_a_retired_package_is_never_claimed(store: SqlStore) -> None:
    """Retiring removes a package from every lane, however long it has been due."""
    package_id = _added(store)
    assert store.packages.retire([package_id], NOW) == 1
    assert store.claims.claim(GITHUB, tuple(Source), 10, LATER, LEASE) is None
    assert store.claims.claim_packages([package_id], tuple(Source), LATER, LEASE) is None
    assert store.claims.due_ids(None, None) == []


def test_a_refresh_under_way_does_not_revive_a_retired_package(store: SqlStore) -> None:
    """A worker that still holds the package or makes its sources due does not restore its schedule."""
    package_id = _added(store)
    claim = store.claims.claim(GITHUB, (Source.REPOSITORY,), 10, NOW, LEASE)
    assert claim is not None
    store.packages.retire([package_id], NOW)
    store.claims.record(
        [
            Observed(package_id, Source.REPOSITORY, claim.lease, NOW, NOW, outcome=OutcomeKind.FETCHED, answered=True),
            MadeDue(package_id, Source.COMMITS, NOW, DueReason.MOVED),
        ]
    )
    assert store.claims.claim(GITHUB, tuple(Source), 10, LATER, LEASE) is None


def test_importing_again_leaves_a_retired_package_retired(store: SqlStore) -> None:
    """An import changes editors' fields, which do not include retirement."""
    package_id = _added(store)
    store.packages.retire([package_id], NOW)
    store.packages.import_entries([entry("one", repo_url="https://github.com/other/place")], LATER)
    assert store.packages.retired([package_id]) == {package_id}
    assert store.claims.claim(GITHUB, tuple(Source), 10, LATER, LEASE) is None


def test_a_revived_package_is_due_at_once(store: SqlStore) -> None:
    """Reviving restores a package's sources, due now; retiring or reviving twice changes nothing."""
    package_id = _added(store)
    assert (store.packages.retire([package_id], NOW), store.packages.retire([package_id], LATER)) == (1, 0)
    assert (store.packages.revive([package_id], LATER), store.packages.revive([package_id], LATER)) == (1, 0)
    claim = store.claims.claim(GITHUB, (Source.REPOSITORY,), 10, LATER, LEASE)
    assert claim is not None
    assert claim.package_ids == (package_id,)
