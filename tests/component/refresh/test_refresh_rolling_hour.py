"""Refreshes on Bitbucket, whose hour rolls, with the real ledger and its policy, a stopped clock and no socket."""

from __future__ import annotations

from pathlib import Path

from fetcher.simulator.upstreams.bitbucket.mount import BitbucketMount
from fetcher.upstreams.bitbucket.kind import BITBUCKET
from tests.harness.clock import HOUR
from tests.harness.one_host import one_host

PACKAGES = 30


async def test_an_import_at_the_end_of_an_hour_is_refused_nothing(tmp_path: Path) -> None:
    """One package, then thirty more 58 minutes later: all are fresh two hours on, and no hour exceeds the limit."""
    async with one_host(tmp_path, "bitbucket.org", BITBUCKET, BitbucketMount(), PACKAGES + 1) as served:
        start = served.clock.now()
        served.add(served.names[:1])
        for _ in range(58):
            await served.minute()
        served.add(served.names[1:])
        await served.until(lambda: served.answered_since(start) == PACKAGES + 1, within=2 * HOUR)

    journal = served.service.state.journal
    api = [one.at for one in journal.entries if not one.route.startswith("git")]
    assert journal.count(status=429) == 0
    assert 50 <= max(sum(first <= at < first + HOUR for at in api) for first in api) <= 60
