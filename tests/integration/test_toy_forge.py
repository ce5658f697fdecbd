"""A third forge through every command: one folder (``tests/toy_forge``) and one line in each registry."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from fetcher.domain.model import Purpose
from fetcher.monitoring import MetricsRecorder
from fetcher.settings import Settings, read_settings
from fetcher.simulator.changes import Push, push, recreate
from fetcher.simulator.clock import Clock
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.repository import Repository
from fetcher.simulator.server import Simulator
from fetcher.simulator.truth import of_repository
from fetcher.simulator.upstreams.registry import MOUNTS
from fetcher.simulator.upstreams.registry import Settings as Served
from fetcher.simulator.world import World
from fetcher.upstreams import registry
from fetcher.web import WebContext, make_app
from fetcher.web.context import CeleryRuntime
from fetcher.web.session import Sessions
from fetcher.wiring import SystemClock, open_parts, open_store
from tests.harness.clock import StoppedClock
from tests.integration.conftest import Fetcher
from tests.toy_forge.forge import HOST, TOY, Toy
from tests.toy_forge.mount import NUMBERED_FROM, ToyMount

PATH = f"{HOST}/group/team/alpha"
NOW = datetime.now(UTC)


@pytest.fixture
def forge() -> Iterator[Simulator]:
    """Serve GitHub, an index and the toy forge, with one repository name on both forges and one number."""
    world = World(Clock(NOW))
    for number, host, owner, stars in ((42, "github.com", "team", 1), (NUMBERED_FROM + 42, HOST, "group/team", 3)):
        made = NOW - timedelta(days=400)
        world.put_repository(
            Repository(
                database_id=number, host=host, owner=owner, name="alpha", created_at=made, pushed_at=made, stars=stars
            )
        )
    push(world, PATH, Push(login="ann"))
    push(world, PATH, Push(login="bob"))
    push(world, "team/alpha", Push(login="cyd"))
    with Simulator(world, Served(), mounts=(*MOUNTS, ToyMount())) as running:
        yield running


@pytest.fixture
def fetcher(bare: Fetcher, forge: Simulator, monkeypatch: pytest.MonkeyPatch) -> Fetcher:
    """Provide the command with the toy forge in its registry."""
    monkeypatch.setattr(Toy, "root", forge.address(TOY), raising=False)
    monkeypatch.setattr(Toy, "token", ToyMount.token, raising=False)
    monkeypatch.setattr(registry, "KINDS", (*registry.KINDS, Toy))
    bare.settings.update(github_api_url=forge.github_url, pypi_url=forge.pypi_url, github_token=forge.token)
    return bare


@pytest.fixture
def filled(fetcher: Fetcher, tmp_path: Path) -> Fetcher:
    """Provide the command with both packages imported and refreshed."""
    addresses = tmp_path / "addresses.txt"
    addresses.write_text(f"https://{PATH}\nhttps://github.com/team/alpha\nhttps://elsewhere.example/o/r\n")
    done = fetcher("import", str(addresses))
    assert "elsewhere.example is a private or reserved name, not a public host" in done.err
    done = fetcher("refresh", "--all")
    assert done.status == 0, done.err
    return fetcher


def the_settings(fetcher: Fetcher) -> Settings:
    return read_settings({f"FETCHER_{name.upper()}": str(value) for name, value in fetcher.settings.items()})


def slug_of(fetcher: Fetcher, host: str) -> str:
    """Return the slug of the package whose repository is on ``host``."""
    lines = fetcher("export", "--format", "jsonl").out.splitlines()
    return next(str(one["slug"]) for one in map(json.loads, lines) if f"//{host}/" in one["repo_url"])


def test_a_document_equals_the_truth(filled: Fetcher, forge: Simulator) -> None:
    """Statistics, people and weeks of a nested path are those of its forge, not of its namesake on GitHub."""
    repository = forge.world.repository(PATH)
    assert repository is not None
    truth = of_repository(repository, datetime.now(UTC).date())
    document = json.loads(filled("show", slug_of(filled, HOST), "--format", "v4").out)
    assert (document["repo_watchers"], document["repo_forks"]) == (3, 0)
    assert document["participants"] == truth["contributors"] == ["ann", "bob"]
    assert document["commits_over_52"] == truth["participation"]
    assert document["last_fetched"] is not None


def test_equal_numbers_on_two_hosts_are_two_repositories(filled: Fetcher) -> None:
    """The number 42 on both hosts is not one shared repository."""
    status = json.loads(filled("status", "--json").out)
    assert status["shared_repositories"] == []
    assert [source["answered"] for source in status["sources"]] == [2, 2, 2, 0]


def test_its_requests_are_counted_and_limited_by_themselves(filled: Fetcher, forge: Simulator) -> None:
    """Its routes, its quota account and its lane have its name; a claim takes packages of one forge only."""

    async def work() -> tuple[MetricsRecorder, list[int], set[str]]:
        recorder = MetricsRecorder()
        parts = await open_parts(the_settings(filled), shared=False, observer=recorder)
        try:
            every = parts.store.claims.due_ids(None, None, TOY)
            report = await parts.service.refresh_packages(every, Toy.sources, Purpose.MANUAL, TOY)
            assert not report.failed
            accounts = {f"{one.upstream} {one.identity}" for one in await parts.quota.quota_status(parts.clock.now())}
            return recorder, every, accounts
        finally:
            await parts.aclose()

    forge.log.clear()
    recorder, ids, accounts = asyncio.run(work())
    assert len(ids) == 1
    assert forge.log.count(upstream=TOY) == 1  # the head stays
    assert forge.log.count(upstream="github", route="graphql") <= 1  # the identity of the token
    assert any(name.startswith("fetcher_requests|toy|toy_repository|200") for name in recorder.take())
    assert "toy toy:user" in accounts


def test_details_are_requested_at_the_head_that_they_belong_to(filled: Fetcher, forge: Simulator) -> None:
    """All sources are due at once and the head has moved: the details wait for the claim that knows the new head."""
    push(forge.world, PATH, Push(login="dan"))
    later = StoppedClock(NOW + timedelta(days=45))

    async def work() -> list[Counter[str]]:
        parts = await open_parts(the_settings(filled), shared=False, clock=later)
        try:
            counted = []
            for _ in range(2):
                forge.log.clear()
                for claim in await parts.dispatcher.claims():
                    await parts.service.refresh(claim, Purpose.BACKGROUND)
                counted.append(Counter(entry.route for entry in forge.log.entries if entry.upstream == TOY))
            return counted
        finally:
            await parts.aclose()

    first, second = asyncio.run(work())
    assert first == {"repository": 1}
    assert second == {"history": 1, "people": 1}
    document = json.loads(filled("show", slug_of(filled, HOST), "--format", "v4").out)
    assert document["participants"] == ["ann", "bob", "dan"]


def test_source_selects_it(filled: Fetcher, forge: Simulator) -> None:
    """``--source`` takes its name, and refuses an unknown one with the known names."""
    forge.log.clear()
    assert filled("refresh", "--all", "--source", TOY).status == 0
    assert forge.log.count(upstream=TOY) == 1
    unknown = filled("refresh", "--all", "--source", "elsewhere")
    assert unknown.status == 1
    assert "no upstream is called elsewhere" in unknown.err
    assert "github, pypi, toy" in unknown.err


def test_explain_names_it(filled: Fetcher) -> None:
    """The explanation has the forge's address, and its own costs."""
    text = filled("explain", slug_of(filled, HOST)).out
    assert f"repository: {PATH}" in text
    assert "one request a source" in text
    assert "GraphQL" not in text


@pytest.mark.parametrize(("status", "outcome"), [(404, "missing"), (503, "transient"), (451, "blocked")])
def test_a_failure_is_listed_with_its_upstream(filled: Fetcher, forge: Simulator, status: int, outcome: str) -> None:
    """A failure of one forge is listed with the forge's name; the stored values stay."""
    slug = slug_of(filled, HOST)
    forge.faults.add(Rule(kind=Kind.STATUS, status=status, upstream=TOY))
    done = filled("refresh", slug)
    assert done.status == 1
    (failure,) = json.loads(filled("failures", "--json").out)
    assert (failure["slug"], failure["upstream"], failure["source"], failure["outcome"]) == (
        slug,
        TOY,
        "repository",
        outcome,
    )
    assert f"the toy forge returned {status}" in failure["message"]
    assert json.loads(filled("show", slug, "--format", "v4").out)["repo_watchers"] == 3


def test_another_repository_at_its_path_is_refused(filled: Fetcher, forge: Simulator) -> None:
    """A repository that was deleted and made again is not taken for the known one."""
    recreate(forge.world, PATH)
    done = filled("refresh", slug_of(filled, HOST))
    assert done.status == 1
    assert "is now another repository" in done.err


def test_a_rejected_token_ends_the_run_with_its_remedy(
    filled: Fetcher, forge: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rejected credential of one forge is reported with that forge's remedy, and does not stop the others."""
    monkeypatch.setattr(Toy, "token", "wrong")
    done = filled("refresh", slug_of(filled, HOST))
    assert done.status == 1
    assert "the toy forge returned 401" in done.err
    assert filled("refresh", slug_of(filled, "github.com")).status == 0


def test_its_token_goes_to_its_own_origin_only(filled: Fetcher, forge: Simulator) -> None:
    """Each upstream's requests carry its own credential: no forge sees another's."""
    seen = {entry.upstream: entry.identity for entry in forge.log.entries if entry.identity}
    assert seen[TOY] == "toy-user"
    assert seen["github"] != "toy-user"


def test_doctor_checks_it(filled: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor has its finding beside those of the other upstreams, and fails for a wrong token."""
    findings = {one["name"]: one for one in json.loads(filled("doctor", "--json").out)}
    assert findings[TOY]["ok"]
    assert {"token", "pypi"} <= findings.keys()
    monkeypatch.setattr(Toy, "token", "wrong")
    done = filled("doctor", "--json")
    assert done.status == 1
    finding = next(one for one in json.loads(done.out) if one["name"] == TOY)
    assert (finding["ok"], finding["remedy"]) == (False, "Set a valid token")


def test_the_page_shows_it(filled: Fetcher) -> None:
    """The page names the upstream of each value, and the API serves the document."""
    settings, slug = the_settings(filled), slug_of(filled, HOST)
    with open_store(settings) as store:
        context = WebContext(settings, store, SystemClock(), CeleryRuntime(settings, store), Sessions(None))
        page, document, overview = asyncio.run(_get(context, f"/packages/{slug}", f"/api/v4/packages/{slug}/", "/"))
    assert "repository (toy)" in page.text
    assert "commits (toy)" in page.text
    assert document.json()["repo_watchers"] == 3
    assert overview.status_code == 200


async def _get(context: WebContext, *paths: str) -> list[httpx.Response]:
    """Return the application's responses."""
    transport = httpx.ASGITransport(app=make_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        return [await client.get(path) for path in paths]
