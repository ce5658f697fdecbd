"""Refreshes of repositories on GitLab, Forgejo and Bitbucket: facts by API, commits over git, equal to the truth."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import OutcomeKind, Purpose, Source
from fetcher.http.deadline import deadline
from fetcher.http.messages import Request
from fetcher.simulator.changes import (
    Facts,
    Push,
    delete,
    empty,
    force_push,
    push,
    recreate,
    rename,
    repository_of,
    set_block,
    set_facts,
)
from fetcher.simulator.history import contributors, participation
from fetcher.simulator.mount import Mount
from fetcher.simulator.repository import Block, Repository
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.bitbucket.mount import BitbucketMount
from fetcher.simulator.upstreams.forgejo.mount import ForgejoMount
from fetcher.simulator.upstreams.github.limits import Limits
from fetcher.simulator.upstreams.gitlab.mount import GitLabMount
from fetcher.simulator.upstreams.gitlab.settings import TOKEN
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from fetcher.upstreams.bitbucket.kind import BITBUCKET
from fetcher.upstreams.forgejo.kind import FORGEJO
from fetcher.upstreams.git_reader import PACK
from fetcher.upstreams.gitlab.kind import GITLAB
from fetcher.upstreams.hosted.base import ForgeHost
from fetcher.upstreams.hosted.kinds import HostedKind
from fetcher.upstreams.hosted.upstream import MOST_CONCURRENT, HostedForge
from tests.harness.clock import DAY, StoppedClock
from tests.harness.facts import plain_repository
from tests.harness.fakes import SimulatorTransport
from tests.harness.over_git import NO_LIMITS, OverGit, any_path, opened

REPOSITORY, COMMITS, CONTRIBUTORS = Source.REPOSITORY, Source.COMMITS, Source.CONTRIBUTORS
KINDS: Final[dict[str, tuple[HostedKind, Mount, str]]] = {
    "gitlab": (GITLAB, GitLabMount(), "gitlab.com"),
    "forgejo": (FORGEJO, ForgejoMount(), "codeberg.org"),
    "bitbucket": (BITBUCKET, BitbucketMount(), "bitbucket.org"),
}


@dataclass
class Forge:
    """One host with a repository ``ann/alpha`` of three people, and the refresh of its package."""

    kind: str
    host: str
    world: World
    service: Service
    running: OverGit

    @property
    def address(self) -> str:
        return f"{self.host}/ann/alpha"

    async def day(self) -> dict[str, int]:
        """Advance a day, do its work, and return the requests by route and status."""
        self.running.tomorrow()
        await self.running.work()
        return self.requests()

    def requests(self) -> dict[str, int]:
        journal = self.service.state.journal
        counted = {f"{route} {status}": number for (_, route, status), number in sorted(journal.requests.items())}
        journal.clear()
        return counted

    def is_true(self) -> None:
        """Check every stored value against the repository."""
        package = self.running.get("alpha")
        true, today = repository_of(self.world, self.address), self.running.clock.today()
        stats, tip, commits = package.stats, true.history.tip, true.history.commits()
        assert stats is not None
        stars = None if self.kind == "bitbucket" else true.stars
        watchers = None if self.kind == "gitlab" else true.subscribers
        assert (stats.full_name, stats.description) == (true.full_name, true.description or "")
        assert (stats.stars, stats.forks, stats.watchers) == (stars, true.forks, watchers)
        assert (stats.head_oid, stats.empty) == (tip.oid if tip else None, tip is None)
        assert stats.head_committed_at == (tip.committed_at if tip else None)
        assert package.commit_days is not None
        assert list(rolling_weeks(package.commit_days, today)) == participation(commits, today)
        assert package.observed.participants == tuple(self.people())

    def people(self) -> list[str]:
        """Return the accounts where the forge names them, otherwise the authors' names."""
        counted = contributors(repository_of(self.world, self.address).history.commits())[0]
        return [str(one.author.name if self.kind == "bitbucket" else one.author.login) for one in counted]


@pytest.fixture(params=list(KINDS))
async def forge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Forge]:
    kind, mount, host = KINDS[request.param]
    clock = StoppedClock()
    world = World(clock)
    made = plain_repository(world, host)
    for login, commits, age in (("ann", 5, 300), ("bob", 3, 90), ("cat", 1, 20)):
        push(world, made.address, Push(commits=commits, login=login, age=age * DAY))
    service = Service(world, Settings(limits=Limits(enforced=False)), (mount,))
    transport = SimulatorTransport(service, None)
    root = service.address(mount.name, SimulatorTransport.root)
    upstream = HostedForge(ForgeHost(host, host, kind.kind, root, root, trusted=True), kind, NO_LIMITS, any_path)
    async with opened(tmp_path, (upstream,), transport, clock) as running:
        running.add("ann/alpha", host=host)
        await running.work()
        yield Forge(request.param, host, world, service, running)
    await transport.aclose()


def of(forge: Forge, **expected: dict[str, int]) -> dict[str, int]:
    """Return the expectation for the forge's kind."""
    return expected[forge.kind]


async def test_a_first_refresh_is_true(forge: Forge) -> None:
    """Every value at once, in a few requests."""
    forge.is_true()
    assert forge.requests() == of(
        forge,
        gitlab={"git 200": 1, "git_refs 200": 1, "graphql 200": 2},
        forgejo={"commits 200": 1, "git 200": 2, "git_refs 200": 1, "repository 200": 1},
        bitbucket={"forks 200": 1, "git 200": 2, "git_refs 200": 1, "repository 200": 1, "watchers 200": 1},
    )


async def test_unchanged_days_cost_one_request_of_the_api(forge: Forge) -> None:
    """GitLab states the head. Forgejo's time of the last push saves the request for it; Bitbucket has no such time."""
    forge.requests()
    days = [await forge.day() for _ in range(7)]
    forge.is_true()
    total = {name: sum(day.get(name, 0) for day in days) for name in {name for day in days for name in day}}

    assert total == of(
        forge,
        gitlab={"graphql 200": 7},
        forgejo={"repository 200": 7, "git 200": 1},  # of the first day: the last push was too young to be relied on
        bitbucket={"repository 200": 7, "git 200": 7, "forks 200": 1, "watchers 200": 1},
    )


async def test_a_push_is_read_over_git(forge: Forge) -> None:
    """Known people cost the new commits alone."""
    await forge.day()
    push(forge.world, forge.address, Push(commits=4, login="bob"))
    cost = await forge.day()
    forge.is_true()

    assert (
        cost.items()
        >= of(
            forge,
            gitlab={"git 200": 1, "graphql 200": 2},
            forgejo={"git 200": 2, "repository 200": 1, "commits 200": 1},
            bitbucket={"git 200": 2, "repository 200": 1},
        ).items()
    )


async def test_a_new_author_is_named(forge: Forge) -> None:
    """By the account where the forge has one, otherwise by name."""
    await forge.day()
    push(forge.world, forge.address, Push(commits=9, login="dan"))
    await forge.day()

    forge.is_true()
    assert forge.people()[0].lower() == "dan"


async def test_a_forced_push_counts_again(forge: Forge) -> None:
    """The weeks and people are those of the branch as it is now."""
    await forge.day()
    force_push(forge.world, forge.address, dropped=3, commits=1)
    await forge.day()

    forge.is_true()


@pytest.mark.parametrize(("owner", "name"), [(None, "beta"), ("team", "alpha")])
async def test_renames_and_transfers_are_followed(forge: Forge, owner: str | None, name: str) -> None:
    """By the forge's id, in the request that the day has anyway."""
    await forge.day()
    rename(forge.world, forge.address, name, owner)
    push(forge.world, f"{forge.host}/{owner or 'ann'}/{name}")
    cost = await forge.day()
    package, now = forge.running.get("alpha"), repository_of(forge.world, f"{forge.host}/{owner or 'ann'}/{name}")

    assert package.stats is not None
    assert now.history.tip is not None
    assert (package.stats.full_name, package.stats.head_oid) == (now.full_name, now.history.tip.oid)
    assert cost.get("repository 200", cost.get("graphql 200", 0) - 1) == 1  # GitLab's other query is for accounts
    assert not [route for route in cost if route.endswith(("307", "404"))]


async def test_a_missing_repository_keeps_its_values(forge: Forge) -> None:
    """Private first, then deleted, then another one under its name: nothing of it is taken over."""
    await forge.day()
    before = forge.running.get("alpha")
    set_facts(forge.world, forge.address, Facts(private=True))
    await forge.day()
    assert forge.running.state("alpha", REPOSITORY).outcome is OutcomeKind.GONE
    delete(forge.world, forge.address)
    recreate(forge.world, forge.address)
    forge.running.tomorrow(3)
    await forge.running.work()
    after = forge.running.get("alpha")

    assert forge.running.state("alpha", REPOSITORY).outcome is OutcomeKind.REPLACED
    assert (after.stats, after.observed.participants) == (before.stats, before.observed.participants)


async def test_an_emptied_repository_has_no_commits(forge: Forge) -> None:
    """It has 52 zeros and no contributor, which is no fault; later commits count."""
    await forge.day()
    empty(forge.world, forge.address)
    forge.world.put_repository(touched(forge))
    await forge.day()
    forge.is_true()
    assert forge.running.state("alpha", COMMITS).failures == 0
    push(forge.world, forge.address, Push(login="ann"))
    await forge.day()

    forge.is_true()


def touched(forge: Forge) -> Repository:
    """Return the repository with a push of now: the deletion of a branch is a push as well."""
    return replace(repository_of(forge.world, forge.address), pushed_at=forge.running.clock.now())


async def test_a_blocked_repository_keeps_its_values(forge: Forge) -> None:
    """A takedown is shown as such, and ends by itself."""
    await forge.day()
    set_block(forge.world, forge.address, Block.LEGAL)
    await forge.day()
    hidden = OutcomeKind.GONE if forge.kind == "gitlab" else OutcomeKind.BLOCKED  # GitLab shows no reason
    assert forge.running.state("alpha", REPOSITORY).outcome is hidden
    set_block(forge.world, forge.address, None)
    forge.running.tomorrow(2)
    await forge.running.work()

    forge.is_true()


async def test_an_archived_repository_is_archived(forge: Forge) -> None:
    """GitLab and Forgejo state it; Bitbucket has no such flag."""
    set_facts(forge.world, forge.address, Facts(archived=True))
    await forge.day()
    stats = forge.running.get("alpha").stats

    assert stats is not None
    assert stats.archived is (forge.kind != "bitbucket")


async def test_a_repository_of_sha256_objects(forge: Forge) -> None:
    """Its ids have 64 digits, which no request has to be told in advance."""
    name = f"{forge.host}/ann/beta"
    made = replace(plain_repository(forge.world, forge.host, "beta"), object_format="sha256")
    forge.world.put_repository(made)
    push(forge.world, name, Push(commits=3, login="ann"))
    forge.running.add("ann/beta", host=forge.host)
    await forge.running.work()
    push(forge.world, name, Push(commits=2, login="bob"))
    await forge.day()
    package, true = forge.running.get("beta"), repository_of(forge.world, name)

    assert true.history.tip is not None
    assert package.stats is not None
    assert package.stats.head_oid == true.history.tip.oid
    assert len(true.history.tip.oid) == 64
    assert package.commit_days is not None
    assert package.commit_days.total == 5


async def test_a_batch_of_slow_histories_ends_in_time(tmp_path: Path) -> None:
    """Histories that take four seconds each are begun for ten seconds. The rest is read by the following batches."""
    kind, mount, host = KINDS["gitlab"]
    clock = StoppedClock()
    world = World(clock)
    names = [f"p{number}" for number in range(12)]
    for name in names:
        push(world, plain_repository(world, host, name).address, Push(commits=2, login="ann", age=20 * DAY))
    service = Service(world, Settings(limits=Limits(enforced=False)), (mount,))
    transport = SimulatorTransport(service, None)
    packs = 0

    def slowly(request: Request) -> None:
        nonlocal packs
        if request.route == PACK:
            packs += 1
            clock.advance(timedelta(seconds=4))

    transport.interfere = slowly
    root = service.address(mount.name, SimulatorTransport.root)
    upstream = HostedForge(ForgeHost(host, host, kind.kind, root, root, trusted=True), kind, NO_LIMITS, any_path)
    async with opened(tmp_path, (upstream,), transport, clock) as running:
        running.add(*(f"ann/{name}" for name in names), host=host)
        begun, most = 0, 3 + MOST_CONCURRENT
        while claims := await running.assembly.dispatcher.claims():
            for claim in claims:
                with deadline(clock.now() + timedelta(seconds=10)):
                    await running.assembly.service.refresh(claim, Purpose.BACKGROUND)
                assert packs - begun <= most
                begun = packs
        assert packs == len(names)
        assert all(running.get(name).commit_days is not None for name in names)
    await transport.aclose()


async def test_a_private_project_of_a_member(tmp_path: Path) -> None:
    """A member's token shows its facts. Git's requests carry no token, so its commits follow when it is public."""
    clock = StoppedClock()
    world = World(clock)
    made = set_facts(world, plain_repository(world, "gitlab.com").address, Facts(private=True))
    push(world, made.address, Push(login="ann"))
    mount = GitLabMount()
    service = Service(world, Settings(limits=Limits(enforced=False)), (mount,))
    root = service.address(mount.name, SimulatorTransport.root)
    host = ForgeHost("gitlab.com", "gitlab.com", GITLAB.kind, root, root, trusted=True)
    transport = SimulatorTransport(service, TOKEN, host.name)
    async with opened(tmp_path, (HostedForge(host, GITLAB, NO_LIMITS, any_path),), transport, clock) as running:
        running.add("ann/alpha", host=host.host)
        await running.work()
        private = running.get("alpha")
        outcomes = [running.state("alpha", source).outcome for source in (REPOSITORY, COMMITS, CONTRIBUTORS)]
        set_facts(world, made.address, Facts(private=False))
        running.tomorrow(3)
        await running.work()
        public = running.get("alpha")
    await transport.aclose()

    assert private.stats is not None
    assert (private.stats.stars, private.commit_days) == (made.stars, None)
    assert outcomes == [OutcomeKind.FETCHED, OutcomeKind.GONE, OutcomeKind.GONE]
    assert public.commit_days is not None
    assert sum(rolling_weeks(public.commit_days, clock.today())) == 1
