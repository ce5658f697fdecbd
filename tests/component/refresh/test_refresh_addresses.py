"""Addresses that are parsed again: after a changed kind of a host, and after changed settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from fetcher.domain.errors import StoreError
from fetcher.domain.forges import ForgeKind
from fetcher.domain.model import CatalogueEntry, RepoRef
from fetcher.http.messages import Fault, NoAnswer
from fetcher.http.transport import HttpTransport
from fetcher.ports import Checkpoint
from fetcher.settings import Settings, read_settings
from fetcher.store.packages import Packages
from fetcher.upstreams.hosted.detection import Detected
from fetcher.wiring import ADDRESSES, Parts, open_store, upstreams_in
from tests.harness.clock import HOUR, NOW, StoppedClock
from tests.harness.parts import with_parts
from tests.harness.stack import variables

ADDRESS = "https://forge.example.org/ann/alpha.git"


def settings_of(folder: Path, **others: object) -> Settings:
    return read_settings(variables({"data_dir": folder, **others}))


def add(settings: Settings, addresses: Mapping[str, str]) -> None:
    with open_store(settings) as store:
        entries = [CatalogueEntry(slug, slug, repo_url=address) for slug, address in addresses.items()]
        store.packages.import_entries(entries, NOW)


def renewals(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Start a process, and return the hosts whose addresses it parsed again, for each time."""
    found: list[set[str]] = []
    renew = Packages.renew_addresses

    def counted(self: Packages, hosts: Collection[str], now: datetime) -> int:
        found.append(set(hosts))
        return renew(self, hosts, now)

    with monkeypatch.context() as patched:
        patched.setattr(Packages, "renew_addresses", counted)
        with_parts(settings, nothing, StoppedClock(NOW))
    return found


def upstreams_of(settings: Settings, slug: str) -> set[str | None]:
    with open_store(settings) as store:
        package = store.packages.get(slug)
        assert package is not None
        return {state.upstream for state in package.states.values()}


async def unreachable(*_: object) -> NoAnswer:
    return NoAnswer(Fault.UNREACHABLE, "no network")


async def nothing(_: Parts) -> None:
    """Do nothing after the start of a process."""


def repo_of(settings: Settings, slug: str) -> object:
    with open_store(settings) as store:
        package = store.packages.get(slug)
        assert package is not None
        return package.repo


def test_a_kind_whose_process_died_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker dies after it has stored a detected kind. A later one parses the addresses, without a detection."""

    async def detect(*_: object) -> Detected:
        return Detected(ForgeKind.FORGEJO, "a sign")

    def fail(*_: object) -> int:
        raise StoreError("the database is gone", "Start it")

    monkeypatch.setattr("fetcher.refresh.forges.detect", detect)
    settings, clock = settings_of(tmp_path), StoppedClock(NOW)
    with_parts(settings, nothing, clock)
    add(settings, {"alpha": ADDRESS})
    with monkeypatch.context() as patched:
        patched.setattr(Packages, "renew_addresses", fail)
        with pytest.raises(StoreError):
            with_parts(settings, nothing, clock)
    assert repo_of(settings, "alpha") == RepoRef("forge.example.org", "ann/alpha.git")

    clock.advance(HOUR)
    with_parts(settings, nothing, clock)
    assert repo_of(settings, "alpha") == RepoRef("forge.example.org", "ann/alpha")


def test_github_of_other_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository of an Enterprise server never becomes one of the public API with the same path, and back."""
    monkeypatch.setattr(HttpTransport, "send", unreachable)
    public = settings_of(tmp_path)
    enterprise = settings_of(tmp_path, github_api_url="https://ghe.corp.example.com/api/v3")
    add(enterprise, {"own": "https://ghe.corp.example.com/team/django", "other": "https://github.com/django/django"})
    renewals(enterprise, monkeypatch)
    assert (upstreams_of(enterprise, "own"), upstreams_of(enterprise, "other")) == ({"github"}, {"github.com"})

    assert renewals(public, monkeypatch) == [{"github.com", "ghe.corp.example.com"}]
    assert (upstreams_of(public, "own"), upstreams_of(public, "other")) == ({"ghe.corp.example.com"}, {"github"})

    renewals(enterprise, monkeypatch)
    assert (upstreams_of(enterprise, "own"), upstreams_of(enterprise, "other")) == ({"github"}, {"github.com"})
    assert renewals(enterprise, monkeypatch) == []


def test_the_first_start_after_an_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules as stored by the former version are checked once. No package of GitHub is parsed or reset by this."""
    settings = settings_of(tmp_path)
    monkeypatch.setattr(HttpTransport, "send", unreachable)
    add(settings, {"django": "https://github.com/django/django", "alpha": ADDRESS})
    with open_store(settings) as store:
        former = upstreams_in(settings, store).hosts.rules
        store.checkpoints.save(Checkpoint(ADDRESSES, observed_at=NOW, message=former))
        before = store.packages.get("django"), store.packages.get("alpha")

    assert renewals(settings, monkeypatch) == [{"forge.example.org"}]
    with open_store(settings) as store:
        assert (store.packages.get("django"), store.packages.get("alpha")) == before
    assert renewals(settings, monkeypatch) == []
