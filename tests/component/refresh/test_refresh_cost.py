"""Predicted cost of a refresh, compared with its actual requests."""

from __future__ import annotations

from collections.abc import Sequence

from fetcher.domain.model import DETAIL_SOURCES, Purpose, Source
from fetcher.domain.scheduling import Cadence
from fetcher.settings import read_settings
from fetcher.simulator.changes import Push, push
from fetcher.simulator.upstreams.github.credentials import DEFAULT_TOKEN
from fetcher.upstreams.base import Cost
from fetcher.upstreams.registry import upstreams_of
from tests.component.refresh.conftest import Build, Harness
from tests.harness.clock import DAY


def _predicted(harness: Harness, slug: str, *, anonymous: bool = False) -> list[Cost]:
    target = harness.store.claims.target(harness.store.packages.ids([slug])[slug])
    assert target is not None
    settings = read_settings({} if anonymous else {"FETCHER_GITHUB_TOKEN": DEFAULT_TOKEN})
    now, cadence = harness.clock.now(), Cadence()
    return [cost for one in upstreams_of(settings).all for cost in one.costs(target, now, cadence)]


async def _sent(harness: Harness, slug: str) -> int:
    """Return the number of requests that a background refresh sends."""
    harness.requests()
    ids = list(harness.store.packages.ids([slug]).values())
    await harness.refresh_service.refresh_packages(ids, tuple(Source), Purpose.BACKGROUND)
    return sum(harness.requests().values())


def _requests(predicted: Sequence[Cost]) -> int:
    return sum(cost.requests for cost in predicted)


def _certain(predicted: Sequence[Cost]) -> list[Cost]:
    return [cost for cost in predicted if not cost.why.startswith("if the head has moved")]


async def test_a_package_never_requested(harness: Harness) -> None:
    """A new package requests all sources: the statistics, the history, the list, and both of the index's APIs."""
    harness.make("alpha")
    harness.publish("alpha", "1.0")
    harness.add("alpha", project=True)
    predicted = _predicted(harness, "alpha")
    assert [cost.requests for cost in predicted] == [1, 1, 1, 2]
    assert await _sent(harness, "alpha") == _requests(predicted) == 5


async def test_a_package_whose_head_stays(harness: Harness) -> None:
    """With a current head and a known status, the cost is two conditional requests."""
    harness.make("alpha")
    harness.publish("alpha", "1.0")
    harness.add("alpha", project=True)
    await _sent(harness, "alpha")
    harness.tomorrow()
    predicted = _predicted(harness, "alpha")
    assert [(cost.sources, cost.requests) for cost in predicted] == [
        ((Source.REPOSITORY,), 1),
        (DETAIL_SOURCES, 0),
        (DETAIL_SOURCES, 1),
        ((Source.INDEX,), 1),
    ]
    assert await _sent(harness, "alpha") == _requests(_certain(predicted)) == 2


async def test_a_package_whose_head_has_moved(harness: Harness) -> None:
    """A moved head costs one query more, the history."""
    harness.make("alpha")
    harness.add("alpha")
    await _sent(harness, "alpha")
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="ann"))
    predicted = _predicted(harness, "alpha")
    assert await _sent(harness, "alpha") == _requests(predicted) == 2


async def test_a_crowd_has_pages(harness: Harness) -> None:
    """A page has 100 contributors, so the re-check of 250 costs three requests besides the history."""
    harness.make("alpha", [f"author-{n:03}" for n in range(250)])
    harness.add("alpha")
    await _sent(harness, "alpha")
    harness.tomorrow(60)
    predicted = _predicted(harness, "alpha")
    assert [(cost.sources, cost.requests) for cost in predicted] == [
        ((Source.REPOSITORY,), 1),
        ((Source.COMMITS,), 1),
        ((Source.CONTRIBUTORS,), 3),
    ]


async def test_without_a_token(build: Build) -> None:
    """Without a token a repository costs two requests, because there is no GraphQL."""
    harness = await build(token=None)
    harness.make("alpha")
    harness.add("alpha")
    predicted = _predicted(harness, "alpha", anonymous=True)
    assert await _sent(harness, "alpha") == _requests(predicted) == 4


def test_a_package_without_addresses_costs_nothing(harness: Harness) -> None:
    """A package without repository and project costs nothing, even after half a day."""
    harness.add("alpha", repo=False)
    harness.clock.advance(DAY)
    assert _predicted(harness, "alpha") == []
