"""``python -m benchmarks.forges``: requests, bytes and CPU a package on each forge.

The packages of each forge are refreshed a first time, seven days without a change, and after a push to each. Beside it
stand ``git clone --bare --filter=blob:none`` with ``git fetch`` afterwards, and the way of the largest directory. All
of them ask the same simulator, through a proxy that counts bytes. The trees of its commits are empty, which favours the
clone; ``--repository`` is one with real trees, served by git's own program.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import directory_way
from benchmarks.clones import NO_BLOBS, Clones
from benchmarks.git_host import git_host
from benchmarks.processes import end_well, own_cpu
from benchmarks.simulated import SimulatorProcess, simulator, write_catalogue
from benchmarks.wire import Traffic, Wire, counting
from fetcher.catalogue.intake import Entry, read_path
from fetcher.monitoring.logging import configure_logging
from fetcher.settings import read_settings
from fetcher.upstreams.base import Upstream
from fetcher.upstreams.bitbucket.kind import BITBUCKET
from fetcher.upstreams.forgejo.kind import FORGEJO
from fetcher.upstreams.github.upstream import GitHub
from fetcher.upstreams.gitlab.kind import GITLAB
from fetcher.upstreams.hosted.base import ForgeHost
from fetcher.upstreams.hosted.git_only import GIT_ONLY
from fetcher.upstreams.hosted.kinds import HostedKind
from fetcher.upstreams.hosted.upstream import HostedForge
from tests.harness.clock import DAY, StoppedClock
from tests.harness.over_git import NO_LIMITS, OverGit, any_path, opened

ROOT = Path(__file__).parent.parent
QUIET_DAYS, STEPS = 7, 8
"""Days without a change, and the steps of each: a package's slot lies anywhere in the day."""
ROUND = DAY * 1.5
"""Time after which every package is due again."""
GIT_ROUTES = ("git", "git_refs")
UNKNOWN_HOST = "code.example"


@dataclass(frozen=True, slots=True)
class Forge:
    """One forge of the simulator: the mount's name, the host, and the kind; ``None`` for GitHub."""

    title: str
    mount: str
    host: str
    kind: HostedKind | None
    commits: str = "api"
    """The way in which GitHub's commits are read (``FETCHER_GITHUB_COMMITS``)."""


FORGES = (
    Forge("GitHub (API)", "github", "github.com", None),
    Forge("GitHub (git)", "github", "github.com", None, "git"),
    Forge("GitLab", "gitlab", "gitlab.com", GITLAB),
    Forge("Forgejo", "forgejo", "codeberg.org", FORGEJO),
    Forge("Bitbucket", "bitbucket", "bitbucket.org", BITBUCKET),
    Forge("git alone", "forgejo", "codeberg.org", GIT_ONLY),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one pass a package."""

    name: str
    way: str
    api: float
    git: float
    traffic: Traffic
    cpu: float
    packages: int

    def cells(self) -> list[str]:
        each = self.packages
        return [
            self.name,
            self.way,
            f"{self.api / each:.2f}",
            f"{self.git / each:.2f}",
            f"{self.traffic.sent / each:,.0f}",
            f"{self.traffic.received / each:,.0f}",
            f"{1000 * self.cpu / each:.1f}",
        ]


@dataclass
class Bench:
    """One forge under measurement."""

    forge: Forge
    served: SimulatorProcess
    wire: Wire
    running: OverGit
    packages: int
    paths: Sequence[str]
    spent: float = 0.0
    """CPU seconds of ``advance``, which are the benchmark's."""

    async def measured(self, name: str, days: int = 1) -> Cost:
        """Run the work that is due now, or that of so many days in steps, and return its cost on an average day."""
        self.served.forget()
        before, cpu, apart = self.wire.traffic(), own_cpu(), self.spent
        for step in range(STEPS * days if days > 1 else 1):
            if step:
                self.advance(DAY / STEPS)
            await self.running.work()
        cpu = own_cpu() - cpu - (self.spent - apart)
        counted = self.served.summary()
        git = counted.asked(self.forge.mount, *GIT_ROUTES)
        api = counted.asked(self.forge.mount) - git
        way, each = f"Fetcher, {self.forge.title}", _part(self.wire.traffic() - before, days)
        return Cost(name, way, api / days, git / days, each, cpu / days, self.packages)

    def advance(self, by: timedelta) -> None:
        """Advance the clocks of the engine and of the simulator."""
        before = own_cpu()
        self.running.clock.advance(by)
        self.served.act("advance", seconds=by.total_seconds())
        self.spent += own_cpu() - before

    def push(self) -> None:
        """Move the head of each package by three commits."""
        for path in self.paths:
            self.served.act("push", target=f"{self.forge.host}/{path}", commits=3)

    def clones(self, name: str, clones: Clones, sample: Sequence[str]) -> Cost:
        """Clone the sampled repositories, or fetch into the clones, and return the cost."""
        self.served.forget()
        before = self.wire.traffic()
        cpu = sum(clones.update(f"{self.wire.url}/{self.forge.mount}/{path}.git", path) for path in sample)
        git = self.served.summary().asked(self.forge.mount, *GIT_ROUTES)
        return Cost(name, "git, blob:none", 0, git, self.wire.traffic() - before, cpu, len(sample))

    def pages(self, name: str, sample: Sequence[str]) -> Cost:
        """Request the sampled repositories in the way of the largest directory."""
        self.served.forget()
        before, cpu = self.wire.traffic(), own_cpu()
        headers = {"authorization": f"Bearer {self.served.token}"} if self.forge.mount == "github" else {}
        with httpx.Client(headers=headers, timeout=60) as client:
            for path in sample:
                directory_way.fetch(client, self.forge.mount, f"{self.wire.url}/{self.forge.mount}", path)
        api = self.served.summary().asked(self.forge.mount)
        return Cost(name, "every page", api, 0, self.wire.traffic() - before, own_cpu() - cpu, len(sample))


def _part(traffic: Traffic, days: int) -> Traffic:
    return Traffic(traffic.sent // days, traffic.received // days)


def upstream_of(forge: Forge, served: SimulatorProcess, wire: Wire) -> Upstream:
    """Return the upstream of a forge behind the proxy."""
    root = f"{wire.url}/{forge.mount}"
    if forge.kind is None:
        github = {"FETCHER_GITHUB_API_URL": root, "FETCHER_GITHUB_COMMITS": forge.commits}
        return GitHub.configured(read_settings({**served.environment, **github}))[0]
    host = ForgeHost(forge.host, forge.host, forge.kind.kind, root, root, trusted=True)
    return HostedForge(host, forge.kind, NO_LIMITS, any_path)


async def measure(forge: Forge, packages: int, sampled: int, folder: Path) -> list[Cost]:
    """Return the costs of one forge: a first pass, days without a change, and a day after a push to each package."""
    with ExitStack() as until:
        served = until.enter_context(simulator(packages, "--at", forge.host, "--no-limits", git=True))
        wire = until.enter_context(counting(served.github.removesuffix("/github")))
        catalogue = folder / "catalogue.json"
        write_catalogue(packages, catalogue, ("--at", forge.host))
        entries = [item.entry for item in read_path(catalogue) if isinstance(item, Entry)]
        paths = [str(entry.repo_url).split("/", 3)[3] for entry in entries]
        clock = StoppedClock(datetime.now(UTC))
        async with opened(folder, (upstream_of(forge, served, wire),), clock=clock) as running:
            running.store.packages.import_entries(entries, clock.now())
            bench = Bench(forge, served, wire, running, packages, paths)
            return await _stages(bench, paths[:sampled], folder / "clones")


async def _stages(bench: Bench, sample: Sequence[str], folder: Path) -> list[Cost]:
    compared = bench.forge.kind is not GIT_ONLY and bench.forge.commits == "api"
    clones, found = Clones(folder), [await bench.measured("first")]
    if compared:
        found.append(bench.clones("first", clones, sample))
    if compared and bench.forge.mount in directory_way.KINDS:
        found.append(bench.pages("first", sample))
    bench.advance(ROUND)
    await bench.running.work()
    bench.advance(DAY / STEPS)
    found.append(await bench.measured("unchanged", QUIET_DAYS))
    if compared:
        found.append(bench.clones("unchanged", clones, sample))
    bench.push()
    bench.advance(ROUND)
    found.append(await bench.measured("moved"))
    if compared:
        found.append(bench.clones("moved", clones, sample))
    return found


async def with_real_trees(repository: Path, folder: Path) -> list[Cost]:
    """Return the costs of a first visit to a repository with real trees, served by git's own program."""
    clones = Clones(folder / "clones")
    clones.bare(repository, folder / "served" / "real.git")
    with git_host(folder / "served") as server, counting(server.url) as wire:
        host = ForgeHost(UNKNOWN_HOST, UNKNOWN_HOST, GIT_ONLY.kind, wire.url, wire.url, trusted=True)
        upstream = HostedForge(host, GIT_ONLY, NO_LIMITS, any_path)
        found: list[Cost] = []
        async with opened(folder, (upstream,), clock=StoppedClock(datetime.now(UTC))) as running:
            running.add("real.git", host=UNKNOWN_HOST)
            before, cpu = wire.traffic(), own_cpu()
            await running.work()
            cpu, traffic = own_cpu() - cpu, wire.traffic() - before
            found.append(Cost("first", "Fetcher, git alone", 0, server.requests(), traffic, cpu, 1))
        for way, options in (("git, blob:none", NO_BLOBS), ("git, everything", ())):
            asked, before = server.requests(), wire.traffic()
            cpu = clones.clone(f"{wire.url}/real.git", way, options)
            found.append(Cost("first", way, 0, server.requests() - asked, wire.traffic() - before, cpu, 1))
        return found


def table_of(title: str, costs: Sequence[Cost]) -> Table:
    """Return a table with a row for each cost."""
    table = Table(title=title, title_justify="left")
    for column in ("pass", "way", "API requests", "git requests", "bytes sent", "bytes received", "CPU ms"):
        table.add_column(column, justify="left" if column in ("pass", "way") else "right")
    for one in costs:
        table.add_row(*one.cells())
    return table


async def run(packages: int, sampled: int, repository: Path, console: Console) -> None:
    """Measure and print everything."""
    costs: dict[str, list[Cost]] = {}
    for forge in FORGES:
        folder = Path(tempfile.mkdtemp())
        try:
            costs[forge.title] = await measure(forge, packages, sampled, folder)
        finally:
            shutil.rmtree(folder)
        title = f"{forge.title}: a package, of {packages} (clone and pages: {sampled})"
        console.print(table_of(title, costs[forge.title]))
    with tempfile.TemporaryDirectory() as path:
        found = await with_real_trees(repository, Path(path))
        console.print(table_of(f"A repository with real trees: {repository.name}", found))


def main(
    packages: Annotated[int, typer.Option(min=10, help="Invented packages of each forge.")] = 100,
    sampled: Annotated[int, typer.Option(min=1, help="Packages that are cloned, and requested page by page.")] = 100,
    repository: Annotated[Path, typer.Option(help="A repository with real trees.")] = ROOT,
) -> None:
    """Print the costs of each forge, and the time of a pass over one host."""
    configure_logging("ERROR")
    asyncio.run(run(packages, sampled, repository, Console(width=130)))


if __name__ == "__main__":
    end_well()
    typer.run(main)
