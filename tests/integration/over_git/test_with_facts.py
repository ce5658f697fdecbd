"""Facts of a forge's API and commits over git, together: requests that are saved, and failures of one of both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fetcher.domain.model import OutcomeKind, Purpose, Source, Target
from fetcher.domain.outcome import Deferred, Fetched, Outcome, Transient
from fetcher.http.gateway import Gateway
from fetcher.upstreams.base import Tools
from fetcher.upstreams.hosted.base import FactsReader, ForgeFacts, ForgeHost, ForgeKind
from fetcher.upstreams.hosted.git_only import GIT_ONLY
from tests.harness.clock import NOW
from tests.harness.git_histories import ANN, BOB, Pen
from tests.harness.git_server import GitServer, Repository
from tests.harness.over_git import OverGit, over_git

FACTS = ForgeFacts(
    repository_id="7",
    full_name="team/alpha",
    stars=5,
    forks=None,
    watchers=3,
    description="An example",
    archived=False,
    disabled=False,
    empty=False,
    default_branch="main",
    head_oid=None,
    head_committed_at=None,
    pushed_at=None,
)


@dataclass
class Stated(FactsReader):
    """An API that states what a test sets."""

    facts_now: ForgeFacts = FACTS
    logins: Outcome[Mapping[str, str]] = field(default_factory=lambda: Fetched({}))

    async def facts(
        self, targets: Sequence[Target], gateway: Gateway, purpose: Purpose
    ) -> Mapping[int, Outcome[ForgeFacts]]:
        return {target.package_id: Fetched(self.facts_now) for target in targets}

    async def accounts(
        self, target: Target, gateway: Gateway, purpose: Purpose, *, since: str | None = None
    ) -> Outcome[Mapping[str, str]]:
        return self.logins


@dataclass
class WithFacts:
    """The refresh, the repository and the API's statements."""

    git: OverGit
    pen: Pen
    api: Stated
    server: GitServer

    def pushed(self, at: datetime) -> None:
        """Let the API state the time of the last push."""
        self.api.facts_now = replace(self.api.facts_now, pushed_at=at)

    async def work(self) -> list[str]:
        """Refresh and return the commands that were sent over git."""
        self.server.requests.clear()
        await self.git.work()
        commands = (body.partition(b"command=")[2].partition(b"\n")[0].decode() for _, _, body in self.server.requests)
        return [command for command in commands if command]


@pytest.fixture
async def hosted(tmp_path: Path, server: GitServer) -> AsyncIterator[WithFacts]:
    """Serve one repository of two commits on a forge with an API."""
    api = Stated()

    def connect(host: ForgeHost, tools: Tools) -> FactsReader:
        return api

    kind = replace(GIT_ONLY, kind=ForgeKind.FORGEJO, connect=connect, clone_suffix=".git")
    (server.root / "team").mkdir()
    pen = Pen(Repository.create(server.root / "team" / "alpha.git"))
    pen.commit(BOB, NOW - timedelta(days=9))
    pen.commit(ANN, NOW - timedelta(days=8))
    async with over_git(tmp_path, server.url, kind) as git:
        git.add("team/alpha")
        yield WithFacts(git, pen, api, server)


async def test_facts_and_commits_are_stored_together(hosted: WithFacts) -> None:
    """Values that the forge does not state are empty, not zero."""
    assert await hosted.work() == ["ls-refs", "fetch"]
    package = hosted.git.get("alpha")
    assert (package.observed.repo_watchers, package.observed.repo_forks) == (5, None)
    assert package.observed.repo_description == "An example"
    assert package.observed.participants == ("Ann", "Bob Ö.")
    assert package.observed.last_fetched == hosted.git.clock.now()


async def test_an_unchanged_time_of_the_last_push_saves_the_head(hosted: WithFacts) -> None:
    """While it stays, nothing is requested over git; once it moves, the head is."""
    hosted.pushed(NOW - timedelta(days=8))
    await hosted.work()
    hosted.git.tomorrow()
    assert await hosted.work() == []
    assert hosted.git.get("alpha").observed.last_fetched == hosted.git.clock.now()
    hosted.git.tomorrow()
    hosted.pushed(hosted.git.clock.now() - timedelta(hours=1))
    assert await hosted.work() == ["ls-refs"]


async def test_a_recent_push_is_not_relied_on(hosted: WithFacts) -> None:
    """A second push within the same second would not show, so the head is requested once more."""
    hosted.pushed(NOW - timedelta(seconds=1))
    await hosted.work()
    hosted.git.tomorrow()
    assert await hosted.work() == ["ls-refs"]
    hosted.git.tomorrow()
    assert await hosted.work() == []


async def test_a_stated_head_saves_its_request(hosted: WithFacts) -> None:
    """A forge that states the head is not asked for it over git."""
    hosted.api.facts_now = replace(FACTS, head_oid=hosted.pen.tip(), head_committed_at=NOW - timedelta(days=8))
    assert await hosted.work() == ["fetch"]
    hosted.git.tomorrow()
    assert await hosted.work() == []


async def test_facts_are_kept_if_git_is_refused(hosted: WithFacts) -> None:
    """Stars are fresh, the head stays as it was, and its sources fail until the repository responds."""
    hosted.pushed(NOW - timedelta(days=8))
    await hosted.work()
    path = hosted.pen.repository.path
    hidden = path.rename(path.with_name("hidden"))
    hosted.git.tomorrow()
    hosted.api.facts_now = replace(hosted.api.facts_now, stars=6, pushed_at=hosted.git.clock.now())
    await hosted.work()
    package = hosted.git.get("alpha")
    assert package.observed.repo_watchers == 6
    assert package.observed.participants == ("Ann", "Bob Ö.")
    assert package.states[Source.REPOSITORY].outcome is OutcomeKind.FETCHED
    assert package.states[Source.COMMITS].outcome is OutcomeKind.GONE
    assert package.states[Source.COMMITS].due_at is None
    hidden.rename(path)
    hosted.git.tomorrow()
    assert await hosted.work() == ["ls-refs"]
    assert hosted.git.state("alpha", Source.COMMITS).failures == 0


async def test_accounts_name_people(hosted: WithFacts) -> None:
    """Logins by oid replace names; new commits of the same people are added."""
    tip = hosted.pen.tip()
    assert tip is not None
    hosted.api.logins = Fetched({tip: "ann-of-the-forge"})
    await hosted.work()
    assert hosted.git.get("alpha").observed.participants == ("ann-of-the-forge", "Bob Ö.")
    hosted.git.tomorrow()
    tip = hosted.pen.commit(ANN, hosted.git.clock.now())
    hosted.api.logins = Fetched({tip: "ann-of-the-forge"})
    assert await hosted.work() == ["ls-refs", "fetch"]
    assert hosted.git.get("alpha").observed.participants == ("ann-of-the-forge", "Bob Ö.")


@pytest.mark.parametrize("outcome", [Transient("down"), Deferred(NOW + timedelta(hours=1), "quota")])
async def test_unknown_accounts_do_not_lose_the_weeks(hosted: WithFacts, outcome: Outcome[Mapping[str, str]]) -> None:
    """If the accounts cannot be requested, contributors wait; the weeks of the same commits are stored."""
    hosted.api.logins = outcome
    await hosted.work()
    package = hosted.git.get("alpha")
    assert package.commit_days is not None
    assert package.commit_days.total == 2
    assert package.observed.participants is None
    hosted.api.logins = Fetched({})
    hosted.git.clock.advance(timedelta(hours=2))
    await hosted.work()
    assert hosted.git.get("alpha").observed.participants == ("Ann", "Bob Ö.")


async def test_another_repository_under_the_name(hosted: WithFacts) -> None:
    """Nothing is taken over from a repository with another id, and nothing of it is read over git."""
    await hosted.work()
    hosted.git.tomorrow()
    hosted.api.facts_now = replace(FACTS, repository_id="8", stars=1_000)
    assert await hosted.work() == []
    assert hosted.git.state("alpha", Source.REPOSITORY).outcome is OutcomeKind.REPLACED
    assert hosted.git.get("alpha").observed.repo_watchers == 5
