"""Manual refreshes: changes, failures, and a final state in every case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta

import pytest

from fetcher.domain.model import Deferral, DueReason, GivenBack, MadeDue, Purpose, Record, Source, StoredPackage
from fetcher.domain.views import Change, RefreshRequest, RequestState, SourceFailure
from fetcher.refresh.report import Report
from fetcher.refresh.requests import NO_ANSWER, NOTHING_TO_ASK, ManualRefreshes, changes, ending
from fetcher.store.claims import Claims
from tests.harness.clock import StoppedClock
from tests.harness.stores import NOW, Catalogue, answered, failed, stats

REQUEST = RefreshRequest("r", 1, "a", RequestState.RUNNING, NOW)


@dataclass
class FakeRefreshService:
    """A refresh service that returns given records, or raises."""

    claims: Claims
    records: Sequence[Record] = ()
    fault: Exception | None = None
    calls: list[tuple[list[int], Purpose]] = field(default_factory=list)

    async def refresh_packages(self, package_ids: Sequence[int], sources: Sequence[Source], purpose: Purpose) -> Report:
        assert set(sources) == set(Source)
        self.calls.append((list(package_ids), purpose))
        if self.fault is not None:
            raise self.fault
        self.claims.record(self.records)
        return Report(tuple(self.records))


@pytest.fixture
def backend() -> str:
    return "sqlite"


async def test_changes_are_reported(catalogue: Catalogue) -> None:
    """Each request reports its own package's fields before and after, as printed, and is carried out once."""
    a, b = catalogue.add("a", "b")
    catalogue.answer(a, Source.REPOSITORY, stats(stars=1))
    store = catalogue.store
    ids = [one.request.id for one in store.requests.submit([a, b], NOW)]
    later = NOW + timedelta(minutes=1)
    records = [answered(a, Source.REPOSITORY, stats(stars=2), observed_at=later), failed(b, Source.REPOSITORY, "gone")]
    service = FakeRefreshService(store.claims, records)
    manual = ManualRefreshes(store.requests, store.packages, service, StoppedClock(later), UTC)
    await manual.carry_out(ids)
    await manual.carry_out(ids)
    first, second = (store.requests.get(one) for one in ids)
    assert first is not None
    assert second is not None
    assert service.calls == [([a, b], Purpose.MANUAL)]
    assert (first.state, first.changes, first.failures) == (RequestState.DONE, (Change("repo_watchers", 1, 2),), ())
    assert (second.state, second.reason) == (RequestState.FAILED, NO_ANSWER)
    assert second.failures == (SourceFailure(Source.REPOSITORY, "gone", "why"),)


@pytest.mark.parametrize("documents", [1, 2])
async def test_a_package_that_is_removed_meanwhile(catalogue: Catalogue, documents: int) -> None:
    """The other requests of the batch end with their results, and the removed package's request is gone."""
    a, b, c = catalogue.add("a", "b", "c")
    store = catalogue.store
    ids = [one.request.id for one in store.requests.submit([a, b, c], NOW)]
    service = FakeRefreshService(store.claims, [answered(i, Source.REPOSITORY, stats()) for i in (a, c)])

    @dataclass
    class Removing:
        """Stored packages of which one is removed before they are read for the first or the second time."""

        reads: int = 0

        def documents(self, package_ids: Sequence[int]) -> list[StoredPackage]:
            self.reads += 1
            if self.reads == documents:
                store.packages.remove([b], NOW)
            return store.packages.documents(package_ids)

    await ManualRefreshes(store.requests, Removing(), service, StoppedClock(NOW), UTC).carry_out(ids)
    found = [store.requests.get(one) for one in ids]
    assert [one and one.state for one in found] == [RequestState.DONE, None, RequestState.DONE]


async def test_a_refresh_that_breaks_off(catalogue: Catalogue) -> None:
    """The request fails with a reason, and the task fails as well."""
    (a,) = catalogue.add("a")
    (one,) = catalogue.store.requests.submit([a], NOW)
    service = FakeRefreshService(catalogue.store.claims, fault=RuntimeError("secret"))
    store = catalogue.store
    manual = ManualRefreshes(store.requests, store.packages, service, StoppedClock(NOW), UTC)
    with pytest.raises(RuntimeError):
        await manual.carry_out([one.request.id])
    found = catalogue.store.requests.get(one.request.id)
    assert found is not None
    assert found.state is RequestState.FAILED
    assert "RuntimeError" in str(found.reason)
    assert "secret" not in str(found.reason)


def test_fields_that_differ() -> None:
    """Differing fields come in the document's order, without the time that every refresh changes."""
    before = {"title": "x", "repo_forks": 1, "last_fetched": "then", "participants": ["a"]}
    after = {"title": "x", "repo_forks": 2, "last_fetched": "now", "participants": ["a", "b"]}
    assert changes(before, after) == (Change("repo_forks", 1, 2), Change("participants", ["a"], ["a", "b"]))


@pytest.mark.parametrize(
    ("records", "state", "failures", "reason"),
    [
        ([], RequestState.FAILED, [], NOTHING_TO_ASK),
        ([answered(1, Source.REPOSITORY)], RequestState.DONE, [], None),
        ([answered(2, Source.REPOSITORY)], RequestState.FAILED, [], NOTHING_TO_ASK),
        (
            [answered(1, Source.REPOSITORY), failed(1, Source.COMMITS, "not_ready")],
            RequestState.DONE,
            ["not_ready"],
            None,
        ),
        ([failed(1, Source.REPOSITORY, message=None)], RequestState.FAILED, ["transient"], NO_ANSWER),
        (
            [Deferral(1, Source.REPOSITORY, "l", NOW, NOW + timedelta(hours=1))],
            RequestState.FAILED,
            ["deferred"],
            NO_ANSWER,
        ),
        ([MadeDue(1, Source.COMMITS, NOW, DueReason.MOVED), answered(1, Source.INDEX)], RequestState.DONE, [], None),
        ([GivenBack(1, Source.COMMITS, "l"), answered(1, Source.INDEX)], RequestState.DONE, [], None),
    ],
)
def test_the_result_of_records(
    records: list[Record], state: RequestState, failures: list[str], reason: str | None
) -> None:
    """A request is done if any source responded; a source made due or given back has not failed."""
    came_to = ending(REQUEST, records, ())
    assert (came_to.state, [one.outcome for one in came_to.failures], came_to.reason) == (state, failures, reason)
    assert all(failure.message for failure in came_to.failures)
