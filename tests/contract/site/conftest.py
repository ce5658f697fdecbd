"""A site's database on a real PostgreSQL beside a store, and passes over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from fetcher.domain.model import (
    CommitDays,
    Contribution,
    Contributors,
    ProjectInfo,
    ProjectVersions,
    Source,
)
from fetcher.domain.sites import GonePolicy, SitePass
from fetcher.sites.django_packages.site import DjangoPackages
from fetcher.sites.synchronizer import Synchronizer
from fetcher.store import SqlStore
from tests.harness.directory import Directory
from tests.harness.stores import NOW, Catalogue, release, stats

RECHECK = timedelta(days=30)
CLASSIFIERS = ("Development Status :: 5 - Production/Stable", "License :: OSI Approved :: MIT License")


@dataclass(slots=True)
class Bench:
    """A site and a store, with what a test repeats: a pass, and the answers of a package's sources."""

    directory: Directory
    store: SqlStore
    gone: GonePolicy = GonePolicy.TELL
    opened: list[DjangoPackages] = field(default_factory=list)

    def site(self, url: str | None = None, *, read_only: bool = False) -> DjangoPackages:
        self.opened.append(DjangoPackages(url or self.directory.url, gone=self.gone, read_only=read_only))
        return self.opened[-1]

    def synchronizer(self, url: str | None = None) -> Synchronizer:
        return Synchronizer(self.site(url), self.store, RECHECK)

    def run(self, now: datetime = NOW) -> SitePass:
        """Carry out a pass in a new process, which remembers nothing."""
        return self.synchronizer().run(now)

    def answer(self, package_id: int, at: datetime = NOW, **changes: Any) -> None:
        """Record a response of every source of a package."""
        found: dict[Source, Any] = {
            Source.REPOSITORY: stats(**{"stars": 84, "forks": 32, "description": "A thing", **changes}),
            Source.CONTRIBUTORS: Contributors((Contribution("ada", 3), Contribution("bob", 1))),
            Source.COMMITS: CommitDays((at - timedelta(days=6)).date(), (1, 2, 0, 0, 0, 0), 345),
            Source.INDEX: project("1.0.0"),
        }
        states = self.store.packages.get(self.slug(package_id))
        assert states is not None
        for source in states.states:
            Catalogue(self.store).answer(package_id, source, found[source], observed_at=at)

    def slug(self, package_id: int) -> str:
        return self.store.packages.slugs([package_id])[package_id]


def project(number: str, **fields: Any) -> ProjectVersions:
    """Return a project's description with metadata of its latest release."""
    info = ProjectInfo("A thing", CLASSIFIERS, "MIT", "https://docs.example.org/", licence_text="MIT")
    given = {"name": "a", "latest": number, "serial": 7, "info": info, "status": None, **fields}
    return ProjectVersions(releases=(release(number, requires_python=">=3.8"),), **given)


@pytest.fixture
def backend() -> str:
    """Return the kind of the store. The contract of both databases has tests of its own."""
    return "sqlite"


@pytest.fixture
def directory(empty_postgres_url: str) -> Directory:
    found = Directory(empty_postgres_url)
    found.create()
    return found


@pytest.fixture
def bench(directory: Directory, store: SqlStore) -> Iterator[Bench]:
    bench = Bench(directory, store)
    yield bench
    for site in bench.opened:
        site.close()
