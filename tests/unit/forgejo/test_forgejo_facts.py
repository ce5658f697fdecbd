"""The facts of Forgejo, requested from the simulator: by path, by number, and after every change of a repository."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from fetcher.domain.model import Purpose
from fetcher.domain.outcome import Blocked, Fetched, Gone, Malformed, Throttled, Unauthorized
from fetcher.http.messages import Response
from fetcher.simulator.changes import Facts, Push, delete, empty, push, recreate, rename, set_block, set_facts
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.repository import Block
from fetcher.simulator.upstreams.forgejo.mount import ForgejoMount
from fetcher.simulator.upstreams.forgejo.settings import Forgejo
from fetcher.simulator.upstreams.registry import Settings
from fetcher.upstreams.forgejo.facts import ForgejoFacts
from fetcher.upstreams.forgejo.kind import FORGEJO
from fetcher.upstreams.hosted.base import ForgeKind
from fetcher.upstreams.hosted.policies import policy_of
from fetcher.upstreams.hosted.upstream import HostedForge
from tests.harness.clock import HOUR, NOW
from tests.harness.facts import FactsHarness, facts_harness
from tests.harness.over_git import any_path

HOST = "forge.example"


@pytest.fixture
async def forge() -> AsyncIterator[FactsHarness]:
    async with facts_harness(
        ForgejoMount(HOST), ForgeKind.FORGEJO, HOST, lambda host, _: ForgejoFacts(host)
    ) as harness:
        yield harness


async def test_facts_are_those_of_the_repository(forge: FactsHarness) -> None:
    """Stars are stars, not watchers; the head is left to git, and the time of the last push is the gate."""
    found = await forge.facts(forge.target("Ann/ALPHA"))

    assert isinstance(found, Fetched)
    facts = found.value
    assert (facts.full_name, facts.stars, facts.forks, facts.watchers) == ("ann/alpha", 7, 3, 5)
    assert (facts.description, facts.archived, facts.disabled, facts.empty) == (
        "A forge's package",
        False,
        False,
        False,
    )
    assert (facts.default_branch, facts.head_oid, facts.pushed_at) == ("main", None, NOW)
    assert forge.requests() == {"repository 200": 1}


async def test_a_known_repository_costs_one_request(forge: FactsHarness) -> None:
    """It is requested by number, and the gate moves with a push only, not with a star."""
    number = await forge.known_id()
    forge.clock.advance(HOUR)
    set_facts(forge.world, forge.address, Facts(stars=8))
    starred = await forge.facts(forge.target(repository_id=number, default_branch="main"))
    push(forge.world, forge.address)
    pushed = await forge.facts(forge.target(repository_id=number, default_branch="main"))

    assert isinstance(starred, Fetched)
    assert isinstance(pushed, Fetched)
    assert (starred.value.stars, starred.value.pushed_at, pushed.value.pushed_at) == (8, NOW, NOW + HOUR)
    assert forge.requests() == {"repository 200": 2}


@pytest.mark.parametrize(("owner", "name"), [(None, "beta"), ("team", "alpha"), ("team", "beta")])
async def test_renames_and_transfers_are_followed(forge: FactsHarness, owner: str | None, name: str) -> None:
    """By number without a redirect; by its old path with one (307)."""
    number = await forge.known_id()
    rename(forge.world, forge.address, name, owner)
    by_number = await forge.facts(forge.target(repository_id=number))
    direct = forge.requests()
    by_path = await forge.facts(forge.target())

    assert isinstance(by_number, Fetched)
    assert by_number.value.full_name == f"{owner or 'ann'}/{name}"
    assert by_path == by_number
    assert direct == {"repository 200": 1}
    assert forge.requests() == {"repository 200": 1, "repository 307": 1}


async def test_a_recreated_repository_has_another_number(forge: FactsHarness) -> None:
    """After a deletion the path is requested as well: it shows the repository that took the name."""
    number = await forge.known_id()
    recreate(forge.world, forge.address)
    found = await forge.facts(forge.target(repository_id=number))

    assert isinstance(found, Fetched)
    assert found.value.repository_id not in {None, number}
    assert forge.requests() == {"repository 200": 1, "repository 404": 1}


async def test_a_missing_and_a_private_repository_are_gone(forge: FactsHarness) -> None:
    """Both are a 404 by number and by path."""
    number = await forge.known_id()
    set_facts(forge.world, forge.address, Facts(private=True))
    private = await forge.facts(forge.target(repository_id=number))
    delete(forge.world, forge.address)
    missing = await forge.facts(forge.target(repository_id=number))

    assert isinstance(private, Gone)
    assert missing == Gone(f"{HOST} answers 404: deleted, private, or misspelt")
    assert forge.requests() == {"repository 404": 4}


async def test_blocked_archived_and_empty_repositories(forge: FactsHarness) -> None:
    """A takedown blocks; an archived and an empty repository are fetched, and say so."""
    set_facts(forge.world, forge.address, Facts(archived=True))
    empty(forge.world, forge.address)
    bare = await forge.facts(forge.target())
    people = await forge.reader.accounts(forge.target(), forge.gateway, Purpose.BACKGROUND)
    set_block(forge.world, forge.address, Block.LEGAL)
    taken_down = await forge.facts(forge.target())
    set_block(forge.world, forge.address, Block.TERMS)
    refused = await forge.facts(forge.target())

    assert isinstance(bare, Fetched)
    assert (bare.value.archived, bare.value.empty) == (True, True)
    assert people == Fetched({})
    assert isinstance(taken_down, Blocked)
    assert isinstance(refused, Blocked)
    assert forge.requests()["commits 409"] == 1


async def test_accounts_come_with_the_newest_commits(forge: FactsHarness) -> None:
    """One request names the login of each commit whose address the instance knows."""
    push(forge.world, forge.address, Push(commits=60, login="bob"))
    push(forge.world, forge.address, Push(anonymous=True))
    named = await forge.reader.accounts(forge.target(), forge.gateway, Purpose.BACKGROUND)
    commits = forge.repository.history.commits()

    assert isinstance(named, Fetched)
    assert named.value == {one.oid: "bob" for one in commits[-50:-1]}
    assert forge.requests() == {"commits 200": 1}


async def test_accounts_of_the_commits_since_another(forge: FactsHarness) -> None:
    """A push of two commits costs the instance two, not a page; a push meanwhile does not shift them."""
    old = forge.repository.history.tip
    push(forge.world, forge.address, Push(commits=2, login="bob"))
    head = forge.repository.history.tip
    push(forge.world, forge.address, Push(commits=1, login="cat"))
    assert old is not None
    assert head is not None
    target = forge.target(head_oid=head.oid)
    named = await forge.reader.accounts(target, forge.gateway, Purpose.BACKGROUND, since=old.oid)
    commits = forge.repository.history.commits()

    assert named == Fetched({one.oid: "bob" for one in commits[-3:-1]})


async def test_a_page_or_a_proxy_in_place_of_the_api(forge: FactsHarness) -> None:
    """A login page is malformed, and a proxy's refusals concern the host: no package is marked missing or blocked."""
    page = Rule(kind=Kind.HTML, times=1)
    forge.service.state.faults.add(page)
    assert isinstance(await forge.facts(forge.target()), Malformed)

    def proxy(status: int) -> None:
        body = b"<html>no</html>"
        forge.transport.interfere = lambda _: Response(status, {"content-type": "text/html"}, body)

    proxy(403)
    assert isinstance(await forge.facts(forge.target()), Throttled)
    proxy(404)
    assert isinstance(await forge.facts(forge.target()), Malformed)


async def test_the_limit_of_the_proxy() -> None:
    """Its 429 in HTML pauses the host for the time that it states."""
    settings = Settings(forgejo=Forgejo(requests=1))
    async with facts_harness(
        ForgejoMount(HOST), ForgeKind.FORGEJO, HOST, lambda host, _: ForgejoFacts(host), settings
    ) as forge:
        first = await forge.facts(forge.target())
        second = await forge.facts(forge.target())
        forge.clock.advance(HOUR / 2)
        third = await forge.facts(forge.target())

    assert isinstance(first, Fetched)
    assert isinstance(second, Throttled)
    assert second.retry_after == HOUR / 2
    assert isinstance(third, Fetched)
    assert forge.service.state.journal.reasons == {"requests in half an hour": 1}


async def test_an_instance_that_requires_a_login() -> None:
    """Everything is refused; the reason names the setting that helps, and ``fetcher doctor`` reports it."""
    settings = Settings(forgejo=Forgejo(sign_in=True))
    async with facts_harness(
        ForgejoMount(HOST), ForgeKind.FORGEJO, HOST, lambda host, _: ForgejoFacts(host), settings
    ) as forge:
        refused = await forge.facts(forge.target())
        host = replace(forge.host, trusted=True)
        checked = await HostedForge(host, FORGEJO, policy_of(host), any_path).check(forge.transport, NOW)

    assert isinstance(refused, Unauthorized)
    assert "FETCHER_FORGES" in refused.reason
    (finding,) = checked.findings
    assert not finding.ok
    assert finding.message.endswith("; it requires a token")
