"""A day of a large catalogue's projects, by the minute: the number of requests, and their bytes."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from fetcher.domain.model import CatalogueEntry, Source
from fetcher.simulator import changes
from tests.component.refresh.conftest import Build, Harness
from tests.harness.clock import DAY

PROJECTS, RELEASED = 5_500, 55
POLL = timedelta(minutes=2)
POLLS = DAY // POLL
ROOT_BYTES = 60_000_000
"""Size of the real index's root, which lists every project and not only these."""

MOST_REQUESTS, MOST_BYTES = 1_500, 150_000_000


@pytest.mark.slow
async def test_a_day_of_5500_projects(build: Build) -> None:
    """With 1 % released, each release is stored within two polls, and the day stays within the limits."""
    harness = await build(threshold=500, others_per_minute=10)
    names = [f"project-{number}" for number in range(PROJECTS)]
    for name in names:
        harness.publish(name, "1.0")
    entries = [CatalogueEntry(name, name, pypi_url=name) for name in names]
    harness.store.packages.import_entries(entries, harness.clock.now())
    await pass_a_day(harness, {})
    harness.requests()
    harness.transport.received.clear()

    rng = Random(1)  # noqa: S311  (chooses times and projects)
    released = {rng.randrange(POLLS - 2): name for name in rng.sample(names, RELEASED)}
    late = await pass_a_day(harness, released)

    requests, received = harness.requests(), harness.transport.received
    assert late == []
    assert requests["feed"] == POLLS
    assert requests["simple_root"] == 1
    assert sum(requests.values()) <= MOST_REQUESTS, requests
    assert sum(received.values()) - received["pypi_root"] + ROOT_BYTES <= MOST_BYTES, received
    answered = [harness.state(name, Source.INDEX).answered_at for name in names]
    assert all(at is not None and harness.clock.now() - at <= 2 * DAY for at in answered)


async def pass_a_day(harness: Harness, released: dict[int, str]) -> list[str]:
    """Poll and work every two minutes for a day; return the releases that were not stored two polls later."""
    late = []
    for number in range(POLLS):
        if number in released:
            changes.release(harness.world, released[number], "2.0")
        harness.clock.advance(POLL)
        await harness.feed.check()
        await harness.serials.check()
        await harness.work()
        if (name := released.get(number - 1)) is not None and harness.get(name).observed.pypi_version != "2.0":
            late.append(name)
    return late
