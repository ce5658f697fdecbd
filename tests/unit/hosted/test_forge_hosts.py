"""The precedence of statements about a host."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from fetcher.domain.forges import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RECHECK,
    ForgeKind,
    KnownBy,
    StoredForge,
    detected,
    not_detected,
    stated,
)
from fetcher.domain.model import CatalogueEntry, Source
from fetcher.forge_settings import ForgeSetting
from fetcher.settings import read_settings
from fetcher.upstreams.hosted.hosts import Hosts, stated_kinds
from fetcher.upstreams.registry import upstreams_of
from tests.harness.clock import NOW

GITLAB, FORGEJO, GIT = ForgeKind.GITLAB, ForgeKind.FORGEJO, ForgeKind.GIT


def entry(address: str | None, word: object) -> CatalogueEntry:
    return CatalogueEntry("a", "a", repo_url=address, extra={"repo_host": word})


@pytest.mark.parametrize(
    ("host", "setting", "stored", "kind", "known_by"),
    [
        ("git.example.org", None, None, GIT, KnownBy.ASSUMED),
        ("git.example.org", None, StoredForge(""), GIT, KnownBy.ASSUMED),
        ("git.example.org", None, StoredForge("", FORGEJO, KnownBy.DETECTED), FORGEJO, KnownBy.DETECTED),
        ("gitlab.com", None, StoredForge("", FORGEJO, KnownBy.DETECTED), GITLAB, KnownBy.WELL_KNOWN),
        ("gitlab.com", FORGEJO, None, FORGEJO, KnownBy.SETTINGS),
        ("gitlab.com", FORGEJO, StoredForge("", GIT, KnownBy.EDITOR), GIT, KnownBy.EDITOR),
    ],
)
def test_the_first_statement_counts(
    host: str, setting: ForgeKind | None, stored: StoredForge | None, kind: ForgeKind, known_by: KnownBy
) -> None:
    """An editor, the settings, the well-known hosts, a detection; otherwise git."""
    settings = {} if setting is None else {host: ForgeSetting(kind=setting)}
    found = Hosts(settings, () if stored is None else (replace(stored, host=host),)).forge(host)
    assert (found.kind, found.known_by) == (kind, known_by)


@pytest.mark.parametrize(
    ("host", "setting", "root", "git"),
    [
        ("codeberg.org", {}, "https://codeberg.org", "https://codeberg.org"),
        ("bitbucket.org", {}, "https://api.bitbucket.org", "https://bitbucket.org"),
        (
            "bitbucket.org",
            {"root": "https://api.bitbucket.org/2.0"},
            "https://api.bitbucket.org",
            "https://bitbucket.org",
        ),
        ("bitbucket.org", {"root": "http://localhost:1/b"}, "http://localhost:1/b", "http://localhost:1/b"),
        ("a.org", {"root": "https://x.org/g"}, "https://x.org/g", "https://x.org/g"),
        ("a.org", {"root": "https://x.org", "git": "https://c.org"}, "https://x.org", "https://c.org"),
        ("a.org", {"git": "https://c.org"}, "https://a.org", "https://c.org"),
        ("a.org:3000", {}, "https://a.org:3000", "https://a.org:3000"),
    ],
)
def test_roots(host: str, setting: dict[str, str], root: str, git: str) -> None:
    """Clone addresses are below the stated root; Bitbucket's API has a host of its own."""
    found = Hosts({host: ForgeSetting.model_validate(setting)} if setting else {}).forge(host)
    assert (found.root, found.git_root) == (root, git)


def test_a_token_and_trust_come_from_the_settings_alone() -> None:
    """A host that only an editor has named gets no token, and must be public. No ``repr`` shows the token."""
    settings = {"a.org": ForgeSetting.model_validate({"token": "s3cret", "per_second": 3})}
    (a, b) = Hosts(settings, (StoredForge("b.org", GITLAB, KnownBy.EDITOR), StoredForge("c.local"))).all()
    assert (a.host, a.token, a.per_second, a.trusted) == ("a.org", "s3cret", 3, True)
    assert "s3cret" not in repr(a)
    assert (b.host, b.token, b.per_second, b.trusted) == ("b.org", None, None, False)


def test_names_of_upstreams() -> None:
    """Four hosts have a name of their own; any other host is its own name."""
    hosts = ("gitlab.com", "codeberg.org", "bitbucket.org", "git.sr.ht", "salsa.debian.org")
    names = [Hosts().forge(host).name for host in hosts]
    assert names == ["gitlab", "codeberg", "bitbucket", "sourcehut", "salsa.debian.org"]


def test_a_private_host_is_refused_unless_the_settings_name_it() -> None:
    reason = Hosts().refusal("git.internal")
    assert reason is not None
    assert "FETCHER_FORGES" in reason
    assert Hosts().name("git.internal") is None
    named = Hosts({"git.internal": ForgeSetting()})
    assert (named.refusal("git.internal"), named.name("git.internal")) == (None, "git.internal")
    assert Hosts().name("codeberg.org") == "codeberg"


def test_hosts_to_detect() -> None:
    """Neither well-known, stated and private hosts nor those with a configured kind are detected."""
    later = NOW + timedelta(seconds=1)
    stored = (
        StoredForge("a.org"),
        StoredForge("b.org", GITLAB, KnownBy.DETECTED, due_at=NOW),
        StoredForge("c.org", GITLAB, KnownBy.DETECTED, due_at=later),
        StoredForge("d.org", due_at=later, failures=1),
        StoredForge("e.org", GITLAB, KnownBy.EDITOR),
        StoredForge("f.org"),
        StoredForge("g.org"),
        StoredForge("h.local"),
        StoredForge("codeberg.org"),
    )
    settings = {"f.org": ForgeSetting(), "g.org": ForgeSetting(kind=GIT)}
    assert Hosts(settings, stored).to_detect(NOW) == ["a.org", "b.org", "f.org"]
    assert Hosts(settings, stored).to_detect(later) == ["a.org", "b.org", "c.org", "d.org", "f.org"]


def test_editors_words() -> None:
    """A document's word means its host; unknown words, GitHub's and documents without an address state nothing."""
    entries = [
        entry("https://git.example.org/a/b", "Forgejo"),
        entry("https://www.code.example.org/a/b", " codeberg "),
        entry("ssh://git@g.example.org:2222/a/b", "gitlab"),
        entry("https://h.example.org/a/b", "github"),
        entry("https://i.example.org/a/b", ""),
        entry("https://j.example.org/a/b", 7),
        entry("https://k.example.org/a/b", "svn"),
        entry(None, "gitlab"),
        entry("no address", "gitlab"),
    ]
    assert stated_kinds(entries) == {
        "git.example.org": FORGEJO,
        "code.example.org": FORGEJO,
        "g.example.org": GITLAB,
    }


def test_a_detection_is_repeated() -> None:
    """A good one after a month, a failed one after a pause that grows to a week."""
    forge = StoredForge("a.org")
    found = detected(forge, GITLAB, "a sign", NOW)
    assert (found.kind, found.known_by, found.due_at) == (GITLAB, KnownBy.DETECTED, NOW + RECHECK)
    pauses = []
    for _ in range(12):
        forge = not_detected(forge, "down", NOW)
        assert forge.due_at is not None
        pauses.append(forge.due_at - NOW)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert detected(forge, GIT, "no sign", NOW).failures == 0


def test_a_detection_changes_no_better_knowledge() -> None:
    """An editor's word stays, and a known forge is not forgotten because it shows no sign."""
    by_editor = stated(StoredForge("a.org"), FORGEJO, NOW)
    later = NOW + timedelta(days=1)
    assert detected(by_editor, GITLAB, "a sign", later).kind is FORGEJO
    known = detected(StoredForge("a.org"), GITLAB, "a sign", NOW)
    assert detected(known, GIT, "no sign", later).kind is GITLAB
    assert detected(known, FORGEJO, "a sign", later).kind is FORGEJO
    assert not_detected(known, "down", later).kind is GITLAB


def test_an_internal_host_with_the_name_of_another_upstream() -> None:
    """Each upstream keeps its own origins and credential: a name for two would mix packages and tokens."""
    internal = {name: {"root": f"http://{name}", "token": "MARK"} for name in ("gitlab", "github", "pypi", "codeberg")}
    settings = read_settings({"FETCHER_FORGES": json.dumps(internal)})
    found = upstreams_of(settings, [StoredForge("gitlab.com"), StoredForge("codeberg.org")])
    assert len(found.sites()) == len(found.all) == 8
    assert found.sites()["gitlab"].roots == ("https://gitlab.com",)
    assert found.of(Source.REPOSITORY, "gitlab") == found.named("host/gitlab").name
