"""Addresses that are parsed again: after a changed kind of a host, and after changed settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fetcher.domain.errors import StoreError
from fetcher.domain.forges import ForgeKind
from fetcher.domain.model import CatalogueEntry, RepoRef
from fetcher.settings import Settings, read_settings
from fetcher.store.packages import Packages
from fetcher.upstreams.hosted.detection import Detected
from fetcher.wiring import Parts, open_store
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
