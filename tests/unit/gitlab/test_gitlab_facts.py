"""The facts of GitLab, requested from the simulator: in batches, and after every change of a project."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from fetcher.domain.model import Purpose, RepoRef, Target
from fetcher.domain.outcome import Deferred, Fetched, Gone, Malformed, Overloaded, Throttled, Transient, Unauthorized
from fetcher.http.deadline import deadline
from fetcher.http.messages import Answer, Request
from fetcher.simulator.changes import Facts, Push, delete, empty, push, recreate, rename, set_block, set_facts
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.repository import Block, Repository
from fetcher.simulator.upstreams.gitlab.mount import GitLabMount
from fetcher.simulator.upstreams.gitlab.settings import GitLab
from fetcher.simulator.upstreams.gitlab.views import NUMBERED_FROM
from fetcher.simulator.upstreams.registry import Settings
from fetcher.upstreams.gitlab.facts import FIRST_SIZE, GitLabFacts
from fetcher.upstreams.hosted.base import ForgeKind
from tests.harness.clock import NOW
from tests.harness.facts import FactsHarness, facts_harness

HOST = "gitlab.example"
SECOND = timedelta(seconds=1)


@pytest.fixture(params=[False, True], ids=["newer", "older"])
async def forge(request: pytest.FixtureRequest) -> AsyncIterator[FactsHarness]:
    """Provide a GitLab of today, and one whose schema lacks the newer fields."""
    settings = Settings(gitlab=GitLab(older=request.param))
    async with facts_harness(
        GitLabMount(HOST), ForgeKind.GITLAB, HOST, lambda host, _: GitLabFacts(host), settings
    ) as harness:
        yield harness


@pytest.fixture
async def plain() -> AsyncIterator[FactsHarness]:
    async with facts_harness(GitLabMount(HOST), ForgeKind.GITLAB, HOST, lambda host, _: GitLabFacts(host)) as harness:
        yield harness


def add(forge: FactsHarness, path: str) -> Target:
    """Add a repository at a path, and return its package."""
    owner, _, name = path.rpartition("/")
    number = forge.world.new_repository_id()
    forge.world.put_repository(
        Repository(database_id=number, host=HOST, owner=owner, name=name, created_at=NOW, pushed_at=NOW)
    )
    push(forge.world, f"{HOST}/{path}", Push(login="bob"))
    return replace(forge.target(path), package_id=number)


async def number_of(forge: FactsHarness) -> str:
    """Return the number that a first request finds."""
    found = await forge.facts(forge.target())
    assert isinstance(found, Fetched)
    assert found.value.repository_id is not None
    forge.requests()
    return found.value.repository_id


async def test_facts_are_those_of_the_project(forge: FactsHarness) -> None:
    """Stars are stars; the head comes with the batch, whatever the age of the server; case is ignored."""
    found = await forge.facts(forge.target("Ann/ALPHA"))
    tip = forge.repository.history.tip

    assert tip is not None
    assert isinstance(found, Fetched)
    facts = found.value
    assert (facts.full_name, facts.stars, facts.forks, facts.watchers) == ("ann/alpha", 7, 3, None)
    assert (facts.description, facts.archived, facts.disabled, facts.empty) == (
        "A forge's package",
        False,
        False,
        False,
    )
    assert (facts.default_branch, facts.head_oid, facts.head_committed_at) == ("main", tip.oid, tip.committed_at)
    assert facts.repository_id == str(forge.repository.database_id - NUMBERED_FROM)


async def test_an_older_server_is_learnt_once(forge: FactsHarness) -> None:
    """Fields that it lacks are left out after one refusal each, and never requested again."""
    await forge.facts(forge.target())
    first = sum(forge.requests().values())
    await forge.facts(forge.target())

    assert first in {1, 3}
    assert forge.requests() == {"graphql 200": 1}


async def test_many_projects_share_a_query(plain: FactsHarness) -> None:
    """Paths of any depth are read together, and later by their numbers; the size of the batches grows."""
    targets = [add(plain, f"group/team-{at}/{'sub/' * (at % 18)}package-{at}") for at in range(120)]
    first = await plain.reader.facts(targets, plain.gateway, Purpose.BACKGROUND)
    by_path = plain.requests()
    numbered = [
        replace(one, repository_id=found.value.repository_id)
        for one in targets
        if isinstance(found := first[one.package_id], Fetched)
    ]
    second = await plain.reader.facts(numbered, plain.gateway, Purpose.BACKGROUND)

    assert len(numbered) == 120
    assert {one.package_id: str(one.package_id - NUMBERED_FROM) for one in numbered} == {
        one.package_id: one.repository_id for one in numbered
    }
    assert first == second
    assert by_path == {"graphql 200": 4}  # 25, 37, 50, 8
    assert plain.requests() == {"graphql 200": 4}  # 25, 37, 55, 3


@pytest.mark.parametrize(("owner", "name"), [(None, "beta"), ("team/sub", "alpha"), ("team", "beta")])
async def test_renames_and_transfers_are_followed(plain: FactsHarness, owner: str | None, name: str) -> None:
    """By number at once; a former path is absent from GraphQL, and REST redirects it to the number."""
    number = await number_of(plain)
    rename(plain.world, plain.address, name, owner)
    by_number = await plain.facts(plain.target(repository_id=number))
    direct = plain.requests()
    by_path = await plain.facts(plain.target())

    assert isinstance(by_number, Fetched)
    assert isinstance(by_path, Fetched)
    assert by_number.value.full_name == by_path.value.full_name == f"{owner or 'ann'}/{name}"
    assert by_path.value.repository_id == number
    assert by_path.value.head_oid is None  # REST does not state it: git does
    assert direct == {"graphql 200": 1}
    assert plain.requests() == {"graphql 200": 1, "project 200": 1, "project 301": 1}


async def test_a_recreated_project_has_another_number(plain: FactsHarness) -> None:
    """After a deletion its path is requested as well, and shows the project that took the name."""
    number = await number_of(plain)
    recreate(plain.world, plain.address)
    found = await plain.facts(plain.target(repository_id=number))

    assert isinstance(found, Fetched)
    assert found.value.repository_id not in {None, number}


@pytest.mark.parametrize("hide", ["private", "deleted", "taken down"])
async def test_a_hidden_project_is_gone(plain: FactsHarness, hide: str) -> None:
    """GitLab shows a private, a deleted and a blocked project alike: it is absent, and REST says 404."""
    number = await number_of(plain)
    match hide:
        case "private":
            set_facts(plain.world, plain.address, Facts(private=True))
        case "deleted":
            delete(plain.world, plain.address)
        case _:
            set_block(plain.world, plain.address, Block.LEGAL)
    found = await plain.facts(plain.target(repository_id=number))

    assert found == Gone(f"{HOST} answers 404: deleted, private, or misspelt")
    assert plain.requests() == {"graphql 200": 1, "project 404": 1}


async def test_one_absent_project_does_not_disturb_the_others(plain: FactsHarness) -> None:
    """Projects are found by their own number or path, because their order is not that of the request."""
    targets = [add(plain, f"group/package-{at}") for at in range(3)]
    delete(plain.world, f"{HOST}/group/package-1")
    found = await plain.reader.facts(targets, plain.gateway, Purpose.BACKGROUND)
    names = [one.value.full_name if isinstance(one, Fetched) else None for one in found.values()]

    assert names == ["group/package-0", None, "group/package-2"]


async def test_archived_empty_and_doomed_projects(plain: FactsHarness) -> None:
    """All are fetched and say so; a project that is marked for deletion counts as disabled."""
    set_facts(plain.world, plain.address, Facts(archived=True, disabled=True))
    empty(plain.world, plain.address)
    found = await plain.facts(plain.target())

    assert isinstance(found, Fetched)
    facts = found.value
    assert (facts.archived, facts.disabled, facts.empty, facts.head_oid) == (True, True, True, None)


async def test_accounts_come_with_the_commits(plain: FactsHarness) -> None:
    """One request names the accounts of the newest commits; an author without an account is absent."""
    push(plain.world, plain.address, Push(anonymous=True))
    push(plain.world, plain.address, Push(login="cyd", commits=2))
    number = await number_of(plain)
    tip = plain.repository.history.tip
    assert tip is not None
    target = plain.target(repository_id=number, head_oid=tip.oid)
    found = await plain.reader.accounts(target, plain.gateway, Purpose.BACKGROUND)
    commits = plain.repository.history.commits()

    assert found == Fetched({one.oid: one.author.login for one in commits if one.author.login})
    assert plain.requests() == {"graphql 200": 1}


async def test_accounts_of_an_unknown_project_cost_nothing(plain: FactsHarness) -> None:
    """Without a number there is nothing to request."""
    assert await plain.reader.accounts(plain.target(), plain.gateway, Purpose.BACKGROUND) == Fetched({})
    assert plain.requests() == {}


async def test_limits_and_blocked_addresses_pause_the_host(plain: FactsHarness) -> None:
    """A 429 and an address's block are plain text; both pause the host and are no failure of a package."""
    plain.service.state.faults.add(Rule(kind=Kind.STATUS, status=429, retry_after=30, times=1))
    plain.service.state.faults.add(Rule(kind=Kind.STATUS, status=403, times=1))
    limited = await plain.facts(plain.target())
    blocked = await plain.facts(plain.target())

    assert isinstance(limited, Throttled)
    assert limited.retry_after is not None
    assert isinstance(blocked, Throttled)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(kind=Kind.STATUS, status=401), Unauthorized),
        (Rule(kind=Kind.STATUS, status=503), Transient),
        (Rule(kind=Kind.STATUS, status=504), Overloaded),
        (Rule(kind=Kind.RESOURCE_LIMITS), Overloaded),
        (Rule(kind=Kind.HTML), Malformed),
        (Rule(kind=Kind.WRONG_SHAPE), Malformed),
    ],
)
async def test_faults_are_outcomes(plain: FactsHarness, rule: Rule, expected: type) -> None:
    """Each fault has one outcome, and one request for a single project."""
    plain.service.state.faults.add(rule)

    assert isinstance(await plain.facts(plain.target()), expected)
    assert sum(plain.requests().values()) == 1


async def test_many_absent_projects_end_with_the_time_of_their_batch(
    plain: FactsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is one request over REST; those that the batch has no time for wait, and are no failures."""
    send = plain.transport.send

    async def slow(request: Request) -> Answer:
        plain.clock.advance(SECOND)
        return await send(request)

    monkeypatch.setattr(plain.transport, "send", slow)
    targets = [replace(plain.target(f"group/gone-{at}"), package_id=at) for at in range(20)]
    with deadline(plain.clock.now() + 10 * SECOND):
        found = await plain.reader.facts(targets, plain.gateway, Purpose.BACKGROUND)

    assert {type(one) for one in found.values()} == {Gone, Deferred}


@pytest.mark.parametrize("kind", [Kind.PARTIAL_ERROR, Kind.OMIT])
async def test_a_project_that_does_not_come_back_is_requested_by_itself(plain: FactsHarness, kind: Kind) -> None:
    """Its absence is no proof that it is gone: REST decides, and leaves the head to git."""
    targets = [add(plain, f"group/package-{at}") for at in range(3)]
    plain.service.state.faults.add(Rule(kind=kind, package="group/package-1", route="graphql"))
    found = await plain.reader.facts(targets, plain.gateway, Purpose.BACKGROUND)
    heads = [one.value.head_oid is not None if isinstance(one, Fetched) else None for one in found.values()]

    assert heads == [True, False, True]
    assert plain.requests() == {"graphql 200": 1, "project 200": 1}


async def test_an_excessive_query_is_halved(plain: FactsHarness) -> None:
    """While GitLab times out for more than ten projects, the batches shrink until each has its facts."""
    targets = [add(plain, f"group/package-{at}") for at in range(30)]
    plain.service.state.faults.add(Rule(kind=Kind.STATUS, status=504, more_than=10))
    found = await plain.reader.facts(targets, plain.gateway, Purpose.BACKGROUND)
    reader = plain.reader

    assert all(isinstance(one, Fetched) for one in found.values())
    assert isinstance(reader, GitLabFacts)
    assert reader.by_path.size < FIRST_SIZE


async def test_a_token_is_required_where_the_host_says_so() -> None:
    """Without one, a host that serves members only rejects the request."""
    settings = Settings(gitlab=GitLab(sign_in=True))
    async with facts_harness(
        GitLabMount(HOST), ForgeKind.GITLAB, HOST, lambda host, _: GitLabFacts(host), settings
    ) as forge:
        assert isinstance(await forge.facts(forge.target()), Unauthorized)


async def test_a_package_without_an_address_is_left_out(plain: FactsHarness) -> None:
    """It has neither a number nor a path, so there is nothing to request."""
    blank = replace(plain.target(), repo=None)
    by_number = replace(plain.target(repository_id=await number_of(plain)), repo=RepoRef(HOST, "ann/alpha"))

    assert await plain.reader.facts([blank], plain.gateway, Purpose.BACKGROUND) == {}
    assert list(await plain.reader.facts([by_number], plain.gateway, Purpose.BACKGROUND)) == [1]
