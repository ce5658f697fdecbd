"""``python -m benchmarks.host_pass``: the time of a pass over one host at its default politeness.

The engine itself runs over a stopped clock: packages are planned once a minute, and the ledger, the policy, the
schedule and the store are those of production. A response takes no time: at these paces the limits decide.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fetcher.monitoring.logging import configure_logging
from fetcher.simulator.mount import Mount
from fetcher.simulator.upstreams.bitbucket.mount import BitbucketMount
from fetcher.simulator.upstreams.forgejo.mount import ForgejoMount
from fetcher.simulator.upstreams.gitlab.mount import GitLabMount
from fetcher.upstreams.bitbucket.kind import BITBUCKET
from fetcher.upstreams.forgejo.kind import FORGEJO
from fetcher.upstreams.gitlab.kind import GITLAB
from fetcher.upstreams.hosted.git_only import GIT_ONLY
from fetcher.upstreams.hosted.kinds import HostedKind
from tests.harness.clock import DAY
from tests.harness.one_host import OneHost, one_host

PATIENCE = 10 * DAY
UNKNOWN = "code.example"
HOSTS: tuple[tuple[str, HostedKind, Mount], ...] = (
    ("gitlab.com", GITLAB, GitLabMount()),
    ("codeberg.org", FORGEJO, ForgejoMount()),
    ("bitbucket.org", BITBUCKET, BitbucketMount()),
    (UNKNOWN, GIT_ONLY, ForgejoMount(UNKNOWN, "unknown")),
)


@dataclass(frozen=True, slots=True)
class HostPass:
    """The times of three passes and the requests of each."""

    first: tuple[timedelta, int]
    unchanged: tuple[timedelta, int]
    moved: tuple[timedelta, int]


async def time_of_passes(folder: Path, name: str, kind: HostedKind, mount: Mount, packages: int) -> HostPass:
    """Refresh the packages of a host for the first time, without a change, and after a push to each."""
    async with one_host(folder, name, kind, mount, packages) as served:
        served.add(served.names)
        first = await _passed(served, lambda: served.answered_since(served.clock.now() - PATIENCE) == packages)
        served.clock.advance(3 * DAY)
        start = served.clock.now()
        unchanged = await _passed(served, lambda: served.answered_since(start) == packages)
        served.clock.advance(3 * DAY)
        for one in served.names:
            served.push(one)
        moved = await _passed(served, lambda: served.at_tip() == packages)
    return HostPass(first, unchanged, moved)


async def _passed(served: OneHost, done: Callable[[], bool]) -> tuple[timedelta, int]:
    before = served.sent
    return await served.until(done, PATIENCE), served.sent - before


def _cell(passed: tuple[timedelta, int], packages: int) -> str:
    minutes = passed[0].total_seconds() / 60
    time = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    return f"{time} ({passed[1] / packages:.2f})"


async def run(packages: int, console: Console) -> None:
    """Measure each host, and print the times with the requests a package."""
    table = Table(title=f"A pass of {packages} packages on one host (requests a package)", title_justify="left")
    for column in ("host", "first", "nothing changed", "all moved"):
        table.add_column(column, justify="left" if column == "host" else "right")
    for name, kind, mount in HOSTS:
        with tempfile.TemporaryDirectory() as path:
            found = await time_of_passes(Path(path), name, kind, mount, packages)
        table.add_row(name, *(_cell(one, packages) for one in (found.first, found.unchanged, found.moved)))
    console.print(table)


def main(packages: Annotated[int, typer.Option(min=1, help="Packages on each host.")] = 500) -> None:
    """Print the time of a pass over each host."""
    configure_logging("WARNING")
    asyncio.run(run(packages, Console(width=120)))


if __name__ == "__main__":
    typer.run(main)
