"""One host of repositories as an upstream: facts by the API of its kind, commits over git."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from fetcher.catalogue.addresses import Location
from fetcher.domain.model import DETAIL_SOURCES, REPOSITORY_SOURCES, RepoRef, Source, Target
from fetcher.domain.scheduling import Cadence
from fetcher.http.messages import NO_META, Response, ResponseMeta
from fetcher.ports import Transport
from fetcher.quota import QuotaPolicy
from fetcher.quota.limits import ANONYMOUS
from fetcher.settings import Settings
from fetcher.upstreams.base import Checked, Cost, Lane, Tools, Upstream, UpstreamRefresh
from fetcher.upstreams.heads import to_request
from fetcher.upstreams.hosted.base import ForgeHost
from fetcher.upstreams.hosted.findings import host_finding
from fetcher.upstreams.hosted.kinds import HostedKind

API: Final = "api"
"""Resource of a host's API, and of git where the host counts both together."""
GIT: Final = "git"
"""Resource of git's requests where the host counts them apart."""

GIT_ROUTES: Final = ("git_references", "git_pack", "git_capabilities")

MOST_CONCURRENT: Final = 4
"""Most repositories of one host that a process refreshes at once."""


@dataclass(frozen=True, slots=True)
class HostCredential:
    """The credential of one host: its token, or none."""

    identity: str
    _header: str | None = field(default=None, repr=False)

    async def header(self) -> str | None:
        """Return the value of ``Authorization``, or ``None``."""
        return self._header


class HostedForge(Upstream):
    """One host whose commits are read over git. Each host is an upstream with a quota account of its own."""

    sources = REPOSITORY_SOURCES

    def __init__(
        self,
        host: ForgeHost,
        kind: HostedKind,
        policy: QuotaPolicy,
        parse: Callable[[Location], RepoRef | str],
    ) -> None:
        self.host, self.kind = host, kind
        self.name = host.name
        self.title = host.host if host.name == host.host else f"{kind.title} ({host.host})"
        self.hosts = frozenset({host.host})
        self.roots = tuple(dict.fromkeys((host.root, host.git_root)))
        self.public_only = not host.trusted
        self.quota = policy
        self.routes = (*kind.routes, *GIT_ROUTES)
        self._parse = parse

    @classmethod
    def configured(cls, settings: Settings) -> Iterable[Self]:
        """Return nothing: hosts come from the settings and the catalogue together."""
        return ()

    @property
    def git_resource(self) -> str:
        """The resource that git's requests spend."""
        return GIT if self.quota.has(GIT) else API

    @property
    def credential(self) -> HostCredential:
        """The token of this host, or none."""
        token = self.host.token
        if token is None:
            return HostCredential(ANONYMOUS)
        fingerprint = hashlib.sha256(token.encode()).hexdigest()[:16]
        return HostCredential(f"token:{fingerprint}", self.kind.authorization(token))

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """One lane: all sources of a repository are read together."""
        return (
            Lane(
                self.name,
                REPOSITORY_SOURCES,
                API,
                batch=self.kind.batch,
                packages_per_request=self.kind.per_request,
                look_ahead=self.kind.look_ahead,
            ),
        )

    @property
    def rejected_remedy(self) -> str:
        """The setting with the host's token."""
        return f"Set a valid token for {self.host.host} in FETCHER_FORGES"

    def parse(self, location: Location) -> RepoRef | str:
        """Parse an address by the grammar of the kind."""
        return self._parse(location)

    def read_meta(self, response: Response) -> ResponseMeta:
        """Return the quota and the request id that the headers report."""
        return self.kind.read_meta(response)

    def costs(self, target: Target, now: datetime, cadence: Cadence) -> list[Cost]:
        """Return the usual cost: the API's share, and git's requests if the head has moved."""
        if target.repo is None or Source.REPOSITORY not in target.claimed:
            return []
        facts = Cost((Source.REPOSITORY,), 1, f"the facts from {self.title}, or the tip of the default branch over git")
        if target.head_oid is None or any(to_request(target, source, now) for source in DETAIL_SOURCES):
            return [facts, Cost(DETAIL_SOURCES, 2, "the tip and the commits over git")]
        return [
            facts,
            Cost(DETAIL_SOURCES, 0, "both describe the head: nothing is requested while it stays"),
            Cost(DETAIL_SOURCES, 1, "if the head has moved: the new commits over git"),
        ]

    async def check(self, transport: Transport, now: datetime) -> Checked:
        """Send the request of the kind that every credential may send."""
        answer = await transport.send(self.kind.probe(self.host))
        meta = self.read_meta(answer) if isinstance(answer, Response) else NO_META
        read = self.kind.read_probe(answer, self.host.host)
        return Checked((host_finding(self.host, self.kind.title, self.quota, answer, read, meta),), answer)

    def connect(self, tools: Tools) -> UpstreamRefresh:
        """Return the refresh of the host's repositories."""
        from fetcher.upstreams.git_details import GitDetails  # noqa: PLC0415  (dulwich takes 40 ms to import)
        from fetcher.upstreams.git_reader import GitReader  # noqa: PLC0415
        from fetcher.upstreams.hosted.refresh import HostedRefresh  # noqa: PLC0415

        reader = GitReader(self.name, self.git_resource, self.host.git_root, tools.gateway, tools.clock)
        return HostedRefresh(
            tools,
            self.kind.connect(self.host, tools),
            reader,
            GitDetails(reader, tools.clock),
            self.kind.clone_suffix,
            asyncio.Semaphore(min(MOST_CONCURRENT, self.quota.in_flight)),
        )
