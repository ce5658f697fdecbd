"""One account has one ledger, also where GitHub was silent when a process started."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fetcher.domain.model import Upstream
from fetcher.simulator.faults import Kind, Rule
from tests.chaos.harness.house import house

pytestmark = pytest.mark.chaos


async def test_an_identity_that_was_not_told_is_asked_again(tmp_path: Path) -> None:
    """A process starts with a new token while GitHub fails: it asks anew before its next task, and then never again."""
    async with house(tmp_path) as ours:
        ours.simulator.state.credentials.identities["another-token"] = "simulated-user"
        account = ours.parts.access.identities[Upstream.GITHUB]
        ours.simulator.faults.add(Rule(kind=Kind.STATUS, status=500, route="graphql"))
        await ours.reopen(github_token="another-token")
        fallback = ours.parts.access.identities[Upstream.GITHUB]
        ours.simulator.faults.clear()
        await ours.advance(timedelta(minutes=10))
        await ours.parts.identify()
        told, asked = ours.parts.access.identities[Upstream.GITHUB], ours.simulator.log.count("graphql")
        await ours.parts.identify()

        assert fallback.startswith("token:")
        assert told == account
        assert ours.parts.gateway.identity(Upstream.GITHUB) == account
        assert ours.simulator.log.count("graphql") == asked
        assert fallback not in {each.identity for each in await ours.parts.quota.quota_status(ours.parts.clock.now())}
