"""GitHub's commits over git (``FETCHER_GITHUB_COMMITS=git``), with and without a token."""

from __future__ import annotations

import pytest

from fetcher.domain.model import OutcomeKind, Purpose
from fetcher.http.messages import Answer, Fault, NoAnswer, Request
from fetcher.simulator.changes import Push, force_push, push
from fetcher.simulator.upstreams.github.credentials import DEFAULT_TOKEN
from tests.component.refresh.conftest import Build
from tests.component.refresh.truth import COMMITS, REPOSITORY, first_pass, is_true, weeks


async def test_without_a_token_a_first_pass(build: Build) -> None:
    """One request over REST returns the repository, and one its contributors; head and commits come over git."""
    harness = await build(token=None, commits="git")
    harness.make("alpha")
    harness.add("alpha")
    await harness.work()
    assert harness.requests() == {"repository": 1, "contributors": 1, "git": 3, "git_refs": 1}
    is_true(harness, "alpha")
    package = harness.get("alpha")
    assert package.stats is not None
    assert package.stats.head_oid is not None
    assert package.observed.last_updated == package.stats.head_committed_at is not None


async def test_without_a_token_a_moved_head(build: Build) -> None:
    """The new commits alone are read, and counted on the day after."""
    harness = await build(token=None, commits="git")
    await first_pass(harness, "alpha")
    harness.tomorrow()
    push(harness.world, "octo/alpha", Push(login="ann"))
    await harness.work()
    requests = harness.requests()
    assert {name: number for name, number in requests.items() if name != "contributors"} == {"repository": 1, "git": 3}
    is_true(harness, "alpha")
    harness.tomorrow()
    await harness.work()
    assert sum(weeks(harness, "alpha")) == 4
    is_true(harness, "alpha")


@pytest.mark.parametrize("token", [None, DEFAULT_TOKEN])
async def test_a_forced_push(build: Build, token: str | None) -> None:
    """Commits that a forced push removed are no longer counted."""
    harness = await build(token=token, commits="git")
    await first_pass(harness, "alpha")
    harness.tomorrow()
    force_push(harness.world, "octo/alpha", dropped=2)
    await harness.work()
    is_true(harness, "alpha")


async def test_with_a_token(build: Build) -> None:
    """Statistics come over GraphQL and contributors over REST; commits spend no points."""
    harness = await build(commits="git")
    harness.make("alpha")
    harness.add("alpha")
    await harness.work()
    requests = harness.requests()
    assert "history" not in requests
    assert requests["git"] == 1
    is_true(harness, "alpha")
    assert {one.resource for one in harness.quota.requests} == {"graphql", "core", "git"}


async def test_git_requests_carry_no_credential(build: Build) -> None:
    """The token goes to the API alone, and git's User-Agent begins as git's own does."""
    harness = await build(commits="git")
    seen: list[Request] = []

    def watch(request: Request) -> Answer | None:
        seen.append(request)
        return None

    harness.transport.interfere = watch
    await first_pass(harness, "alpha")
    over_git = [request for request in seen if request.resource == "git"]
    assert over_git
    assert all(request.anonymous and request.user_agent_prefix.startswith("git/") for request in over_git)
    assert not any(request.anonymous for request in seen if request.resource != "git")


async def test_lists_wait_for_the_repositories(build: Build) -> None:
    """Without a token, no list of contributors is claimed while a repository is due."""
    harness = await build(token=None, commits="git")
    for number in range(5):
        harness.make(f"p{number}")
        harness.add(f"p{number}")
    harness.quota.room = 2
    claims = await harness.dispatcher.claims()
    assert [claim.sources for claim in claims] == [(REPOSITORY,)]
    for claim in claims:
        await harness.refresh_service.refresh(claim, Purpose.BACKGROUND)
    claims = await harness.dispatcher.claims()
    assert [claim.sources for claim in claims] == [(COMMITS,), (REPOSITORY,)]


async def test_a_year_too_large_comes_from_participation(build: Build) -> None:
    """If git's response exceeds the limit, the weeks are requested over REST."""

    def too_large(request: Request) -> Answer | None:
        is_year = b"deepen-since" in (request.body or b"")
        return NoAnswer(Fault.TOO_LARGE, "larger than the limit") if is_year else None

    harness = await build(token=None, commits="git")
    harness.transport.interfere = too_large
    harness.make("alpha")
    harness.add("alpha")
    await harness.work()
    assert harness.log.count("participation", 200) == 1
    assert harness.state("alpha", COMMITS).outcome is OutcomeKind.FETCHED
