"""Faulty caches and unlucky moments: a 304 to an unconditional request, and a push between two responses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.domain.model import Source
from fetcher.http.messages import Answer, Request
from fetcher.simulator.changes import Push, push
from fetcher.simulator.upstreams.pypi.settings import Index
from fetcher.upstreams.pypi.serials_check import ROOT
from tests.component.refresh.conftest import Build, Harness
from tests.component.refresh.truth import failing, is_true, weeks
from tests.harness.clock import NOW
from tests.harness.fakes import answer

EMPTY_304 = answer(b"", 304)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("route", "token", "source"),
    [
        ("statistics", True, Source.REPOSITORY),
        ("history", True, Source.COMMITS),
        ("contributors", True, Source.CONTRIBUTORS),
        ("repository", False, Source.REPOSITORY),
        ("newest_commit", False, Source.REPOSITORY),
        ("contributors", False, Source.CONTRIBUTORS),
        ("participation", False, Source.COMMITS),
        ("pypi_json", True, Source.INDEX),
        ("pypi_simple", True, Source.INDEX),
    ],
    ids=str,
)
async def test_a_304_to_an_unconditional_request(build: Build, route: str, *, token: bool, source: Source) -> None:
    """It is a failure of this source, requested again minutes later; nothing counts as fetched until then."""
    index = Index(json_api=route != "pypi_simple")
    harness = await (build(index=index) if token else build(index=index, token=None))
    harness.make("alpha")
    harness.publish("alpha", "1.0")
    harness.add("alpha", project=True)
    harness.transport.interfere = failing(route, EMPTY_304)
    await harness.work()

    state = harness.state("alpha", source)
    assert (state.outcome, state.answered_at) == ("malformed", None)
    assert "304 to an unconditional request" in (state.message or "")
    assert state.due_at is not None
    assert state.due_at <= NOW + 10 * MINUTE
    assert harness.get("alpha").observed.last_fetched is None

    harness.transport.interfere = lambda request: None
    for _ in range(3):
        harness.clock.advance(10 * MINUTE)
        await harness.work()
    assert harness.get("alpha").observed.pypi_version == "1.0"
    assert harness.get("alpha").observed.last_fetched is not None
    is_true(harness, "alpha")


async def test_a_304_to_the_first_request_for_the_root(build: Build) -> None:
    """The root of the index confirms no project by it, and is requested again."""
    harness = await build(threshold=1)
    for name in ("alpha", "beta"):
        harness.publish(name, "1.0")
        harness.add(name, repo=False, project=True)
    await harness.work()
    before = harness.state("alpha", Source.INDEX)
    harness.transport.interfere = failing("pypi_root", EMPTY_304)

    await harness.serials.check()

    assert harness.state("alpha", Source.INDEX) == before
    checkpoint = harness.store.checkpoints.get(ROOT)
    assert (checkpoint.outcome, checkpoint.due_at) == ("malformed", NOW + 10 * MINUTE)


@pytest.mark.parametrize("route", ["history", "contributors"])
async def test_a_push_between_two_responses_counts_once(harness: Harness, route: str) -> None:
    """Commits pushed after the head was read, and before the lists are, are in the weeks and the people once."""
    harness.make("alpha")
    harness.add("alpha")
    pushed: list[str] = []

    def during(request: Request) -> Answer | None:
        if request.route == route and not pushed:
            pushed.append(request.route)
            push(harness.world, "octo/alpha", Push(commits=3, login="ann", age=timedelta(days=1)))
        return None

    harness.transport.interfere = during
    await harness.work()
    assert pushed
    for _ in range(3):
        harness.tomorrow()
        await harness.work()

    is_true(harness, "alpha")
    assert sum(weeks(harness, "alpha")) == 6
