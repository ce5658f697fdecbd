"""What is true of the repositories of a test, and short words for what those tests say often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import Source
from fetcher.http.messages import Answer, Request
from fetcher.simulator.history import contributors, participation
from tests.unit.refresh.conftest import House

CONTRIBUTORS, COMMITS, GITHUB = Source.CONTRIBUTORS, Source.COMMITS, Source.GITHUB
MINUTE = timedelta(minutes=1)
FIRST_PASS = {"graphql": 3, "contributors": 1}
"""Statistics, the history that counts the weeks, and the history that the list of contributors is held against."""


def people(house: House, name: str) -> tuple[str, ...]:
    """The truth: everybody who contributed, most commits first."""
    repository = house.world.repository(f"octo/{name}")
    assert repository is not None
    return tuple(str(one.author.login) for one in contributors(repository.history.commits())[0])


def weeks(house: House, name: str) -> list[int]:
    """The truth: what participation says today."""
    repository = house.world.repository(f"octo/{name}")
    assert repository is not None
    return participation(repository.history.commits(), house.clock.today())


def is_true(house: House, slug: str, name: str | None = None) -> None:
    """What is stored and shown of a package is what GitHub would say now."""
    package, name = house.get(slug), name or slug
    assert package.observed.participants == people(house, name)
    assert package.commit_days is not None
    assert list(rolling_weeks(package.commit_days, house.clock.today())) == weeks(house, name)


def failing(route: str, with_: Answer) -> Callable[[Request], Answer | None]:
    """Interference with one route."""
    return lambda request: with_ if request.route == route else None


async def first_pass(house: House, *slugs: str) -> None:
    for slug in slugs:
        house.make(slug)
        house.add(slug)
    await house.work()
    house.requests()
