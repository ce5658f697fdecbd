"""Hosts of repositories beside GitHub, as an import adds them while other processes run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fetcher.domain.forges import ForgeKind, KnownBy, StoredForge
from fetcher.domain.model import CatalogueEntry, RepoRef, Source, StoredPackage, Unsupported
from fetcher.settings import Settings, read_settings
from fetcher.wiring import Parts, open_store
from tests.harness.pages import Pages
from tests.harness.parts import with_parts
from tests.harness.stack import variables
from tests.integration.conftest import Fetcher

HOST, OTHER, PUBLIC = "git.corp.example", "code.corp.example", "git.no-such-host-is-registered.org"


@dataclass
class Shifted:
    """The system clock, ahead by ``shift``."""

    shift: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift


@pytest.fixture
def site() -> Iterator[Pages]:
    """Serve a Forgejo of which only the version is known."""
    with Pages() as pages:
        pages.give("/api/v1/version", {"version": "15.0.9"})
        yield pages


def named(**roots: str) -> str:
    """Return ``FETCHER_FORGES`` with a root and a quick pace for each host, and no kind."""
    return json.dumps({host: {"root": root, "per_second": 50} for host, root in roots.items()})


def settings_of(fetcher: Fetcher, **more: object) -> Settings:
    return read_settings(variables({**fetcher.settings, **more}))


def stored(settings: Settings, slug: str) -> StoredPackage:
    with open_store(settings) as store:
        package = store.packages.get(slug)
        assert package is not None
        return package


def forges(settings: Settings) -> dict[str, StoredForge]:
    with open_store(settings) as store:
        return {one.host: one for one in store.forges.all()}


async def nothing(parts: Parts) -> None:
    """Do no work: the beginning of a task is under test."""


def test_a_private_host_is_served_once_the_settings_name_it(bare: Fetcher, site: Pages) -> None:
    """A package stored before keeps its fields; its address is parsed again, and its host detected without a token."""
    assert bare("add", f"https://{HOST}/o/r", "--unsupported-ok").status == 0
    before = stored(settings_of(bare), "r")
    assert isinstance(before.repo, Unsupported)
    assert "a private or reserved name" in before.repo.reason

    settings = settings_of(bare, forges=named(**{HOST: site.url}))
    with_parts(settings, nothing)

    after = stored(settings, "r")
    assert (after.repo, after.entry) == (RepoRef(HOST, "o/r"), before.entry)
    assert after.states[Source.REPOSITORY].upstream == HOST
    found = forges(settings)[HOST]
    assert (found.kind, found.known_by) == (ForgeKind.FORGEJO, KnownBy.DETECTED)
    assert [path for path, _ in site.requests] == ["/", "/api/v4/version", "/api/v1/version"]
    with_parts(settings, nothing)
    assert len(site.requests) == 3


def test_a_running_process_notices_an_added_host(bare: Fetcher, site: Pages) -> None:
    """The next task has the host's lane, quota policy and site, and requests its packages."""
    settings = settings_of(bare, forges=named(**{HOST: site.url}))

    async def work(parts: Parts) -> None:
        assert [lane.upstream for lane in parts.upstreams.lanes].count(HOST) == 1
        with open_store(settings) as importing:
            entry = CatalogueEntry("r", "r", repo_url=f"https://{PUBLIC}/o/r")
            importing.packages.import_entries([entry], parts.clock.now())
        assert PUBLIC not in {one.name for one in parts.upstreams.all}
        await parts.begin()
        assert PUBLIC in {one.name for one in parts.upstreams.all}
        assert {claim.package_ids for claim in await parts.dispatcher.claims()} == {
            (parts.store.packages.ids(["r"])["r"],)
        }
        assert PUBLIC in parts.assembly.upstreams

    with_parts(settings, work)


def test_an_editors_word_wins(bare: Fetcher, site: Pages, tmp_path: Path) -> None:
    """``repo_host`` of a document and ``--forge`` state the kind of a host, for all of its packages."""
    bare.settings["forges"] = named(**{HOST: site.url, OTHER: site.url})
    document = {"slug": "a", "title": "a", "repo_url": f"https://{HOST}/group/sub/a.git", "repo_host": "gitlab"}
    (tmp_path / "a.json").write_text(json.dumps([document]))
    assert bare("import", str(tmp_path / "a.json")).status == 0
    assert bare("add", f"https://{OTHER}/o/b", "--forge", "gitea").status == 0
    settings = settings_of(bare)
    with_parts(settings, nothing)
    found = forges(settings)
    assert (found[HOST].kind, found[HOST].known_by) == (ForgeKind.GITLAB, KnownBy.EDITOR)
    assert (found[OTHER].kind, found[OTHER].known_by) == (ForgeKind.FORGEJO, KnownBy.EDITOR)
    assert stored(settings, "a").repo == RepoRef(HOST, "group/sub/a")
    assert "forge: GitLab, stated by an editor" in bare("explain", "a").out
    assert site.requests == []


def test_a_later_word_renews_the_addresses_of_its_host(bare: Fetcher, site: Pages) -> None:
    """A path with ``.git``, which belongs to the name on a plain git server, is GitLab's without it."""
    bare.settings["forges"] = named(**{HOST: site.url})
    bare("add", f"https://{HOST}/group/a.git", "--forge", "git")
    assert stored(settings_of(bare), "a").repo == RepoRef(HOST, "group/a.git")
    bare("add", f"https://{HOST}/group/b.git", "--forge", "gitlab")
    assert stored(settings_of(bare), "a").repo == RepoRef(HOST, "group/a")


def test_a_word_is_withdrawn(bare: Fetcher, site: Pages) -> None:
    """Without the word the settings count again, or the host is detected; its addresses are parsed again."""
    bare.settings["forges"] = named(**{HOST: site.url})
    bare("add", f"https://{HOST}/group/a.git", "--forge", "gitlab")
    withdrawn = bare("add", f"https://{HOST}/group/a.git", "--forge", "auto")
    again = bare("add", f"https://{HOST}/group/a.git", "--forge", "auto")

    settings = settings_of(bare)
    assert (withdrawn.status, again.status) == (0, 0)
    assert f"{HOST}: no kind is stated any more" in withdrawn.err
    assert HOST not in again.err
    assert (forges(settings)[HOST].kind, forges(settings)[HOST].due_at) == (None, None)
    assert stored(settings, "a").repo == RepoRef(HOST, "group/a.git")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["https://git.local/o/r", "--forge", "gitlab"], "--forge: git.local is a private or reserved name"),
        (["https://a.org/o/r", "--forge", "svn"], "--forge 'svn': expected one of bitbucket, codeberg, forgejo"),
        (["https://127.0.0.1/o/r"], "127.0.0.1 is an IP address, not a public host"),
        (["https://a.org/"], "expected the path of a repository, got none"),
        (["https://gitlab.com/o"], "it names the account 'o', not a repository"),
    ],
)
def test_a_refused_address_states_nothing(bare: Fetcher, arguments: list[str], complaint: str) -> None:
    assert complaint in bare("add", *arguments).complaint
    assert forges(settings_of(bare)) == {}


def test_a_host_that_is_down_is_detected_later(bare: Fetcher, site: Pages) -> None:
    """A failed detection leaves the package to git, is shown by the doctor, and is repeated after an hour."""
    bare.settings["forges"] = named(**{HOST: site.url})
    bare("add", f"https://{HOST}/o/r")
    site.answers["/"] = (502, {}, b"")
    clock = Shifted()
    with_parts(settings_of(bare), nothing, clock)
    failed = forges(settings_of(bare))[HOST]
    assert (failed.kind, failed.failures, failed.message) == (None, 1, "status 502")
    doctor = json.loads(bare("doctor", "--json").out)
    assert any("could not be detected (status 502)" in one["message"] for one in doctor)
    assert any(one["name"] == "contact" and not one["ok"] for one in doctor)
    del site.answers["/"]
    with_parts(settings_of(bare), nothing, clock)
    assert forges(settings_of(bare))[HOST].kind is None
    clock.shift = timedelta(hours=1)
    with_parts(settings_of(bare), nothing, clock)
    assert forges(settings_of(bare))[HOST].kind is ForgeKind.FORGEJO


def test_one_host_down_delays_no_other(bare: Fetcher, site: Pages) -> None:
    """The packages of a host that refuses connections fail alone."""
    bare.settings["forges"] = named(**{HOST: "http://127.0.0.1:9", OTHER: site.url})
    bare("add", f"https://{HOST}/o/down", "--forge", "git")
    bare("add", f"https://{OTHER}/o/up", "--forge", "git")
    bare("refresh", "--all")
    failures = {one["slug"]: one for one in json.loads(bare("failures", "--json").out)}
    assert failures["down"]["upstream"] == HOST
    assert "cannot connect" in failures["down"]["message"]
    assert failures["up"]["upstream"] == OTHER
    assert failures["up"]["outcome"] == "missing"


def test_a_public_name_that_leads_inside_is_not_requested(
    bare: Fetcher, site: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor's host resolves to loopback: nothing arrives, and the failure names the reason and the setting."""

    async def inside(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr("fetcher.http.public_only.system_addresses", inside)
    bare("add", f"https://{PUBLIC}/o/r", "--forge", "git")
    bare("refresh", "--all")
    (failure,) = json.loads(bare("failures", "--json").out)
    assert "resolves to a loopback address" in failure["message"]
    assert "FETCHER_FORGES" in failure["message"]
    assert site.requests == []
