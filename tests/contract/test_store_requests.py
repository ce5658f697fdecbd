"""Refresh requests of users: one open per package, and none is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from fetcher.domain.model import Source
from fetcher.domain.views import REQUEST_TIMEOUTS, Change, Ending, RequestState, SourceFailure
from fetcher.store import SqlStore
from tests.harness.stores import NOW, Catalogue

SECOND = timedelta(seconds=1)


def test_a_request_from_submission_to_its_end(catalogue: Catalogue) -> None:
    """A request is queued, running, then done; its result is read back as written."""
    store, (a,) = catalogue.store, catalogue.add("a")
    (submitted,) = store.requests.submit([a], NOW)
    assert (submitted.joined, submitted.request.slug, submitted.request.state) == (False, "a", RequestState.QUEUED)
    (started,) = store.requests.start([submitted.request.id], NOW + SECOND)
    assert (started.state, started.started_at) == (RequestState.RUNNING, NOW + SECOND)
    changes = (Change("repo_watchers", 1, 2), Change("participants", ["x"], ["x", "y"]))
    failures = (SourceFailure(Source.INDEX, "transient", "503\0"),)
    store.requests.finish([Ending(started.id, RequestState.DONE, changes, failures)], NOW + 2 * SECOND)
    ended = store.requests.get(started.id)
    assert ended is not None
    assert (ended.state, ended.changes, ended.finished_at) == (RequestState.DONE, changes, NOW + 2 * SECOND)
    assert ended.failures == (SourceFailure(Source.INDEX, "transient", "503"),)
    assert store.requests.latest(a) == ended
    assert store.requests.open(5) == []
    assert (store.requests.get("nobody's"), store.requests.latest(a + 1)) == (None, None)


def test_a_second_submission_joins(catalogue: Catalogue) -> None:
    """While a request is open, and for a few seconds after it is done, no second one is made."""
    store, (a, b) = catalogue.store, catalogue.add("a", "b")
    first, other = store.requests.submit([a, b, a], NOW)
    assert [one.request for one in store.requests.submit([b, a], NOW + SECOND)] == [other.request, first.request]
    store.requests.start([first.request.id], NOW)
    (joined,) = store.requests.submit([a], NOW + timedelta(hours=1))
    assert (joined.joined, joined.request.id) == (True, first.request.id)
    store.requests.finish([Ending(first.request.id, RequestState.DONE)], NOW + SECOND)
    (joined,) = store.requests.submit([a], NOW + 4 * SECOND)
    assert (joined.joined, joined.request.state) == (True, RequestState.DONE)
    (new,) = store.requests.submit([a], NOW + REQUEST_TIMEOUTS.join + SECOND)
    assert (new.joined, new.request.id == first.request.id) == (False, False)


def test_a_failed_request_is_not_joined(catalogue: Catalogue) -> None:
    """After a failed request, a new one is made at once."""
    store, (a,) = catalogue.store, catalogue.add("a")
    (first,) = store.requests.submit([a], NOW)
    store.requests.finish([Ending(first.request.id, RequestState.FAILED, reason="why")], NOW)
    (second,) = store.requests.submit([a], NOW + SECOND)
    assert (second.joined, second.request.id == first.request.id) == (False, False)


def test_concurrent_submissions(catalogue: Catalogue) -> None:
    """Twenty threads make one request, and exactly one of them has to enqueue it."""
    store, (a,) = catalogue.store, catalogue.add("a")
    with ThreadPoolExecutor(20) as pool:
        submitted = [one for found in pool.map(lambda _: store.requests.submit([a], NOW), range(20)) for one in found]
    assert len({one.request.id for one in submitted}) == 1
    assert sum(not one.joined for one in submitted) == 1


def test_started_once(catalogue: Catalogue) -> None:
    """A message delivered twice, or to two workers at once, starts a request once."""
    store, (a, b) = catalogue.store, catalogue.add("a", "b")
    ids = [one.request.id for one in store.requests.submit([a, b], NOW)]
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda _: store.requests.start(ids, NOW), range(8)))
    assert sorted(one.slug for found in started for one in found) == ["a", "b"]
    assert store.requests.start([], NOW) == []


def test_a_request_that_no_worker_takes(catalogue: Catalogue) -> None:
    """A request without a worker is sent again every minute, and fails after ten with a hint at the queue."""
    store, (a,) = catalogue.store, catalogue.add("a")
    (submitted,) = store.requests.submit([a], NOW)
    assert store.requests.lost(NOW + REQUEST_TIMEOUTS.resend - SECOND) == []
    assert store.requests.lost(NOW + REQUEST_TIMEOUTS.resend) == [submitted.request.id]
    assert store.requests.lost(NOW + REQUEST_TIMEOUTS.resend + SECOND) == []
    assert store.requests.lost(NOW + 2 * REQUEST_TIMEOUTS.resend) == [submitted.request.id]
    assert store.requests.lost(NOW + REQUEST_TIMEOUTS.wait) == []
    failed = store.requests.get(submitted.request.id)
    assert failed is not None
    assert (failed.state, failed.finished_at) == (RequestState.FAILED, NOW + REQUEST_TIMEOUTS.wait)
    assert "fetcher queues" in str(failed.reason)


def test_one_whose_worker_died(catalogue: Catalogue) -> None:
    """A request that runs too long fails; if its worker finishes after all, that result replaces the failure."""
    store, (a,) = catalogue.store, catalogue.add("a")
    (submitted,) = store.requests.submit([a], NOW)
    store.requests.start([submitted.request.id], NOW)
    store.requests.lost(NOW + REQUEST_TIMEOUTS.run)
    lost = store.requests.get(submitted.request.id)
    assert lost is not None
    assert (lost.state, lost.reason) == (
        RequestState.FAILED,
        "the worker that had it ended without a word; ask again",
    )
    store.requests.finish([Ending(submitted.request.id, RequestState.DONE)], NOW)
    found = store.requests.get(submitted.request.id)
    assert found is not None
    assert (found.state, found.reason) == (RequestState.DONE, None)


def test_pruning(catalogue: Catalogue) -> None:
    """Requests finished long ago are deleted; open ones stay, however old."""
    store, (a, b) = catalogue.store, catalogue.add("a", "b")
    old, waiting = (one.request.id for one in store.requests.submit([a, b], NOW))
    store.requests.finish([Ending(old, RequestState.DONE)], NOW)
    assert store.requests.prune(NOW) == 0
    assert store.requests.prune(NOW + SECOND) == 1
    assert (store.requests.get(old), store.requests.get(waiting) is None) == (None, False)


@pytest.mark.parametrize("count", [2500])
def test_requests_for_many(store: SqlStore, catalogue: Catalogue, count: int) -> None:
    """More packages than fit the parameters of one statement get requests, in the given order."""
    ids = catalogue.add(*(f"p{n}" for n in range(count)))
    submitted = store.requests.submit(ids[::-1], NOW)
    assert [one.request.package_id for one in submitted] == ids[::-1]
    started = store.requests.start([one.request.id for one in submitted], NOW)
    assert [one.package_id for one in started] == ids[::-1]
