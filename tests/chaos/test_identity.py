"""The ledger of an account when GitHub did not respond at the start of a process."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fetcher.simulator.faults import Kind, Rule
from fetcher.upstreams.github.limits import GITHUB
from tests.chaos.injection.deployment import deployment

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


async def test_an_unknown_identity_is_requested_again(tmp_path: Path) -> None:
    """Show that an identity unknown at the start is requested again before the next task, and only once."""
    async with deployment(tmp_path) as ours:
        ours.simulator.upstream("github").credentials.identities["another-token"] = "simulated-user"
        account = ours.parts.assembly.identities[GITHUB]
        ours.simulator.faults.add(Rule(kind=Kind.STATUS, status=500, route="graphql"))
        await ours.reopen(github_token="another-token")
        fallback = ours.parts.assembly.identities[GITHUB]
        ours.simulator.faults.clear()
        await ours.advance(timedelta(minutes=10))
        await ours.parts.begin()
        learned, requests = ours.parts.assembly.identities[GITHUB], ours.simulator.log.count("graphql")
        await ours.parts.begin()

        assert fallback.startswith("token:")
        assert learned == account
        assert ours.parts.gateway.identity(GITHUB) == account
        assert ours.simulator.log.count("graphql") == requests
        assert fallback not in {each.identity for each in await ours.parts.quota.quota_status(ours.parts.clock.now())}
