"""Predicted cost of a refresh, compared with its actual requests."""

from __future__ import annotations

from collections.abc import Sequence

from fetcher.domain.model import DETAIL_SOURCES, Purpose, Source
from fetcher.domain.scheduling import Cadence
from fetcher.refresh.cost import Cost, costs
from fetcher.simulator.changes import Push, push
from tests.component.refresh.conftest import DAY, Build, House


def _said(house: House, slug: str, *, anonymous: bool = False) -> list[Cost]:
    target = house.store.target(house.store.package_ids([slug])[slug])
    assert target is not None
    return costs(target, house.clock.now(), Cadence(), anonymous=anonymous)


async def _asked(house: House, slug: str) -> int:
    """Return the number of requests that a background refresh sends."""
    house.requests()
    ids = list(house.store.package_ids([slug]).values())
    await house.conductor.refresh_packages(ids, tuple(Source), Purpose.BACKGROUND)
    return sum(house.requests().values())


def _requests(said: Sequence[Cost]) -> int:
    return sum(cost.requests for cost in said)


def _certain(said: Sequence[Cost]) -> list[Cost]:
    return [cost for cost in said if not cost.why.startswith("if the head has moved")]


async def test_a_package_never_asked(house: House) -> None:
    """A new package requests all sources: the statistics, the history, the list, and both of the index's APIs."""
    house.make("alpha")
    house.publish("alpha", "1.0")
    house.add("alpha", project=True)
    said = _said(house, "alpha")
    assert [cost.requests for cost in said] == [1, 1, 1, 2]
    assert await _asked(house, "alpha") == _requests(said) == 5


async def test_a_package_whose_head_stays(house: House) -> None:
    """With a current head and a known status, the cost is two conditional requests."""
    house.make("alpha")
    house.publish("alpha", "1.0")
    house.add("alpha", project=True)
    await _asked(house, "alpha")
    house.tomorrow()
    said = _said(house, "alpha")
    assert [(cost.sources, cost.requests) for cost in said] == [
        ((Source.GITHUB,), 1),
        (DETAIL_SOURCES, 0),
        (DETAIL_SOURCES, 1),
        ((Source.PYPI,), 1),
    ]
    assert await _asked(house, "alpha") == _requests(_certain(said)) == 2


async def test_a_package_whose_head_has_moved(house: House) -> None:
    """A moved head costs one query more, the history."""
    house.make("alpha")
    house.add("alpha")
    await _asked(house, "alpha")
    house.tomorrow()
    push(house.world, "octo/alpha", Push(login="ann"))
    said = _said(house, "alpha")
    assert await _asked(house, "alpha") == _requests(said) == 2


async def test_a_crowd_has_pages(house: House) -> None:
    """A page has 100 contributors, so the re-check of 250 costs three requests besides the history."""
    house.make("alpha", [f"author-{n:03}" for n in range(250)])
    house.add("alpha")
    await _asked(house, "alpha")
    house.tomorrow(60)
    said = _said(house, "alpha")
    assert [(cost.sources, cost.requests) for cost in said] == [
        ((Source.GITHUB,), 1),
        ((Source.COMMITS,), 1),
        ((Source.CONTRIBUTORS,), 3),
    ]


async def test_without_a_token(build: Build) -> None:
    """Without a token a repository costs two requests, because there is no GraphQL."""
    house = await build(token=None)
    house.make("alpha")
    house.add("alpha")
    said = _said(house, "alpha", anonymous=True)
    assert await _asked(house, "alpha") == _requests(said) == 4


def test_nothing_is_asked_where_nothing_is_known_to_ask(house: House) -> None:
    """A package without repository and project costs nothing, even after half a day."""
    house.add("alpha", repo=False)
    house.clock.advance(DAY)
    assert _said(house, "alpha") == []
