"""The facts of Bitbucket, requested from the simulator: by path, by UUID, and the totals on their days."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from fetcher.domain.model import Purpose
from fetcher.domain.outcome import Blocked, Deferred, Fetched, Gone, Malformed, Throttled
from fetcher.http.messages import Request, Response
from fetcher.quota import RetryAt
from fetcher.simulator.changes import Facts, delete, empty, recreate, rename, set_block, set_facts
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.repository import Block
from fetcher.simulator.upstreams.bitbucket.mount import BitbucketMount
from fetcher.simulator.upstreams.bitbucket.settings import Bitbucket
from fetcher.simulator.upstreams.registry import Settings
from fetcher.upstreams.bitbucket.facts import BitbucketFacts
from fetcher.upstreams.hosted.base import ForgeKind
from tests.harness.clock import DAY, HOUR
from tests.harness.facts import FactsHarness, facts_harness

HOST = "bitbucket.org"


@pytest.fixture
async def forge() -> AsyncIterator[FactsHarness]:
    async with facts_harness(BitbucketMount(), ForgeKind.BITBUCKET, HOST, BitbucketFacts) as harness:
        yield harness


async def test_a_first_request_counts_forks_and_watchers(forge: FactsHarness) -> None:
    """Bitbucket has no stars, so there are none: its watchers stay watchers."""
    found = await forge.facts(forge.target("Ann/ALPHA"))

    assert isinstance(found, Fetched)
    facts = found.value
    assert (facts.full_name, facts.stars, facts.forks, facts.watchers) == ("ann/alpha", None, 3, 5)
    assert (facts.description, facts.archived, facts.default_branch) == ("A forge's package", False, "main")
    assert (facts.head_oid, facts.pushed_at, facts.empty) == (None, None, None)
    assert forge.requests() == {"forks 200": 1, "repository 200": 1, "watchers 200": 1}


async def test_a_week_of_days_costs_nine_requests(forge: FactsHarness) -> None:
    """The description is requested daily, each total once a week, on different days."""
    number = await forge.known_id()
    asked = []
    for day in range(7):
        forge.clock.advance(DAY)
        set_facts(forge.world, forge.address, Facts(description=f"day {day}"))
        target = forge.target(answered=DAY, repository_id=number, forks=3, watchers=5)
        found = await forge.facts(target)
        assert isinstance(found, Fetched)
        assert (found.value.description, found.value.forks, found.value.watchers) == (f"day {day}", 3, 5)
        asked.append(forge.requests())

    assert all(one.pop("repository 200") == 1 for one in asked)
    assert sorted(name for one in asked for name in one) == ["forks 200", "watchers 200"]
    assert max(len(one) for one in asked) == 1


async def test_a_manual_refresh_counts_both(forge: FactsHarness) -> None:
    """A user who refreshes one package sees present counts."""
    set_facts(forge.world, forge.address, Facts(forks=4, subscribers=6))
    target = forge.target(answered=timedelta(minutes=1), forks=3, watchers=5)
    found = await forge.facts(target, Purpose.MANUAL)

    assert isinstance(found, Fetched)
    assert (found.value.forks, found.value.watchers) == (4, 6)


async def test_a_total_without_quota_keeps_the_stored_one(forge: FactsHarness) -> None:
    """The description is not lost, and no package starves because its second request has to wait."""
    until = forge.clock.now() + HOUR
    forge.quota.refusals.extend([None, RetryAt(until, "60 an hour"), RetryAt(until, "60 an hour")])
    found = await forge.facts(forge.target(watchers=5))

    assert isinstance(found, Fetched)
    assert (found.value.description, found.value.forks, found.value.watchers) == ("A forge's package", None, 5)
    assert forge.requests() == {"repository 200": 1}


async def test_a_repository_without_quota_is_deferred(forge: FactsHarness) -> None:
    """Nothing is sent."""
    until = forge.clock.now() + HOUR
    forge.quota.refusals.append(RetryAt(until, "60 an hour"))

    assert await forge.facts(forge.target()) == Deferred(until, "60 an hour")
    assert forge.requests() == {}


@pytest.mark.parametrize(("owner", "name"), [(None, "beta"), ("team", "alpha")])
async def test_renames_and_transfers_are_followed_by_uuid(forge: FactsHarness, owner: str | None, name: str) -> None:
    """Bitbucket has no redirect: the old path is a 404, and the UUID leads to the repository in any workspace."""
    number = await forge.known_id()
    rename(forge.world, forge.address, name, owner)
    by_path = await forge.facts(forge.target())
    found = await forge.facts(forge.target(repository_id=number))

    assert isinstance(by_path, Gone)
    assert isinstance(found, Fetched)
    assert found.value.full_name == f"{owner or 'ann'}/{name}"


async def test_a_recreated_repository_has_another_uuid(forge: FactsHarness) -> None:
    """It is found by its path; its totals are not requested, because they belong to another repository."""
    number = await forge.known_id()
    recreate(forge.world, forge.address)
    found = await forge.facts(forge.target(repository_id=number))

    assert isinstance(found, Fetched)
    assert found.value.repository_id not in {None, number}
    assert forge.requests() == {"repository 200": 1, "repository 404": 1}


async def test_missing_private_flagged_and_empty_repositories(forge: FactsHarness) -> None:
    """A private one is a 403 and counts as missing; a flagged one is a 410 and blocked; an empty one has no branch."""
    empty(forge.world, forge.address)
    bare = await forge.facts(forge.target())
    set_block(forge.world, forge.address, Block.TERMS)
    flagged = await forge.facts(forge.target())
    set_facts(forge.world, forge.address, Facts(private=True))
    private = await forge.facts(forge.target())
    delete(forge.world, forge.address)
    missing = await forge.facts(forge.target())

    assert isinstance(bare, Fetched)
    assert bare.value.default_branch is None
    assert isinstance(flagged, Blocked)
    assert (private, missing) == (
        Gone(f"{HOST} answers 403: private, or deleted"),
        Gone(f"{HOST} answers 404: deleted, private, or misspelt"),
    )


async def test_the_limit_of_an_hour() -> None:
    """The plain text of the 429 pauses the host, without a time that it states."""
    settings = Settings(bitbucket=Bitbucket(anonymous_per_hour=3))
    async with facts_harness(BitbucketMount(), ForgeKind.BITBUCKET, HOST, BitbucketFacts, settings) as forge:
        first = await forge.facts(forge.target())
        second = await forge.facts(forge.target())

    assert isinstance(first, Fetched)
    assert second == Throttled(f"{HOST} answers 429: Rate limit for this resource has been exceeded")
    assert forge.quota.usages[-1].pause is not None


async def test_a_page_or_a_proxy_in_place_of_the_api(forge: FactsHarness) -> None:
    """No package is marked missing or blocked by a response that is not the API's."""
    forge.service.state.faults.add(Rule(kind=Kind.HTML, times=1))
    assert isinstance(await forge.facts(forge.target()), Malformed)

    def proxy(request: Request) -> Response:
        return Response(404, {"content-type": "text/html"}, b"<html>no</html>")

    forge.transport.interfere = proxy
    assert isinstance(await forge.facts(forge.target()), Malformed)


async def test_accounts_cost_nothing(forge: FactsHarness) -> None:
    """Bitbucket's quota has no room for lists of commits: authors' names are taken from git."""
    assert await forge.reader.accounts(forge.target(), forge.gateway, Purpose.BACKGROUND) == Fetched({})
    assert forge.requests() == {}
