"""Worker and beat as they are deployed, over a real Redis and either database, against the simulator's limits.

The simulator's hour lasts a minute, and so does the worker's. Requests are counted in the simulator's log.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from redis import Redis

from fetcher.catalogue.documents import write_document
from fetcher.domain.commit_weeks import history_start
from fetcher.domain.model import Source
from fetcher.simulator import truth
from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.journal import Entry
from fetcher.simulator.project import ProjectStatus
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.processes import Child
from tests.harness.stack import APP_LIMITS, Stack, repeated, requests_by_package, route_of, simulated, stack

PACKAGES = 1_000
PACE = {"plan_interval": 1}
"""Seconds between plans. A message expires with the next one, and there are four a plan. On a machine with ten times as
many processes as cores, a worker discards fewer than thirteen expired messages a second, and would never plan."""
LONG = 600.0
ONCE = ("statistics", "project_json", "simple_project", "simple_root")
"""Routes on which a pass requests a package once."""
PROCESSES = 2
"""Of a worker. Each requests once whose token it is."""
PAGE = 100
"""Commits or contributors of a page."""
SAMPLE = 40
CLAIMED_FIRST = (Source.REPOSITORY, Source.INDEX)


@dataclass(frozen=True, slots=True)
class Directory:
    """A catalogue of invented packages: imported, and served by the simulator."""

    stack: Stack
    simulator: Simulator
    slugs: list[str]

    def is_fresh(self) -> bool:
        """Return True if every source of every package has answered and no lease is held."""
        return self.stack.answered(len(self.slugs))

    def until_fresh(self) -> None:
        """Wait for the end of a long pass. It is stuck if no source answers for as long as an event may take."""
        before = -1
        while not self.is_fresh():
            self.stack.until(lambda last=before: self.is_fresh() or self._answers() > last, "another source answers")
            before = self._answers()

    def _answers(self) -> int:
        return sum(figures.answered for figures in self.stack.counts().values())

    def requested_often(self) -> dict[str, list[str]]:
        """Return by route the packages that were requested more than once."""
        entries = list(self.simulator.log.entries)
        found = {route: list(repeated(requests_by_package(entries, route))) for route in ONCE}
        return {route: names for route, names in found.items() if names}

    def assert_within_limits(self) -> None:
        """Assert that nothing was refused and that no worker sent a request during a wait."""
        summary = self.simulator.log.summary()
        assert summary["limits_tripped"] == {}
        assert summary["asked_while_told_to_wait"] == 0


Serve = Callable[..., AbstractContextManager[Directory]]


@pytest.fixture
def serve(tmp_path: Path, redis_url: str) -> Serve:
    """Provide a function that opens a directory of so many packages; the settings are those of its processes."""

    @contextmanager
    def serving(count: int, **settings: object) -> Iterator[Directory]:
        with (
            Simulator(synthetic(count), Settings(limits=APP_LIMITS)) as simulator,
            stack(tmp_path / "stack", **simulated(simulator), redis_url=redis_url, **PACE, **settings) as ours,
        ):
            yield Directory(ours, simulator, ours.import_world(simulator.world))

    return serving


@pytest.mark.slow
@pytest.mark.timeout(3600)  # beside four other runs the pass took five minutes
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_every_package_is_refreshed_once_within_the_limits(
    serve: Serve, backend: str, request: pytest.FixtureRequest
) -> None:
    """In a full pass over 1,000 packages each source responds, and every request and point is accounted for."""
    settings = {} if backend == "sqlite" else {"database_url": request.getfixturevalue("postgres_url")}
    with serve(PACKAGES, **settings) as directory:
        worker = directory.stack.worker(concurrency=PROCESSES)
        directory.stack.beat()
        directory.until_fresh()
        truths = _truths(directory.simulator)
        _assert_values(directory, truths)
        assert directory.stack.store.packages.failures() == []

    directory.assert_within_limits()
    entries = list(directory.simulator.log.entries)
    put_off = _lists_put_off(worker)
    _assert_each_is_requested_once(entries, truths, directory.slugs)
    _assert_lists(entries, truths, put_off)
    _assert_histories(entries, truths, put_off)
    _assert_points(entries)


def _lists_put_off(worker: Child) -> int:
    """Count the lists of contributors that a worker wanted and the quota put off, by the lines of its batches."""
    lines = [json.loads(line) for line in worker.output().splitlines() if line.startswith("{")]
    return sum(line["waiting"] for line in lines if line["event"] == "batch" and "contributors" in line["sources"])


def _assert_each_is_requested_once(
    entries: Sequence[Entry], truths: Mapping[str, Mapping[str, Any]], slugs: Sequence[str]
) -> None:
    """Assert that each package was requested as often as its facts require, and on no other route."""
    assert requests_by_package(entries, "statistics") == dict.fromkeys(truths, 1)
    assert (
        requests_by_package(entries, "project_json")
        == requests_by_package(entries, "simple_project")
        == dict.fromkeys(slugs, 1)
    )
    requests = Counter(route_of(entry) for entry in entries)
    assert requests.keys() == {*ONCE, "viewer", "heads", "pages", "contributors", "feed"}
    assert requests["simple_root"] == 1
    assert requests["viewer"] <= PROCESSES
    assert requests["statistics"] <= PACKAGES / 20


def _assert_lists(entries: Sequence[Entry], truths: Mapping[str, Mapping[str, Any]], put_off: int) -> None:
    """Each page of a list was requested once, except the first pages of a list whose rest the quota had put off."""
    people = {name: len(facts["contributors"]) for name, facts in truths.items() if facts["head"]}
    pages = {name: max(1, math.ceil(number / PAGE)) for name, number in people.items()}
    requested = requests_by_package(entries, "contributors")
    assert requested.keys() == pages.keys()
    again = {name: requested[name] - number for name, number in pages.items() if requested[name] != number}
    assert all(number > 0 and pages[name] > 1 for name, number in again.items()), again
    assert sum(math.ceil(number / (pages[name] - 1)) for name, number in again.items()) <= put_off, again


def _assert_histories(entries: Sequence[Entry], truths: Mapping[str, Mapping[str, Any]], put_off: int) -> None:
    """Heads were requested with the weeks and with the list, and again only with a list that the quota had put off.

    Whichever batch is recorded first brings the weeks. Where two overlap, both read all pages of a history.
    """
    heads, pages = requests_by_package(entries, "heads"), requests_by_package(entries, "pages")
    further = {name: math.ceil(facts["selected"] / PAGE) - 1 for name, facts in truths.items() if facts["head"]}
    assert heads.keys() == further.keys()
    assert sum(number - 2 for number in heads.values() if number > 2) <= put_off
    assert pages.keys() == {name for name, number in further.items() if number > 0}
    assert all(number <= heads[name] * further[name] for name, number in pages.items())


def _assert_points(entries: Sequence[Entry]) -> None:
    """Assert that a request costs one point, except many heads: two connections each, a fiftieth of a point."""
    for entry in entries:
        heads = len(entry.packages) if route_of(entry) == "heads" else 0
        assert entry.points == max(1, (heads + PAGE // 4) // (PAGE // 2)), entry


def test_a_person_overtakes_the_background(serve: Serve) -> None:
    """A manual refresh is served in full by the ``manual`` worker while the only background process is busy."""
    with serve(30) as directory:
        ours, simulator, wanted = directory.stack, directory.simulator, directory.slugs[-1]
        simulator.faults.add(Rule(kind=Kind.LATENCY, route="project_json", times=1, seconds=LONG))
        background = ours.worker(concurrency=1)
        ours.beat()
        ours.until(lambda: simulator.log.in_flight["pypi"], "the background waits for an answer")
        ours.worker("manual", "manual", concurrency=1)

        queued = ours.fetcher("refresh", wanted, "--queue")
        ours.until(lambda: ours.last_fetched(wanted), "the package that was asked for has answered")
        answered = ours.counts()[Source.INDEX].answered
        background.kill()

    assert (queued.returncode, queued.stdout.split()[0]) == (0, wanted)
    assert answered == 1


@pytest.mark.slow
def test_a_killed_workers_packages_come_back(serve: Serve) -> None:
    """After SIGKILL in the middle of a pass the leases expire, another worker continues, and nothing is missing."""
    with serve(120, lease=4) as directory:
        ours = directory.stack
        slow = Rule(kind=Kind.LATENCY, route="project_json", seconds=0.2)
        directory.simulator.faults.add(slow)  # otherwise the pass may be over before the fault
        worker = ours.worker()
        ours.beat()
        ours.until(lambda: ours.counts()[Source.INDEX].answered > 0, "the pass is under way")
        worker.kill()
        held = len(directory.slugs) - ours.counts()[Source.INDEX].answered

        ours.worker("another")
        ours.until(directory.is_fresh, "every source of every package answers")

    directory.assert_within_limits()
    assert held > 0
    assert all(len(names) <= held for names in directory.requested_often().values())


@pytest.mark.slow
def test_two_beats_request_nothing_twice(serve: Serve) -> None:
    """With two beats and two workers every plan is made twice, and every package is claimed once."""
    with serve(60) as directory:
        ours = directory.stack
        for name in ("one", "other"):
            ours.worker(name)
            ours.beat(f"{name}-beat")
        ours.until(directory.is_fresh, "every source of every package answers")

    directory.assert_within_limits()
    assert directory.requested_often() == {}


def test_a_message_delivered_twice_changes_nothing(serve: Serve, redis_url: str) -> None:
    """The second delivery of each batch finds no lease and sends no request."""
    with serve(60) as directory, Redis.from_url(redis_url) as redis:
        ours = directory.stack
        planner, beat = ours.worker("planner", "maintenance", concurrency=1), ours.beat()
        ours.until(lambda: all(ours.counts()[source].leased for source in CLAIMED_FIRST), "something is planned")
        beat.end()
        planner.end()
        leased = {source: ours.counts()[source].leased for source in CLAIMED_FIRST}
        messages = redis.lrange("background", 0, -1)
        redis.lpush("background", *messages)

        ours.worker(queues="background", concurrency=1)
        ours.until(lambda: not redis.llen("background") and not redis.hlen("unacked"), "both copies are taken")
        answered = {source: ours.counts()[source].answered for source in CLAIMED_FIRST}

    assert directory.requested_often() == {}
    assert all(0 < answered[source] <= leased[source] for source in CLAIMED_FIRST)  # the rest waits for quota


def test_a_worker_that_is_stopped_finishes_its_batch(serve: Serve) -> None:
    """After SIGTERM during a response the batch is recorded before the worker ends, and is not requested again."""
    with serve(30) as directory:
        ours, simulator = directory.stack, directory.simulator
        simulator.faults.add(Rule(kind=Kind.LATENCY, route="project_json", times=1, seconds=2))
        worker = ours.worker(concurrency=1)
        ours.beat()
        ours.until(lambda: simulator.log.in_flight["pypi"], "a batch is under way")
        worker.terminate()
        status = worker.wait()
        answered = ours.counts()[Source.INDEX].answered

        ours.worker("another")
        ours.until(directory.is_fresh, "every source of every package answers")

    directory.assert_within_limits()
    assert status == 0
    assert answered > 0, worker.output()
    assert directory.requested_often() == {}


def _truths(simulator: Simulator) -> dict[str, dict[str, Any]]:
    """Return the truth of every repository by its name; ``selected`` commits are in a history's pages."""
    world = simulator.world
    today = world.clock.today()
    since = history_start(today)
    found = [world.repository_by_id(number) for number in world.repository_ids()]
    return {
        one.full_name: truth.of_repository(one, today)
        | {"selected": sum(commit.committed_at >= since for commit in one.history.commits())}
        for one in found
        if one is not None
    }


def _assert_values(directory: Directory, truths: Mapping[str, Mapping[str, Any]]) -> None:
    """Assert that packages, evenly from the full catalogue, have the simulator's current values."""
    today = directory.simulator.world.clock.today()
    for slug, facts in list(zip(directory.slugs, truths.values(), strict=True))[:: PACKAGES // SAMPLE]:
        package = directory.stack.store.packages.get(slug)
        project = directory.simulator.world.project(slug)
        assert package is not None
        assert project is not None
        document = write_document(package, ZoneInfo("UTC"), today)
        assert (document["repo_watchers"], document["repo_forks"]) == (facts["stars"], facts["forks"])
        assert document["participants"] == facts["contributors"]
        assert document["commits_over_52"] == facts["participation"]
        hidden = project.status is ProjectStatus.QUARANTINED
        assert document["pypi_version"] == (None if hidden else truth.of_project(project)["latest"])
