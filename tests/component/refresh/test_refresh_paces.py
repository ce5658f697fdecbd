"""A first pass over one host at the pace of its policy, with the real ledger and a stopped clock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from fetcher.domain.model import REPOSITORY_SOURCES, Purpose, Source
from fetcher.simulator.mount import Mount
from fetcher.simulator.upstreams.bitbucket.mount import BitbucketMount
from fetcher.simulator.upstreams.forgejo.mount import ForgejoMount
from fetcher.simulator.upstreams.gitlab.mount import GitLabMount
from fetcher.upstreams.bitbucket.kind import BITBUCKET
from fetcher.upstreams.forgejo.kind import FORGEJO
from fetcher.upstreams.gitlab.kind import GITLAB
from fetcher.upstreams.hosted.kinds import HostedKind
from tests.harness.clock import MINUTE
from tests.harness.one_host import one_host

PACKAGES: Final = 25
WASTE: Final = 1.25
"""Most requests sent, relative to those of a pass without limits: a package may be interrupted and begun again."""


@dataclass(frozen=True, slots=True)
class Paced:
    """A host with its pace, and the minutes within which a pass has to end."""

    name: str
    kind: HostedKind
    mount: Mount
    minutes: int
    each: float
    """Requests of a package's first refresh."""
    per_second: float | None = None


HOSTS: Final = (
    Paced("codeberg.org", FORGEJO, ForgejoMount(), 4, 4),
    Paced("gitlab.com", GITLAB, GitLabMount(), 3, 2.1),
    Paced("bitbucket.org", BITBUCKET, BitbucketMount(), 120, 5),
    Paced("forge.example", FORGEJO, ForgejoMount("forge.example", "forge"), 5, 4),
    Paced("slow.example", FORGEJO, ForgejoMount("slow.example", "slow"), 25, 4, per_second=0.1),
)


@pytest.mark.parametrize("host", HOSTS, ids=lambda one: one.name)
async def test_a_first_pass_ends_and_repeats_little(tmp_path: Path, host: Paced) -> None:
    """Every package is fetched, though far more are due than the host's window admits."""
    async with one_host(tmp_path, host.name, host.kind, host.mount, PACKAGES, per_second=host.per_second) as served:
        served.add(served.names)
        start = served.clock.now()
        await served.until(lambda: served.answered_since(start) == PACKAGES, within=host.minutes * MINUTE)

    assert served.service.state.journal.count(status=429) == 0
    assert served.sent <= WASTE * host.each * PACKAGES


async def test_a_package_refreshed_by_hand_does_not_wait(tmp_path: Path) -> None:
    """The background has used its part of Codeberg's window; a user's request is answered at once."""
    async with one_host(tmp_path, "codeberg.org", FORGEJO, ForgejoMount(), PACKAGES) as served:
        served.add(served.names)
        for claim in await served.running.assembly.dispatcher.claims():
            await served.running.assembly.service.refresh(claim, Purpose.BACKGROUND)
        start, last = served.clock.now(), served.names[-1]
        assert served.running.state(last, Source.REPOSITORY).answered_at is None

        await served.running.by_hand(last)

        assert served.clock.now() == start
        assert all(served.running.state(last, source).answered_at is not None for source in REPOSITORY_SOURCES)
