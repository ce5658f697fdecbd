"""True values of the simulated repositories, and helpers for tests that compare with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import Source
from fetcher.http.messages import Answer, Request
from fetcher.simulator.history import contributors, participation
from tests.component.refresh.conftest import Harness

CONTRIBUTORS, COMMITS, REPOSITORY = Source.CONTRIBUTORS, Source.COMMITS, Source.REPOSITORY
MINUTE = timedelta(minutes=1)
FIRST_PASS = {"graphql": 3, "contributors": 1}
"""Requests for statistics, the history for the weeks, and the history to compare with the contributors list."""


def people(harness: Harness, name: str) -> tuple[str, ...]:
    """Return the true contributors, most commits first."""
    repository = harness.world.repository(f"octo/{name}")
    assert repository is not None
    return tuple(str(one.author.login) for one in contributors(repository.history.commits())[0])


def weeks(harness: Harness, name: str) -> list[int]:
    """Return the true weeks of participation today."""
    repository = harness.world.repository(f"octo/{name}")
    assert repository is not None
    return participation(repository.history.commits(), harness.clock.today())


def is_true(harness: Harness, slug: str, name: str | None = None) -> None:
    """Check that a package's stored and shown values equal GitHub's current ones."""
    package, name = harness.get(slug), name or slug
    assert package.observed.participants == people(harness, name)
    assert package.commit_days is not None
    assert list(rolling_weeks(package.commit_days, harness.clock.today())) == weeks(harness, name)


def failing(route: str, with_: Answer) -> Callable[[Request], Answer | None]:
    """Return an override that responds to one route."""
    return lambda request: with_ if request.route == route else None


async def first_pass(harness: Harness, *slugs: str) -> None:
    for slug in slugs:
        harness.make(slug)
        harness.add(slug)
    await harness.work()
    harness.requests()
