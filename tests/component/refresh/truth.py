"""True values of the simulated repositories, and helpers for tests that compare with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import Source
from fetcher.http.messages import Answer, Request
from fetcher.simulator.history import contributors, participation
from tests.component.refresh.conftest import House

CONTRIBUTORS, COMMITS, GITHUB = Source.CONTRIBUTORS, Source.COMMITS, Source.GITHUB
MINUTE = timedelta(minutes=1)
FIRST_PASS = {"graphql": 3, "contributors": 1}
"""Requests for statistics, the history for the weeks, and the history to compare with the contributors list."""


def people(house: House, name: str) -> tuple[str, ...]:
    """Return the true contributors, most commits first."""
    repository = house.world.repository(f"octo/{name}")
    assert repository is not None
    return tuple(str(one.author.login) for one in contributors(repository.history.commits())[0])


def weeks(house: House, name: str) -> list[int]:
    """Return the true weeks of participation today."""
    repository = house.world.repository(f"octo/{name}")
    assert repository is not None
    return participation(repository.history.commits(), house.clock.today())


def is_true(house: House, slug: str, name: str | None = None) -> None:
    """Check that a package's stored and shown values equal GitHub's current ones."""
    package, name = house.get(slug), name or slug
    assert package.observed.participants == people(house, name)
    assert package.commit_days is not None
    assert list(rolling_weeks(package.commit_days, house.clock.today())) == weeks(house, name)


def failing(route: str, with_: Answer) -> Callable[[Request], Answer | None]:
    """Return an override that responds to one route."""
    return lambda request: with_ if request.route == route else None


async def first_pass(house: House, *slugs: str) -> None:
    for slug in slugs:
        house.make(slug)
        house.add(slug)
    await house.work()
    house.requests()
