"""The registry: every upstream that Fetcher knows. A new one is a folder beside this file and a line in ``KINDS``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from fetcher.catalogue.addresses import parse_repo_address
from fetcher.domain.errors import ConfigError
from fetcher.domain.forges import ForgeKind, StoredForge
from fetcher.domain.model import REPOSITORY_SOURCES, RepoRef, Source, Unsupported
from fetcher.ports import Checkpoint, Site
from fetcher.quota import Policies
from fetcher.settings import Settings
from fetcher.upstreams.base import FeedStatus, Lane, Upstream
from fetcher.upstreams.bitbucket.kind import BITBUCKET
from fetcher.upstreams.forgejo.kind import FORGEJO
from fetcher.upstreams.github.upstream import GitHub
from fetcher.upstreams.gitlab.kind import GITLAB
from fetcher.upstreams.hosted.addresses import parse
from fetcher.upstreams.hosted.base import ForgeHost
from fetcher.upstreams.hosted.findings import known_in_words
from fetcher.upstreams.hosted.git_only import GIT_ONLY
from fetcher.upstreams.hosted.hosts import Hosts
from fetcher.upstreams.hosted.kinds import HostedKind
from fetcher.upstreams.hosted.policies import policy_of
from fetcher.upstreams.hosted.upstream import HostedForge
from fetcher.upstreams.pypi.upstream import PyPI

KINDS: tuple[type[Upstream], ...] = (GitHub, PyPI)
"""Every kind of upstream. A host belongs to the first upstream that names it."""

HOSTED: Final[Mapping[ForgeKind, HostedKind]] = {one.kind: one for one in (BITBUCKET, FORGEJO, GITLAB, GIT_ONLY)}
"""The kinds of the other hosts, each with a reader of its API. A host is an upstream by itself."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The configured upstreams, in the order of the registry, then the hosts of the catalogue's other repositories."""

    all: tuple[Upstream, ...]
    hosts: Hosts = Hosts()
    """The hosts beside those that an upstream of ``KINDS`` serves."""

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
        named = next((one.name for one in serving if host in one.hosts), None)
        if named is not None or host is None or source not in REPOSITORY_SOURCES:
            return named
        return self.hosts.name(host)

    @property
    def rules(self) -> str:
        """The rules by which addresses are parsed and served: those of ``hosts``, and the other forges' own hosts."""
        forges = (one for one in self.all if Source.REPOSITORY in one.sources and not isinstance(one, HostedForge))
        return ",".join([self.hosts.rules, *(f"{one.name}={host}" for one in forges for host in sorted(one.hosts))])

    def lists(self, host: str) -> bool:
        """Return whether ``host`` belongs to the catalogue's other hosts: no upstream of ``KINDS`` serves it."""
        own = (one for one in self.all if not isinstance(one, HostedForge))
        return self.hosts.refusal(host) is None and not any(host in one.hosts for one in own)

    def forge(self, host: str) -> str | None:
        """Return the kind of one of the catalogue's other hosts, and how it is known, in words; ``None`` for others."""
        own = (one for one in self.all if isinstance(one, HostedForge) and host in one.hosts)
        return next((known_in_words(one.host, one.kind.title) for one in own), None)

    def repository(self, text: str | None) -> RepoRef | Unsupported | None:
        """Parse a repository's address with the grammar of its forge; ``None`` if it is absent."""
        forges = [one for one in self.all if Source.REPOSITORY in one.sources]
        grammars = {host: one.parse for one in reversed(forges) for host in one.hosts}
        return parse_repo_address(text, grammars, self.hosts.parse)

    def project(self, text: str | None) -> str | Unsupported | None:
        """Parse a project's name or address; ``None`` if it is absent."""
        index = next((one for one in self.all if Source.INDEX in one.sources), None)
        return None if index is None else index.parse_project(text)

    def policies(self, window_scale: float = 1.0) -> Policies:
        """Return each upstream's quota policy, with windows compressed by ``window_scale``."""
        return {one.name: one.quota.scaled(window_scale) for one in self.all}

    def sites(self) -> dict[str, Site]:
        """Return the origins and the credential of each upstream, for the transport."""
        return {one.name: Site(one.roots, one.credential, one.public_only) for one in self.all}

    def feeds(self, checkpoint: Callable[[str], Checkpoint | None]) -> list[FeedStatus]:
        """Return the state of each upstream's feed of changes that was polled. ``checkpoint`` returns one by name."""
        return [status for one in self.all if (status := one.feed(checkpoint)) is not None]

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes of all upstreams."""
        return tuple(lane for one in self.all for lane in one.lanes)


def upstreams_of(settings: Settings, forges: Iterable[StoredForge] = ()) -> Upstreams:
    """Return the upstreams that the settings configure, and those of the stored hosts ``forges``."""
    own = [one for kind in KINDS for one in kind.configured(settings)]
    taken = {host for one in own for host in one.hosts}
    hosts = Hosts(settings.forges, tuple(forges))
    return Upstreams((*own, *(hosted(host) for host in hosts.all() if host.host not in taken)), hosts)


def hosted(host: ForgeHost) -> HostedForge:
    """Return the upstream of one host."""
    return HostedForge(
        host, HOSTED.get(host.kind, GIT_ONLY), policy_of(host), lambda location: parse(location, host.kind)
    )
