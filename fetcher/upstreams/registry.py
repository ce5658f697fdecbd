"""The registry: every upstream that Fetcher knows. A new one is a folder beside this file and a line in ``KINDS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fetcher.catalogue.addresses import parse_repo_address
from fetcher.domain.errors import ConfigError
from fetcher.domain.model import RepoRef, Source, Unsupported
from fetcher.ports import Checkpoint, Site
from fetcher.quota import Policies
from fetcher.settings import Settings
from fetcher.upstreams.base import FeedStatus, Lane, Upstream
from fetcher.upstreams.github.upstream import GitHub
from fetcher.upstreams.pypi.upstream import PyPI

KINDS: tuple[type[Upstream], ...] = (GitHub, PyPI)
"""Every kind of upstream. A host belongs to the first upstream that names it."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The configured upstreams, in the order of the registry."""

    all: tuple[Upstream, ...]

    def named(self, name: str) -> Upstream:
        """Return the upstream called ``name``."""
        found = next((one for one in self.all if one.name == name), None)
        if found is None:
            known = ", ".join(one.name for one in self.all)
            raise ConfigError(f"no upstream is called {name}", f"Name one of: {known}")
        return found

    def of(self, source: Source, host: str | None) -> str | None:
        """Return the name of the upstream that serves ``source`` of a package; ``None`` if none does.

        ``host`` is the repository's; an index serves projects of any package.
        """
        serving = (one for one in self.all if source in one.sources)
        if source is Source.INDEX:
            return next((one.name for one in serving), None)
        return next((one.name for one in serving if host in one.hosts), None)

    def repository(self, text: str | None) -> RepoRef | Unsupported | None:
        """Parse a repository's address with the grammar of its forge; ``None`` if it is absent."""
        forges = [one for one in self.all if Source.REPOSITORY in one.sources]
        return parse_repo_address(text, {host: one.parse for one in reversed(forges) for host in one.hosts})

    def project(self, text: str | None) -> str | Unsupported | None:
        """Parse a project's name or address; ``None`` if it is absent."""
        index = next((one for one in self.all if Source.INDEX in one.sources), None)
        return None if index is None else index.parse_project(text)

    def policies(self, window_scale: float = 1.0) -> Policies:
        """Return each upstream's quota policy, with windows compressed by ``window_scale``."""
        return {one.name: one.quota.scaled(window_scale) for one in self.all}

    def sites(self) -> dict[str, Site]:
        """Return the origins and the credential of each upstream, for the transport."""
        return {one.name: Site(one.roots, one.credential) for one in self.all}

    def feeds(self, checkpoint: Callable[[str], Checkpoint | None]) -> list[FeedStatus]:
        """Return the state of each upstream's feed of changes that was polled. ``checkpoint`` returns one by name."""
        return [status for one in self.all if (status := one.feed(checkpoint)) is not None]

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes of all upstreams."""
        return tuple(lane for one in self.all for lane in one.lanes)


def upstreams_of(settings: Settings) -> Upstreams:
    """Return the upstreams that the settings configure."""
    return Upstreams(tuple(one for kind in KINDS for one in kind.configured(settings)))
