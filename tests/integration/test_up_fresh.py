"""``fetcher up`` with the default interval: changes made in the simulator appear on the page by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from fetcher.domain.model import StoredPackage
from fetcher.simulator.catalogue import synthetic
from fetcher.simulator.changes import Facts, Push, push, release, set_facts
from fetcher.simulator.server import Simulator
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.registry import Settings
from tests.harness.clock import DAY
from tests.harness.processes import PATIENCE, free_port
from tests.harness.stack import Stack, simulated, stack

PACKAGES = 40
MINUTE = timedelta(seconds=60)
"""Length of the simulator's hour: the shortest interval is five seconds."""
STARS, VERSION = 987_654, "9999.1"
"""Values that no other package has."""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(synthetic(PACKAGES), Settings(limits=Limits(hour=MINUTE))) as running:
        yield running


def get(ours: Stack, slug: str) -> StoredPackage:
    found = ours.store.packages.get(slug)
    assert found is not None
    return found


@pytest.mark.slow
def test_changes_arrive_by_themselves(tmp_path: Path, simulator: Simulator) -> None:
    """After a first pass a push, a star and a release are on the packages' pages without any request of a user.

    The commit was written a day before, because the 52 weeks end with the last full day, as GitHub's do.
    """
    port = free_port()
    settings = {**simulated(simulator), "refresh_interval": "auto", "plan_interval": 1, "web_port": port}
    with stack(tmp_path, **settings) as ours:
        slugs = ours.import_world(simulator.world)
        ours.start("up", "fetcher", "up", gently=True)
        ours.until(lambda: ours.answered(PACKAGES), "every source of every package answers")
        ours.until(ours.store.sweeps.plans, "the intervals are computed")
        found = [get(ours, slug) for slug in slugs]
        pushed, starred, released = [one for one in found if one.stats and one.stats.head_oid and one.versions][:3]
        assert pushed.stats is not None
        assert starred.stats is not None
        assert released.versions is not None

        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            commits = _commits(client, pushed)
            head = push(simulator.world, pushed.stats.full_name, Push(login="ann", age=DAY)).history.tip
            set_facts(simulator.world, starred.stats.full_name, Facts(stars=STARS))
            release(simulator.world, released.versions.name, version=VERSION)
            assert head is not None
            at = head.committed_at.isoformat(timespec="seconds")
            ours.until(lambda: _shows(client, pushed, at), "the page shows the commit's time")
            ours.until(lambda: _commits(client, pushed) == commits + 1, "its 52 weeks have one commit more")
            ours.until(lambda: _shows(client, starred, f"<dd>{STARS}"), "the page shows the stars")
            ours.until(
                lambda: _shows(client, released, f'<th scope="row">{VERSION}</th>'), "the page shows the release"
            )
        assert get(ours, pushed.entry.slug).active_at != pushed.active_at

    assert simulator.log.summary()["limits_tripped"] == {}


def _shows(client: httpx.Client, package: StoredPackage, text: str) -> bool:
    return text in _page(client, package)


def _commits(client: httpx.Client, package: StoredPackage) -> int:
    """Return the sum of the 52 weeks as the page states it."""
    found = re.search(r"(\d+) commits?, at most", _page(client, package))
    return int(found[1]) if found else 0


def _page(client: httpx.Client, package: StoredPackage) -> str:
    return client.get(f"/packages/{package.entry.slug}").raise_for_status().text
