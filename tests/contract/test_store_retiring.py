"""Retirement by editors: retired packages are in no schedule, and only an editor revives them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine

from fetcher.catalogue.intake import Entry
from fetcher.domain.model import DueReason, MadeDue, Observed, OutcomeKind, Source
from fetcher.store import SqlStore, retirement
from fetcher.store.engine import WRITING
from fetcher.sync.service import Synchronization, SyncResult
from fetcher.upstreams.github.limits import GITHUB
from tests.harness.clock import DAY, StoppedClock
from tests.harness.processes import wait_until
from tests.harness.stores import NOW, Catalogue, entry, failed, stats, waits_for_a_lock

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


def test_retiring_and_reviving_keeps_the_states(catalogue: Catalogue) -> None:
    """The time of the last response, its head and failures survive: displayed while retired, restored by revival."""
    store, (package_id,) = catalogue.store, catalogue.add("one", project=True)
    catalogue.answer(package_id, Source.REPOSITORY, stats(), revision="abc")
    catalogue.answer(package_id, Source.COMMITS, revision="abc", due_at=LATER + DAY)
    store.claims.record([failed(package_id, Source.INDEX)])
    before = catalogue.get("one").states
    store.claims.claim(GITHUB, (Source.REPOSITORY,), 10, LATER, LEASE)

    store.packages.retire([package_id], LATER)
    store.packages.retire([package_id], LATER)
    shown = catalogue.get("one").states
    assert {source: state.answered_at for source, state in shown.items()} == {
        source: state.answered_at for source, state in before.items()
    }
    assert all(state.due_at is None and state.lease is None for state in shown.values())

    store.packages.revive([package_id], LATER)
    after = catalogue.get("one").states
    due = {"due_at": LATER, "due_reason": DueReason.OUT_OF_TURN}
    assert after[Source.REPOSITORY] == replace(before[Source.REPOSITORY], **due)
    assert after[Source.INDEX] == replace(before[Source.INDEX], **due)
    assert after[Source.COMMITS] == before[Source.COMMITS]
    assert after[Source.CONTRIBUTORS] == before[Source.CONTRIBUTORS]


def test_an_address_that_changed_while_retired(catalogue: Catalogue) -> None:
    """The states of another repository are not restored; those of the unchanged project are."""
    store, (package_id,) = catalogue.store, catalogue.add("one", project=True)
    catalogue.answer(package_id, Source.REPOSITORY, stats(), revision="abc")
    catalogue.answer(package_id, Source.INDEX)
    store.packages.retire([package_id], NOW)
    moved = entry("one", repo_url="https://github.com/other/place", pypi_url="one")
    store.packages.import_entries([moved], LATER)
    store.packages.revive([package_id], LATER)

    after = catalogue.get("one").states
    assert (after[Source.REPOSITORY].answered_at, after[Source.REPOSITORY].revision) == (None, None)
    assert after[Source.INDEX].answered_at == NOW


def test_a_synchronization_waits_for_an_editor(store: SqlStore, engine: Engine) -> None:
    """A package that an editor is retiring is not marked as retired by the synchronization, which would revive it."""
    package_id = _added(store)
    with ThreadPoolExecutor(1) as pool, engine.execution_options(**{WRITING: True}).connect() as editor:
        retirement.retire(editor, [package_id], NOW)
        applied = pool.submit(store.synced.apply, "source", {package_id: (2, True)}, (package_id,), (), NOW)
        if engine.dialect.name == "postgresql":
            wait_until(lambda: waits_for_a_lock(engine), "the synchronization waits for the editor's transaction")
        editor.commit()
        assert applied.result() == (0, 0)
    assert store.synced.of("source") == {package_id: (2, False)}


def _synchronized(store: SqlStore, source: str, *slugs: str) -> SyncResult:
    """Read a source that lists these packages."""
    work = Synchronization(source, store.packages, store.synced, StoppedClock(NOW), 0.1)
    work.take([Entry(slug, entry(slug)) for slug in slugs])
    return work.finish()


def test_a_source_at_another_address_revives(store: SqlStore) -> None:
    """A package that the source lists at its new address returns, and readings of the former one do not end it."""
    everything = ("a", "b", "c")
    _synchronized(store, "old.json", *everything)
    assert [_synchronized(store, "old.json", "a", "b").retired for _ in range(3)] == [0, 1, 0]
    gone = set(store.packages.ids(["c"]).values())
    assert store.synced.retired() == gone
    assert _synchronized(store, "new.json", "a", "b").revived == 0
    assert _synchronized(store, "new.json", *everything).revived == 1
    assert [_synchronized(store, "old.json", "a", "b").retired for _ in range(3)] == [0, 0, 0]
    assert store.packages.retired(sorted(gone)) == set()


def test_an_editor_decides_after_a_synchronization(store: SqlStore) -> None:
    """A package that an editor revived and retired again stays retired, whichever source lists it."""
    for slugs in (("a", "b"), ("a",), ("a",)):
        _synchronized(store, "old.json", *slugs)
    ids = list(store.packages.ids(["b"]).values())
    assert store.packages.revive(ids, NOW) == 1
    assert _synchronized(store, "old.json", "a").retired == 0
    store.packages.retire(ids, NOW)
    for source in ("old.json", "new.json"):
        assert _synchronized(store, source, "a", "b").revived == 0
    assert store.packages.retired(ids) == set(ids)
