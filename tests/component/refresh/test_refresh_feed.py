"""The index's feed of new releases: named projects are fetched at once, and a gap loses no release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from fetcher.domain.model import DueReason, Source
from fetcher.domain.outcome import NotModified
from fetcher.domain.records import record_of
from fetcher.http.messages import Answer, Fault, NoAnswer, Request
from fetcher.quota import RetryAt
from fetcher.simulator import changes
from fetcher.simulator.upstreams.pypi.settings import Index
from fetcher.upstreams.pypi.feed_check import CONTINUOUS, FEED, GAP, feed_status
from tests.component.refresh.conftest import Build, Harness
from tests.harness.clock import DAY, NOW
from tests.harness.fakes import answer

POLL, HOUR = timedelta(minutes=2), timedelta(hours=1)
INDEX = Source.INDEX
NAMES = ("alpha", "beta", "gamma")
LARGE, SMALL = 2, 500


async def catalogue(
    build: Build, *, threshold: int = LARGE, index: Index | None = None, others_per_minute: float = 10
) -> Harness:
    """Return a set-up with three projects that were fetched once, compared with the root, and polled."""
    harness = await build(index=index, threshold=threshold, others_per_minute=others_per_minute)
    for name in NAMES:
        harness.publish(name, "1.0")
        harness.add(name, repo=False, project=True)
    await harness.work()
    await harness.serials.check()
    await poll(harness)
    await harness.work()
    harness.requests()
    return harness


async def poll(harness: Harness) -> bool:
    harness.clock.advance(POLL)
    return await harness.feed.check()


def status(harness: Harness) -> tuple[bool, str | None, bool]:
    found = feed_status(harness.store.checkpoints.get)
    assert found is not None
    return found.offered, found.fault, found.open


@pytest.mark.parametrize("threshold", [LARGE, SMALL])
async def test_a_named_project_is_fetched_at_once(build: Build, threshold: int) -> None:
    """A release is stored after one poll and one request; the other projects are not requested."""
    harness = await catalogue(build, threshold=threshold)
    changes.release(harness.world, "beta", "2.0")
    await poll(harness)
    assert (harness.state("beta", INDEX).due_reason, harness.feed.made_due) == (DueReason.FEED, 1)
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"
    assert harness.requests() == {"feed": 1, "project_json": 1}


async def test_an_item_is_followed_once(build: Build) -> None:
    """While the release stays in the feed, its project is not requested again."""
    harness = await catalogue(build)
    changes.release(harness.world, "beta", "2.0")
    for _ in range(4):
        await poll(harness)
        await harness.work()
    assert harness.requests() == {"feed": 4, "project_json": 1}


async def test_a_stale_edge_is_requested_again(build: Build) -> None:
    """A response without the named release leaves the project due at the next poll, until it has it."""
    harness = await catalogue(build)
    changes.release(harness.world, "beta", "2.0")
    harness.service.upstream("pypi").serve_stale("beta")
    await poll(harness)
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "1.0"
    await poll(harness)
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"


async def test_polls_are_two_minutes_apart_and_conditional(build: Build) -> None:
    """A task that runs more often sends nothing, and an unchanged feed is a 304."""
    harness = await build(threshold=SMALL)
    harness.publish("alpha", "1.0")
    harness.add("alpha", repo=False, project=True)
    await harness.work()
    assert await harness.feed.check()
    assert not await harness.feed.check()
    for _ in range(3):
        assert await poll(harness)
    assert harness.log.count("feed", 304) == 3
    assert harness.store.checkpoints.get(FEED).outcome == "not_modified"


@pytest.mark.parametrize("threshold", [LARGE, SMALL])
async def test_times_stored_by_a_clock_that_was_ahead(build: Build, threshold: int) -> None:
    """The feed is polled as soon as the clock was set, and a gap is closed then."""
    harness = await catalogue(build, threshold=threshold)
    wrong = NOW + 400 * DAY
    for name in (FEED, CONTINUOUS, GAP):
        checkpoint = harness.store.checkpoints.get(name)
        harness.store.checkpoints.save(replace(checkpoint, observed_at=wrong, due_at=wrong))
    changes.release(harness.world, "beta", "2.0")
    harness.clock.advance(HOUR)
    assert await harness.feed.check()
    now = harness.clock.now()
    assert harness.store.checkpoints.get(GAP).due_at == now
    assert harness.store.checkpoints.get(CONTINUOUS).observed_at < now
    assert not await harness.feed.check()
    await harness.serials.check()
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"


async def test_without_a_project_nothing_is_polled(build: Build) -> None:
    """A catalogue of repositories does not use the index."""
    harness = await build()
    harness.make("tool")
    harness.add("tool")
    assert not await harness.feed.check()
    assert harness.log.count("feed") == 0


async def test_a_gap_is_noted_and_closed_by_the_root(build: Build) -> None:
    """A release that left the feed between two polls is found by its serial; the gap is open until then."""
    harness = await catalogue(build)
    changes.release(harness.world, "beta", "2.0")
    harness.clock.advance(HOUR)
    await harness.feed.check()
    assert harness.state("beta", INDEX).due_reason is not DueReason.FEED
    assert status(harness) == (True, None, True)
    await harness.serials.check()
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"
    assert status(harness) == (True, None, False)
    assert harness.requests() == {"feed": 1, "simple_root": 1, "project_json": 1}


async def test_a_gap_of_a_small_catalogue_is_closed_by_single_requests(build: Build) -> None:
    """Below the threshold a conditional request for each project costs less than the root."""
    harness = await catalogue(build, threshold=SMALL)
    changes.release(harness.world, "beta", "2.0")
    harness.clock.advance(HOUR)
    await harness.feed.check()
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"
    assert harness.requests() == {"feed": 1, "project_json": 3}
    assert status(harness) == (True, None, False)


async def test_a_burst_between_two_polls_is_a_gap(build: Build) -> None:
    """A hundred releases of others within two minutes push the release out of the feed."""
    harness = await catalogue(build)
    changes.release(harness.world, "beta", "2.0")
    harness.clock.advance(timedelta(seconds=30))
    harness.service.upstream("pypi").actions()["crowd"]("", {"releases": 100})
    await poll(harness)
    assert status(harness) == (True, None, True)


@pytest.mark.parametrize("threshold", [LARGE, SMALL])
async def test_many_gaps_are_few_requests(build: Build, threshold: int) -> None:
    """A short feed has a gap at each poll: the index is requested once an hour, and no release is lost."""
    harness = await catalogue(build, threshold=threshold, others_per_minute=200)
    for number in range(6 * 30):
        if number == 90:
            changes.release(harness.world, "beta", "2.0")
            harness.clock.advance(POLL)
        await poll(harness)
        await harness.serials.check()
        await harness.work()
    requests = harness.requests()
    assert requests.pop("feed") == 6 * 30
    assert sum(requests.values()) <= 7 * (1 if threshold == LARGE else len(NAMES)) + 1
    assert harness.get("beta").observed.pypi_version == "2.0"


@pytest.mark.parametrize("threshold", [LARGE, SMALL])
async def test_a_working_feed_replaces_the_daily_requests(build: Build, threshold: int) -> None:
    """For three days no project is requested singly, and each counts as answered within a day."""
    harness = await catalogue(build, threshold=threshold, others_per_minute=1)
    for _ in range(3 * 24):
        harness.clock.advance(HOUR)
        await harness.feed.check()
        await harness.serials.check()
        await harness.work()
    requests = harness.requests()
    assert requests.pop("feed") == 3 * 24
    assert requests == ({"simple_root": 3} if threshold == LARGE else {})
    assert all(harness.clock.now() - answered(harness, name) <= DAY for name in NAMES)


def answered(harness: Harness, name: str) -> datetime:
    at = harness.state(name, INDEX).answered_at
    assert at is not None
    return at


def broken(response: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: response if request.route == "pypi_feed" else None


@pytest.mark.parametrize(
    "response",
    [
        answer(b"<html>", headers={"content-type": "text/html"}),
        answer(b"<rss><channel><item>"),
        answer(b"<rss><channel></channel></rss>"),
        answer(b"", status=503),
        NoAnswer(Fault.TOO_LARGE, "the answer is larger than 1048576 bytes"),
        NoAnswer(Fault.TIMED_OUT, "timed out"),
    ],
    ids=["page", "cut", "empty", "503", "50 MB", "silence"],
)
async def test_a_failing_feed_loses_nothing(build: Build, response: Answer) -> None:
    """The failure is stated; the next good poll overlaps or is a gap, and the release is stored in either case."""
    harness = await catalogue(build)
    changes.release(harness.world, "beta", "2.0")
    harness.transport.interfere = broken(response)
    await poll(harness)
    offered, fault, _ = status(harness)
    assert offered
    assert fault
    harness.transport.interfere = lambda request: None
    await poll(harness)
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"
    assert status(harness) == (True, None, False)


async def test_a_failing_feed_is_polled_less_often(build: Build) -> None:
    """The pause grows with the time for which the feed has failed, to an hour."""
    harness = await catalogue(build)
    harness.transport.interfere = broken(answer(b"", status=500))
    polls = 0
    for _ in range(24 * 30):
        polls += await poll(harness)
    assert 24 <= polls <= 40


@pytest.mark.parametrize("threshold", [LARGE, SMALL])
async def test_a_mirror_without_a_feed_works_as_before(build: Build, threshold: int) -> None:
    """A 404 is noted once and asked for once a day; releases are found within a day."""
    harness = await catalogue(build, threshold=threshold, index=Index(feed=False))
    assert status(harness) == (False, "feed of new releases: the index has none", False)
    for _ in range(24):
        await poll(harness)
    assert harness.log.count("feed") == 0
    changes.release(harness.world, "beta", "2.0")
    harness.clock.advance(DAY + HOUR)
    await harness.serials.check()
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"


async def test_a_feed_that_stops_is_replaced_by_single_requests(build: Build) -> None:
    """Two days after the last poll, a small catalogue's projects are requested again."""
    harness = await catalogue(build, threshold=SMALL, others_per_minute=1)
    for _ in range(2 * 24):
        harness.clock.advance(HOUR)
        await harness.feed.check()
        await harness.work()
    harness.requests()
    changes.release(harness.world, "beta", "2.0")
    harness.transport.interfere = broken(answer(b"", status=500))
    for _ in range(4 * 24):
        harness.clock.advance(HOUR)
        await harness.feed.check()
        await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"


async def test_a_poll_may_have_to_wait(build: Build) -> None:
    """A deferred poll was not sent, and is due when the quota allows it."""
    harness = await catalogue(build)
    harness.quota.refusals.append(RetryAt(harness.clock.now() + HOUR, "pace"))
    assert not await poll(harness)
    assert harness.requests() == {}
    assert harness.store.checkpoints.get(FEED).due_at == NOW + POLL + HOUR


@pytest.mark.parametrize(("later", "polls"), [(1, 1), (0, 2)])
async def test_a_release_during_a_request_is_requested_again(build: Build, later: int, polls: int) -> None:
    """A poll that names a project whose request was sent before leaves it due, although a worker holds it.

    The feed states whole seconds. If the release is of the request's second, the next poll finds that it is missing.
    """
    harness = await catalogue(build)
    harness.clock.advance(HOUR)
    package_id = harness.store.packages.ids(["beta"])["beta"]
    claim = harness.store.claims.claim_packages([package_id], [INDEX], harness.clock.now(), HOUR)
    assert claim is not None
    (target,) = harness.store.claims.load(claim)
    requested_at = harness.clock.now()
    harness.clock.advance(timedelta(seconds=later))
    changes.release(harness.world, "beta", "2.0")
    await poll(harness)
    harness.store.claims.record([record_of(target, INDEX, NotModified(), requested_at, harness.feed.cadence)])
    for _ in range(polls - 1):
        await poll(harness)
    await harness.work()
    assert harness.get("beta").observed.pypi_version == "2.0"
