"""Ninety days of a changing upstream: pushes, merges, forced pushes, new authors, and a list that is hours old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random

import pytest

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import Purpose, Source
from fetcher.simulator.changes import Push, force_push, push
from fetcher.simulator.upstreams.github.statistics_jobs import Statistics
from tests.component.refresh.conftest import Build, Harness
from tests.component.refresh.truth import is_true, people, weeks
from tests.harness.clock import DAY
from tests.harness.examples import seeds

HOUR = timedelta(hours=1)
DAYS = 90
LINGERS = 3
"""Days for which a contributor may stay listed after a forced push dropped the commits."""

KNOWN = ("ann", "bob", "cho", "dan")


def something_happens(harness: Harness, name: str, rng: Random) -> None:
    """Change one repository as its contributors would."""
    match rng.choice(["push", "push", "merge", "newcomer", "late branch", "anonymous", "forced"]):
        case "push":
            pushed = Push(commits=rng.randint(1, 5), login=rng.choice(KNOWN))
        case "merge":
            pushed = Push(commits=rng.randint(1, 3), login=rng.choice(KNOWN), merge=True)
        case "newcomer":
            pushed = Push(commits=rng.randint(1, 2), login=f"newcomer-{rng.randrange(10_000)}")
        case "late branch":
            pushed = Push(commits=2, login=rng.choice(KNOWN), age=rng.randint(10, 200) * DAY, merge=True)
        case "anonymous":
            pushed = Push(anonymous=True)
        case _:
            force_push(harness.world, f"octo/{name}", dropped=rng.randint(1, 3), vanished=rng.random() < 0.5)
            return
    push(harness.world, f"octo/{name}", pushed)


async def a_day(harness: Harness, names: Sequence[str], rng: Random) -> None:
    """Advance one day in which a third of the repositories move, the last ones minutes before their refresh."""
    for name in rng.sample(names, len(names) // 3):
        harness.clock.advance(rng.uniform(0.1, 6) * HOUR)
        something_happens(harness, name, rng)
        await harness.work()
    harness.clock.advance(timedelta(minutes=rng.randint(1, 300)))
    ids = list(harness.store.packages.ids(names).values())
    await harness.refresh_service.refresh_packages(ids, tuple(Source), Purpose.BACKGROUND)
    await harness.work()


@pytest.mark.parametrize("seed", seeds(4))
async def test_every_day_equals_the_upstream(build: Build, seed: int) -> None:
    """Each day all documents are correct: no contributor is missing for over a day or listed wrongly for long."""
    rng = Random(seed)  # noqa: S311  (chooses what happens, no secrets)
    harness = await build(statistics=Statistics(contributors_lag=6 * HOUR))
    names = [f"package-{number}" for number in range(9)]
    for name in names:
        harness.make(name, [rng.choice(KNOWN) for _ in range(rng.randint(3, 40))], age=rng.randint(1, 300))
        harness.add(name)
    await a_day(harness, names, rng)
    before = {name: set(people(harness, name)) for name in names}
    in_vain = dict.fromkeys(names, 0)
    for _ in range(DAYS):
        await a_day(harness, names, rng)
        for name in names:
            package, repository = harness.get(name), harness.world.repository(f"octo/{name}")
            assert repository is not None
            assert repository.history.tip is not None
            assert package.commit_days is not None
            assert package.stats is not None
            assert list(rolling_weeks(package.commit_days, harness.clock.today())) == weeks(harness, name)
            assert package.commit_days.total == len(repository.history.commits())
            assert package.stats.head_oid == repository.history.tip.oid
            assert package.observed.last_updated == repository.history.tip.committed_at
            listed, truth = set(package.observed.participants or ()), set(people(harness, name))
            assert before[name] & truth <= listed
            in_vain[name] = in_vain[name] + 1 if listed - truth else 0
            assert in_vain[name] <= LINGERS
            before[name] = truth
    for _ in range(3):
        harness.clock.advance(DAY)
        await harness.work()
    for name in names:
        is_true(harness, name)
    harness.requests()
    harness.tomorrow()
    await harness.work()
    assert harness.requests() == {"graphql": 1}
